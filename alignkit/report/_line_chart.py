"""Curves over time or steps, with intervals, the ceiling as a band, and where they are significant."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from alignkit._typing import FloatArray
from alignkit.report._axes import Scale, frame
from alignkit.report._chart import Chart
from alignkit.report._legend import legend
from alignkit.report._svg import COLOURS, drawing, element, fit, label, marked, number

#: Points of a curve that tell their value; of more, these are spread evenly.
_TOLD = 60
#: Up to so many points, each is a dot.
_DOTS = 20
#: Points of a curve that are drawn: more than a screen has.
_DRAWN = 1000
_WIDTH, _HEIGHT, _LEFT, _TOP = 480.0, 250.0, 66.0, 30.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One curve; ``band`` has its lower and upper ends, ``spans`` the stretches that are marked below it."""

    name: str
    x: FloatArray
    y: FloatArray
    band: tuple[FloatArray, FloatArray] | None = None
    spans: Sequence[tuple[float, float]] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Axes:
    """Names of the axes, what ``x`` is called beside a value, and lines across at a place of x or y."""

    x: str
    y: str
    at_x: Sequence[float] = ()
    at_y: Sequence[float] = ()
    diagonal: bool = False


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    axes: Axes,
    caption: str,
    ceiling: tuple[FloatArray, FloatArray, FloatArray] | None = None,
) -> Chart:
    """Return curves in one frame; ``ceiling`` has x, its lower and its upper bound."""
    bands = [end for line in lines for end in line.band or ()] + list(ceiling[1:] if ceiling else ())
    y_values = np.concatenate([*(line.y for line in lines), *bands, np.array(axes.at_y, dtype=np.float64)])
    rows = [line for line in lines if len(line.spans)]
    x = Scale.around(np.concatenate([line.x for line in lines]).tolist(), _LEFT, _WIDTH - 12, margin=0.01)
    y = Scale.around(y_values.tolist(), _TOP + _HEIGHT - 8 * len(rows), _TOP, margin=0.06)
    parts = [label(4, 16, fit(title, _WIDTH - 8))]
    if ceiling is not None:
        parts += _areas(x, y, *ceiling, {"class": "band", **marked("noise ceiling")})
    parts += frame(x, dataclasses.replace(y, start=y.start, stop=y.stop), axes.x, axes.y)
    parts += _across(x, y, axes)
    looks = _looks(lines)
    for line in lines:
        parts += _curve(line, looks[line.name][0], x, y, axes)
    base = _TOP + _HEIGHT + 6
    for k, line in enumerate(rows):
        parts += _marked_spans(line, looks[line.name][0], x, base - 8 * (len(rows) - k) - 4)
    bottom, keys = legend(looks if len(lines) > 1 else {}, 4.0, _TOP + _HEIGHT + 62.0, _WIDTH - 8.0)
    return Chart(drawing(_WIDTH, bottom + 4, *parts, *keys), caption, f"Curves, {title}: {_spoken(lines)}.")


def _looks(lines: Sequence[Line]) -> dict[str, tuple[str, str]]:
    """Return a colour for each curve in their order."""
    names = [line.name for line in lines]
    return {name: (COLOURS[k % len(COLOURS)], "square") for k, name in enumerate(names)}


def _curve(line: Line, colour: str, x: Scale, y: Scale, axes: Axes) -> list[str]:
    parts: list[str] = []
    if line.band is not None:
        parts += _areas(x, y, line.x, *line.band, {"fill": colour, "fill-opacity": ".18", "pointer-events": "none"})
    keep = _spread(len(line.x), _DRAWN)
    for points in _whole(line.x[keep], line.y[keep]):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        style = {"fill": "none", "stroke": colour, "stroke-width": 2, "pointer-events": "none"}
        parts.append(element("polyline", {"points": path, **style}))
    for k in _spread(len(line.x), _TOLD):
        if np.isfinite(line.y[k]):
            told = f"{line.name}\n{number(line.y[k])} at {number(line.x[k])} {axes.x.partition('(')[2].rstrip(')')}"
            dots = len(line.x) <= _DOTS
            at = {"cx": x(line.x[k]), "cy": y(line.y[k]), "r": 4.0 if dots else 6.0, "fill": colour}
            at |= {} if dots else {"fill-opacity": "0"}
            parts.append(element("circle", at | marked(told.rstrip())))
    return parts


def _areas(
    x: Scale, y: Scale, at: FloatArray, low: FloatArray, high: FloatArray, look: dict[str, object]
) -> Iterable[str]:
    keep = _spread(len(at), _DRAWN)
    at, low, high = at[keep], low[keep], high[keep]
    there = np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(int)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        forth = [f"{x(a):.1f},{y(b):.1f}" for a, b in zip(at[start:stop], high[start:stop], strict=True)]
        back = [f"{x(a):.1f},{y(b):.1f}" for a, b in zip(at[start:stop], low[start:stop], strict=True)]
        yield element("polygon", {"points": " ".join([*forth, *back[::-1]]), **look})


def _whole(at: FloatArray, values: FloatArray) -> Iterable[list[tuple[float, float]]]:
    """Yield the stretches of a curve between values that are missing."""
    there = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(int)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield list(zip(at[start:stop].tolist(), values[start:stop].tolist(), strict=True))


def _across(x: Scale, y: Scale, axes: Axes) -> list[str]:
    line = {"class": "axis", "stroke-dasharray": "4 3"}
    left, right, top, bottom = x.start, x.stop, min(y.start, y.stop), max(y.start, y.stop)
    parts = [
        element("line", line | {"x1": x(at), "x2": x(at), "y1": top, "y2": bottom})
        for at in axes.at_x
        if x.low <= at <= x.high
    ]
    parts += [element("line", line | {"x1": left, "x2": right, "y1": y(at), "y2": y(at)}) for at in axes.at_y]
    if axes.diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(element("line", line | {"x1": x(low), "y1": y(low), "x2": x(high), "y2": y(high)}))
    return parts


def _marked_spans(line: Line, colour: str, x: Scale, top: float) -> Iterable[str]:
    for start, stop in line.spans:
        place = {"x": x(start), "y": top, "width": max(x(stop) - x(start), 2.0), "height": 5.0, "fill": colour}
        yield element("rect", place | marked(f"{line.name}\nsignificant from {number(start)} to {number(stop)}"))


def _spread(n: int, most: int) -> list[int]:
    found: list[int] = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)).tolist()
    return found


def _spoken(lines: Sequence[Line]) -> str:
    told = []
    for line in lines[:20]:
        if np.isfinite(line.y).any():
            best = int(np.nanargmax(line.y))
            told.append(f"{line.name} highest {number(line.y[best])} at {number(line.x[best])}")
        else:
            told.append(f"{line.name} undefined")
    return "; ".join(told)
