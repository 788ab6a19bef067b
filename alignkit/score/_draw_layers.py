"""Layer curves: a line per model with its interval, how often each layer was chosen, and the ceiling as a band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import join_names
from alignkit._plot import new_axes
from alignkit._typing import FloatArray
from alignkit.score._draw import as_plain, draw_ceiling
from alignkit.score._text import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.score._row import ScoreRow
    from alignkit.score._table import ScoreTable

#: Dark to light enough to be told apart in print and by the colour-blind.
_COLOURS = ("#2a6f97", "#c1571b", "#5b8c3e", "#7b4ea3", "#a3123f", "#3d3d3d")
#: More names than this overlap.
_MAX_TICKS = 26


def plot_curves(
    table: ScoreTable, ax: Axes | None = None, *, part: str | None = None, measure: str | None = None
) -> Axes:
    """Draw the layer curves of one part and measure: the first that fits ``part`` and ``measure``."""
    points = _choose(table, part, measure)
    models = list(dict.fromkeys(row.model for row in points))
    curves = [[row for row in points if row.model == model] for model in models]
    ax = new_axes(ax, figsize=(6.2, 3.9))
    draw_ceiling(ax, points[0], horizontal=True)
    for k, (model, curve) in enumerate(zip(models, curves, strict=True)):
        _draw_curve(ax, curve, as_plain(shorten(model, 28)), _COLOURS[k % len(_COLOURS)], _places(curve, curves))
    _label_layers(ax, curves)
    ax.set_title(f"{as_plain(points[0].part)} (n = {points[0].n:,})", fontsize=10, loc="left")
    ax.set_ylabel(points[0].measure)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8)
    return ax


def _choose(table: ScoreTable, part: str | None, measure: str | None) -> list[ScoreRow]:
    points = [row for row in table.rows if row.role == "layer"]
    found = [row for row in points if part in (None, row.part) and measure in (None, row.measure)]
    if not found:
        known = join_names(dict.fromkeys(f"{row.part}: {row.measure}" for row in points))
        msg = (
            f"no layer curve has part {part!r} and measure {measure!r}; there are {known or 'none'}"
            f"{'' if known else ' (score with layers=)'}."
        )
        raise ValueError(msg)
    return [row for row in found if (row.part, row.measure) == (found[0].part, found[0].measure)]


def _same_layers(curves: list[list[ScoreRow]]) -> bool:
    return len({tuple(row.layer for row in curve) for curve in curves}) == 1


def _places(curve: list[ScoreRow], curves: list[list[ScoreRow]]) -> FloatArray:
    if _same_layers(curves):
        return np.arange(len(curve), dtype=np.float64)
    return np.linspace(0.0, 1.0, len(curve))


def _draw_curve(ax: Axes, curve: list[ScoreRow], name: str, colour: str, places: FloatArray) -> None:
    values, low, high, chosen = np.array([(row.value, row.low, row.high, row.chosen) for row in curve]).T
    ax.plot(places, values, color=colour, linewidth=1.8, label=name, zorder=3)
    if np.isfinite(low).any():
        ax.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
    # the area of a ring says how often its layer was chosen on other items
    often = np.nan_to_num(chosen)
    ax.scatter(places, values, s=12, color=colour, zorder=4)
    ax.scatter(places[often > 0], values[often > 0], s=320 * often[often > 0], facecolors="none", edgecolors=colour)


def _label_layers(ax: Axes, curves: list[list[ScoreRow]]) -> None:
    if not _same_layers(curves):
        ax.set_xlabel("depth (first to last layer)")
        return
    names = [as_plain(shorten(name, 22)) for name in _abbreviate([row.layer for row in curves[0]], 22)]
    step = -(-len(names) // _MAX_TICKS)
    places = np.arange(0, len(names), step)
    long = max(map(len, names)) * len(places) > 60
    style: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
    ax.set_xticks(places, [names[k] for k in places], fontsize=8, **style)


def _abbreviate(layers: Sequence[str], width: int) -> list[str]:
    """Return the layers' names with as many outer modules as needed cut to one letter: numbers tell them apart."""
    names = [layer.split(".") for layer in layers]
    for k in range(max(map(len, names))):
        if max(len(".".join(parts)) for parts in names) <= width:
            break
        names = [[*p[:k], p[k] if p[k].isdigit() else p[k][:1], *p[k + 1 :]] if k + 1 < len(p) else p for p in names]
    return [".".join(parts) for parts in names]
