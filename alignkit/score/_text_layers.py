"""Layer curves as plain text: a line per layer, a column per part."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from alignkit.score._layers import HELD_OUT
from alignkit.score._row import ScoreRow

if TYPE_CHECKING:
    from alignkit.score._table import ScoreTable

_NAME = 30
_COLUMN = 15


def curve_lines(table: ScoreTable, width: int) -> list[str]:
    """Return the curves of every model, with the layer that was chosen most often and the score it led to."""
    points = [row for row in table.rows if row.role == "layer"]
    lines: list[str] = []
    for model in dict.fromkeys(row.model for row in points):
        parts = list(dict.fromkeys((row.part, row.measure) for row in points if row.model == model))
        per_block = max(1, (width - _NAME - 2) // _COLUMN)
        for start in range(0, len(parts), per_block):
            curves = [table.curve(model, *part) for part in parts[start : start + per_block]]
            lines += ["", f"Layer curves of {model}", *_block(table, model, curves)]
    if lines:
        note = (
            "* chosen most often on other items than those it was scored on. The highest point of a curve is no score: "
            "it is picked on the answers it is scored on."
        )
        lines += ["", *textwrap.wrap(note, width, subsequent_indent="  ")]
    return [line.rstrip() for line in lines]


def _block(table: ScoreTable, model: str, curves: Sequence[Sequence[ScoreRow]]) -> Iterable[str]:
    heads = [textwrap.wrap(curve[0].part, _COLUMN - 2, break_on_hyphens=False) for curve in curves]
    for k in range(max(map(len, heads))):
        yield _cells("", [head[k] if k < len(head) else "" for head in heads])
    favourites = [favourite(curve) for curve in curves]
    for points in zip(*curves, strict=True):
        stars = ["*" if point is best else " " for point, best in zip(points, favourites, strict=True)]
        values = [f"{_number(p.value)}{star}" for p, star in zip(points, stars, strict=True)]
        yield _cells(points[0].layer[: _NAME - 1], values)
    if any(math.isfinite(curve[0].ceiling_low) for curve in curves):
        yield _cells("noise ceiling", [f"{_number(curve[0].ceiling_low)} " for curve in curves])
    yield _cells("* chosen in", ["- " if best is None else f"{best.chosen:.0%} " for best in favourites])
    yield _cells(f"score on {HELD_OUT}", [f"{_number(_nested(table, model, curve[0]).value)} " for curve in curves])


def favourite(curve: Sequence[ScoreRow]) -> ScoreRow | None:
    """Return the layer that was chosen most often on other items; None where there was no choice."""
    known = [row for row in curve if math.isfinite(row.chosen)]
    return max(known, key=lambda row: row.chosen) if known else None


def _nested(table: ScoreTable, model: str, point: ScoreRow) -> ScoreRow:
    return table.value(model, point.part, f"{point.measure}, {HELD_OUT}")


def _cells(name: str, cells: Iterable[str]) -> str:
    return f"  {name:{_NAME}}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells)


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"
