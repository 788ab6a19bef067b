"""How a matrix of people by models is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._plot import new_axes
from alignkit._typing import FloatArray
from alignkit.meg._identity_scores import rank_one
from alignkit.meg._sample_unit import time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.meg._identify_result import Identification

#: Above this many people tick labels overlap and say nothing.
_MAX_TICKS = 40


def draw_identification(found: Identification, ax: Axes | None, *, centred: bool) -> Axes:
    """Draw people's RDMs (rows) against models (columns); diverging colours where means are taken off."""
    from matplotlib.patches import Rectangle

    ax = new_axes(ax, figsize=(5.0, 4.4))
    matrix, n = (_without_means(found) if centred else found.matrix), found.n_people
    reach = float(np.nanmax(np.abs(matrix), initial=0.0)) or 1.0
    limits: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach} if centred else {"cmap": "viridis"}
    image = ax.imshow(matrix, interpolation="nearest", **limits)
    for k in range(n):
        ax.add_patch(Rectangle((k - 0.5, k - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.2))
    people, models = np.nonzero(np.nan_to_num(rank_one(found.centred if centred else found.matrix)))
    size = max(6.0, 900 / n**2)
    ax.scatter(models, people, s=size, color="white", edgecolors="black", linewidths=0.8, label="most alike")
    _name(ax, found.people)
    ax.set_xlabel("model of")
    ax.set_ylabel("RDMs of")
    test = found.test("rank-1, centred" if centred else "rank-1")
    ax.set_title(f"{test.name}: {test.value:.0%} (chance {test.chance:.0%}, p = {test.p:.2g})", fontsize="medium")
    assert ax.figure is not None
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    less = "\nless the means of each model and person" if centred else ""
    bar.set_label(f"similarity ({found.method}){less}")
    bar.outline.set_visible(False)
    return ax


def _without_means(found: Identification) -> FloatArray:
    """Return the matrix less each model's and then each person's mean, so that neither hides the diagonal.

    A person's mean changes no order within a row, and so no accuracy.
    """
    matrix = found.centred
    return np.asarray(matrix - matrix.mean(axis=1, keepdims=True))


def draw_over_time(found: Identification, ax: Axes | None) -> Axes:
    """Draw mean curves of own and others' models, and of own and others' sessions."""
    ax = new_axes(ax, figsize=(6.4, 3.4))
    scale, label = time_axis(found.times, timed=found.timed)
    times = scale * found.times
    kinds = [("model", False, "C0")] + (
        [("other sessions", True, "0.4")] if found.sessions_over_time is not None else []
    )
    for what, of_sessions, color in kinds:
        own, others = found.curves(of_sessions=of_sessions)
        mean, difference = own.mean(axis=0), own - others
        error = difference.std(axis=0, ddof=1) / np.sqrt(len(own))
        ax.fill_between(times, mean - error, mean + error, color=color, alpha=0.2, linewidth=0)
        ax.plot(times, mean, color=color, label=f"own {what}", marker="o" if len(times) == 1 else None)
        rest = others.mean(axis=0)
        name = "others' sessions" if of_sessions else "others' models"
        ax.plot(times, rest, color=color, linestyle="--", label=name, marker="s" if len(times) == 1 else None)
    ax.axhline(0, color="0.5", linewidth=0.8)
    if times[0] < 0 < times[-1]:
        ax.axvline(0, color="0.5", linewidth=0.8)
    ax.set_xlabel(label)
    ax.set_ylabel(f"{found.method}, mean of {found.n_people} people")
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _name(ax: Axes, names: tuple[str, ...]) -> None:
    if len(names) > _MAX_TICKS:
        ax.set_xticks([])
        ax.set_yticks([])
        return
    size = max(4.0, min(9.0, 160 / len(names)))
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=size, parse_math=False)
    ax.set_yticks(range(len(names)), names, fontsize=size, parse_math=False)
