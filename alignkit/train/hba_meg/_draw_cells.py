"""Pictures of cells: every model's time course beside the noise ceiling, one cell or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice
from alignkit._plot import new_axes
from alignkit.meg._draw_timecourse import plot_timecourse
from alignkit.train.hba_meg._cell_scores import CellScores
from alignkit.train.hba_meg._cells import ITEMS, PEOPLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alignkit.train.hba_meg._scores import HBAMEGScores

_COLOUR, _BAND = "#0072B2", "0.82"


def plot_cell(cell: CellScores, ax: Axes | None = None, *, models: Sequence[str] = ()) -> Axes:
    """Draw a cell: curves with intervals, clusters, onsets and peaks; one point per model where there are no curves.

    Onsets are marked in curves that lie above zero after them, and peaks where the curve does, by the cluster test that
    is reported: nowhere, where the people are too few for one.

    Raises
    ------
    ValueError
        No such model.
    """
    names = list(models) or list(cell.course.models)
    for name in names:
        check_choice("models", name, cell.course.models)
    if not cell.timed:
        return _plot_means(cell, names, ax)
    scores = {name: cell.model(name) for name in names}
    marks: dict[str, Any] = {
        # rows below the curves only where there is something in them
        "significance": {name: one.test for name, one in scores.items() if one.test is not None and one.above_zero},
        "onset": {name: one.onset for name, one in scores.items() if one.onset is not None and one.onset_told},
        "peak": {name: one.peak for name, one in scores.items() if one.peak is not None and one.peak_told},
    }
    ax = plot_timecourse(cell.course, ax, models=names, **marks)
    ax.set_title(_title(cell), fontsize=9, loc="left")
    return ax


def plot_cells(scores: HBAMEGScores) -> Figure:
    """Draw all cells, items in rows and people in columns, on one scale; clusters, onsets and peaks are left out.

    Raises
    ------
    ValueError
        Scores without a cell.
    """
    from matplotlib import pyplot as plt

    rows = [items for items in ITEMS if any(cell.items == items for cell in scores.cells)]
    columns = [people for people in PEOPLE if any(cell.people == people for cell in scores.cells)]
    if not rows:
        msg = "these scores hold no cell to draw."
        raise ValueError(msg)
    figure, axes = plt.subplots(
        len(rows),
        len(columns),
        figsize=(0.8 + 4.0 * len(columns) + 1.6, 0.5 + 2.3 * len(rows)),
        squeeze=False,
        sharey=True,
        layout="compressed",
    )
    there = {(cell.items, cell.people): cell for cell in scores.cells}
    for i, items in enumerate(rows):
        for j, people in enumerate(columns):
            cell, ax = there.get((items, people)), axes[i, j]
            if cell is None:
                ax.set_axis_off()
                continue
            _plot_plain(cell, ax)
            legend = ax.get_legend()
            if legend is not None and (i, j) != (0, len(columns) - 1):
                legend.remove()
            _tidy(ax, bottom=i == len(rows) - 1, left=j == 0)
    return figure


def _plot_plain(cell: CellScores, ax: Axes) -> None:
    if cell.timed:
        plot_timecourse(cell.course, ax)
        ax.set_title(_title(cell), fontsize=8, loc="left")
    else:
        _plot_means(cell, list(cell.course.models), ax)


def _tidy(ax: Axes, *, bottom: bool, left: bool) -> None:
    if not bottom:
        ax.set_xlabel("")
    if not left:
        ax.set_ylabel("")


def _plot_means(cell: CellScores, names: Sequence[str], ax: Axes | None) -> Axes:
    """Draw each model's mean with its interval, and every person's, beside the noise ceiling."""
    ax = new_axes(ax, figsize=(1.6 + 0.9 * len(names), 3.4))
    if np.isfinite([cell.lower, cell.upper]).all():
        ax.axhspan(cell.lower, cell.upper, color=_BAND, linewidth=0, label="noise ceiling", zorder=0)
    for place, name in enumerate(names):
        one = cell.model(name)
        ax.plot(np.full(len(one.per_person), place + 0.18), one.per_person, ".", color="0.6", markersize=4, zorder=1)
        ax.vlines(place, one.low, one.high, color=_COLOUR, linewidth=2, zorder=2)
        ax.plot([place], [one.mean], "o", color=_COLOUR, markersize=7, zorder=3)
    ax.axhline(0, color="0.5", linewidth=0.8, zorder=1)
    turned: dict[str, Any] = {"rotation": 30, "ha": "right"} if max(map(len, names)) > 10 else {}
    ax.set_xticks(range(len(names)), names, parse_math=False, **turned)
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_ylabel("similarity (Spearman)")
    ax.set_title(_title(cell), fontsize=8, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    return ax


def _title(cell: CellScores) -> str:
    people = "1 person" if cell.n_people == 1 else f"{cell.n_people} people"
    return f"{cell.name}\n{cell.n_items:,} items, {people}"
