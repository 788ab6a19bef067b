"""The part of the demo's page on time: how a model's dimensions unfold as people's M/EEG does."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import numpy as np

from alignkit._demo._dynamics import WINDOW, Unfolded
from alignkit.report import Figure, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.train.hba_meg._cell_scores import CellScores


def dynamics_section(unfolded: Unfolded, /) -> Section:
    """Return what training on people's M/EEG bought, as the last part before the scores of a page."""
    run = shlex.quote(str(unfolded.result.path))
    return Section(
        "Unfolding in time",
        paragraphs=[_found(unfolded)],
        figures=[_course(unfolded), _weights(unfolded)],
        commands=[f"alignkit train hba-meg --subject all --start {run} --out {run}-people"],
        notes=[
            "Nothing was trained or chosen on the objects and the half of the sessions that these curves are scored "
            "on. The command trains a model of each person, and tells whether their M/EEG knows its own.",
            unfolded.scores.methods_text(),
        ],
    )


def to_text(unfolded: Unfolded, /) -> str:
    """Return it on one screen."""
    cell = unfolded.scores.cell("held_out", "train")
    start, stop = (1e3 * time for time in WINDOW)
    lines = [
        f"CLIP-HBA-MEG in the lab: Spearman's correlation with each person's RDMs, mean from {start:g} to {stop:g} ms",
        f"  {cell.name}, {cell.n_items} objects, {len(cell.course.subjects)} people",
    ]
    for name, row in zip(("unfolding", *cell.course.models[1:]), cell.models, strict=True):
        interval = f"[{row.low:.3f}, {row.high:.3f}]" if np.isfinite(row.low) else ""
        lines.append(f"  {name:<44}{row.mean:.4f}  {interval}".rstrip())
    lines.append(f"  {'noise ceiling':<44}{cell.lower:.4f} to {cell.upper:.4f}")
    lines.append(f"  {_peaks(unfolded)}")
    return "\n".join(lines)


def _found(unfolded: Unfolded) -> str:
    cell, n = unfolded.scores.cell("held_out", "train"), len(unfolded.study.rdms)
    return (
        f"M/EEG of {n} simulated people was recorded while they saw {len(unfolded.study.lab.labels)} objects. A small "
        "transformer that had learned the dimensions was then trained to mix its layers, and to weigh its dimensions, "
        "at every time so that distances between objects change as people's do (CLIP-HBA-MEG). On objects and sessions "
        f"that it was not trained on it correlates {cell.models[0].mean:.3f} with people's RDMs, mean over "
        f"{1e3 * WINDOW[0]:g} to {1e3 * WINDOW[1]:g} ms; before, it was {cell.models[1].mean:.3f}, and the noise "
        f"ceiling lies from {cell.lower:.3f} to {cell.upper:.3f}. {_peaks(unfolded)[:1].upper()}{_peaks(unfolded)[1:]}."
    )


def _peaks(unfolded: Unfolded) -> str:
    course = unfolded.scores.cell("held_out", "train").course
    best = int(np.nanargmax(course.mean[0]))
    planted = 1e3 * float(unfolded.study.meg.peak_s.mean())
    return f"its curve is highest at {1e3 * course.times[best]:g} ms; the signal's peak was planted at {planted:g} ms"


def _course(unfolded: Unfolded) -> Figure:
    from matplotlib import pyplot as plt

    cell = unfolded.scores.cell("held_out", "train")
    figure, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
    unfolded.scores.plot(ax, items="held_out", people="train")
    _mark(ax, unfolded)
    caption = (
        "Time courses on held-out objects and sessions: mean over people, with intervals; grey: noise ceiling. Dotted: "
        "where onset and peak of the signal were planted."
    )
    return Figure.from_matplotlib(figure, caption, alt=_spoken(cell))


def _mark(ax: Axes, unfolded: Unfolded) -> None:
    meg = unfolded.study.meg
    scale = 1e3 if ax.get_xlim()[1] > 10 else 1.0  # axes may be in milliseconds
    for seconds in (meg.onset_s.mean(), meg.peak_s.mean()):
        ax.axvline(scale * float(seconds), color="0.3", linestyle=":", linewidth=1)


def _spoken(cell: CellScores) -> str:
    values = ", ".join(f"{row.model} {row.mean:.3f}" for row in cell.models)
    return f"Mean correlations: {values}; noise ceiling {cell.lower:.3f} to {cell.upper:.3f}."


def _weights(unfolded: Unfolded) -> Figure:
    from matplotlib import pyplot as plt

    scores = unfolded.scores
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    scores.plot_weights(left)
    scores.plot_factors(right)
    caption = "What was learned: how much every layer, and every dimension, counts at every time."
    return Figure.from_matplotlib(figure, caption, alt="Two heat maps over time: weights of layers, of dimensions.")
