"""Bars of models and baselines with intervals, and the ceiling as a band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alignkit._plot import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.score._row import ScoreRow
    from alignkit.score._table import ScoreTable

_COLOURS = {"model": "#2a6f97", "baseline": "#b8b8b8"}


def plot_scores(
    table: ScoreTable, ax: Axes | None = None, *, part: str | None = None, measure: str | None = None
) -> Axes:
    """Draw one part and measure of a score table."""
    rows = _choose(table, part, measure)
    ax = new_axes(ax, figsize=(6.4, 1.3 + 0.36 * len(rows)))
    places = np.arange(len(rows))[::-1]
    ax.barh(places, [row.value for row in rows], color=[_COLOURS[row.role] for row in rows], height=0.7)
    for place, row in zip(places, rows, strict=True):
        if np.isfinite(row.low):
            ax.plot([row.low, row.high], [place, place], color="black", linewidth=1.4, solid_capstyle="butt")
    _draw_ceiling(ax, rows[0])
    ax.set_yticks(places, [_short(row.model) for row in rows])
    ax.set_title(f"{rows[0].part} (n = {rows[0].n:,})", fontsize=10)
    ax.set_xlabel(rows[0].measure + ("" if rows[0].higher_is_better else ", lower is better"))
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _choose(table: ScoreTable, part: str | None, measure: str | None) -> list[ScoreRow]:
    rows = [row for row in table.rows if part in (None, row.part) and measure in (None, row.measure)]
    if not rows:
        known = sorted({(row.part, row.measure) for row in table.rows})
        msg = f"no line has part {part!r} and measure {measure!r}; there are {known}."
        raise ValueError(msg)
    return [row for row in rows if (row.part, row.measure) == (rows[0].part, rows[0].measure)]


def _draw_ceiling(ax: Axes, row: ScoreRow) -> None:
    low, high = row.ceiling_low, row.ceiling_high
    if np.isfinite(low) and np.isfinite(high):
        ax.axvspan(low, high, color="#e9c46a", alpha=0.55, linewidth=0, label="noise ceiling")
    elif np.isfinite(low):
        ax.axvline(low, color="#e9c46a", linewidth=3, label="noise ceiling")
    else:
        return
    ax.legend(loc="lower right", fontsize=8, frameon=False, bbox_to_anchor=(1.0, 1.0))


def _short(name: str, width: int = 28) -> str:
    return name if len(name) <= width else f"{name[: width - 3]}..."
