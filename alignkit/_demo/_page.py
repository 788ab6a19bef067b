"""The demo's page: what it is, the objects, and the geometry of brains and models."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._demo._config import REAL_COMMANDS
from alignkit.report import Figure, Section, write_score_report

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.models import Features
    from alignkit.score import ScoreTable


def write_page(
    path: Path, table: ScoreTable, lab: SimulatedLab, features: list[Features], more: Sequence[Section]
) -> None:
    """Write the demo's report: an introduction, the lab, ``more``, and every score."""
    write_score_report(path, table, before=[_introduction(), _lab_section(lab, table, features), *more])


def _introduction() -> Section:
    text = (
        "The objects, the people and the brains on this page are simulated: the objects were drawn from known latent "
        "dimensions, and people and brains were computed from the same dimensions with known noise. The encoders and "
        "every number are real computations. Nothing here says how a model compares with real people; these "
        "commands do:"
    )
    return Section("What this is", paragraphs=[text], commands=REAL_COMMANDS)


def _lab_section(lab: SimulatedLab, table: ScoreTable, features: list[Features]) -> Section:
    return Section(
        "The simulated lab", paragraphs=[lab.describe()], figures=[_contact_sheet(lab), _rdms(lab, table, features)]
    )


def _contact_sheet(lab: SimulatedLab, columns: int = 12, rows: int = 4) -> Figure:
    from PIL import Image

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
