"""Bars of models and baselines with intervals, and the ceiling as a band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import join_names
from alignkit._plot import new_axes
from alignkit.score._row import is_in_sample
from alignkit.score._text import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.score._row import ScoreRow
    from alignkit.score._table import ScoreTable

_COLOURS = {"model": "#2a6f97", "baseline": "#b8b8b8"}


def plot_scores(
    table: ScoreTable, ax: Axes | None = None, *, part: str | None = None, measure: str | None = None
) -> Axes:
    """Draw one part and measure of a score table: the first that fits ``part`` and ``measure``."""
    rows = _choose(table, part, measure)
    ax = new_axes(ax, figsize=(5.6, 1.3 + 0.32 * len(rows)))
    places = np.arange(len(rows))[::-1]
    ax.barh(places, [row.value for row in rows], color=[_COLOURS[row.role] for row in rows], height=0.7)
    for place, row in zip(places, rows, strict=True):
        if np.isfinite(row.low):
            ax.plot([row.low, row.high], [place, place], color="black", linewidth=1.4, solid_capstyle="butt")
    draw_ceiling(ax, rows[0])
    ax.set_yticks(places, [as_plain(shorten(row.model, 28)) + _seen(row) for row in rows])
    ax.set_title(f"{rows[0].part} (n = {rows[0].n:,})", fontsize=10, loc="left", pad=18)
    ax.set_xlabel(rows[0].measure + ("" if rows[0].higher_is_better else ", lower is better"))
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _seen(row: ScoreRow) -> str:
    return "\n(in-sample)" if is_in_sample(row.split) else ""


def _choose(table: ScoreTable, part: str | None, measure: str | None) -> list[ScoreRow]:
    bars = [row for row in table.rows if row.role != "layer"]
    rows = [row for row in bars if part in (None, row.part) and measure in (None, row.measure)]
    if not rows:
        known = join_names(dict.fromkeys(f"{row.part}: {row.measure}" for row in bars))
        msg = f"no line has part {part!r} and measure {measure!r}; there are {known or 'none'}."
        raise ValueError(msg)
    return [row for row in rows if (row.part, row.measure) == (rows[0].part, rows[0].measure)]


def as_plain(name: str) -> str:
    """Return a name in which a dollar sign is no formula."""
    return name.replace("$", r"\$")


def draw_ceiling(ax: Axes, row: ScoreRow, *, horizontal: bool = False) -> None:
    """Draw a line's ceilings as a band, or a single one as a line, and name it."""
    low, high = row.ceiling_low, row.ceiling_high
    if not np.isfinite(low):
        return
    if np.isfinite(high):
        span = ax.axhspan if horizontal else ax.axvspan
        span(low, high, color="#e9c46a", alpha=0.55, linewidth=0)
    else:
        line = ax.axhline if horizontal else ax.axvline
        line(low, color="#e9c46a", linewidth=3)
    label = "noise ceiling" if row.higher_is_better else "noise floor"
    middle = (low + high) / 2 if np.isfinite(high) else low
    style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "color": "#6b5310", "va": "bottom"}
    if horizontal:
        ax.annotate(label, (1, low), xycoords=("axes fraction", "data"), xytext=(-3, 2), ha="right", **style)
    else:
        # between the axes and their title: no bar and no interval is hidden
        ax.annotate(label, (middle, 1), xycoords=("data", "axes fraction"), xytext=(0, 3), ha="center", **style)
