"""Bars of models beside the ceiling, with intervals and marks of what is significant."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from alignkit.report._axes import Scale
from alignkit.report._chart import Chart
from alignkit.report._svg import COLOURS, drawing, element, fit, label, marked, number

_WIDTH, _ROW, _NAMES, _TOP = 480.0, 26.0, 150.0, 26.0


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name and value, its interval, marks at its end, what is told of it, and whether it is faint."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    marks: str = ""
    told: str = ""
    faint: bool = False


def bar_chart(
    bars: Sequence[Bar],
    *,
    title: str,
    axis: str,
    caption: str,
    ceiling: tuple[float, float] = (math.nan, math.nan),
    limit: str = "noise ceiling",
) -> Chart:
    """Return lying bars, the first on top; the ceiling is a band, or a line where only one bound is known.

    ``limit`` is what the ceiling is called: of a measure that is better when it is low, it is a floor.
    """
    bounds = [bound for bound in ceiling if math.isfinite(bound)]
    values = [value for bar in bars for value in (bar.value, bar.low, bar.high)]
    x = Scale.around([*values, *bounds], _NAMES + 10, _WIDTH - 40, zero=True)
    bottom = _TOP + _ROW * len(bars) + 4
    parts = [label(4, 16, fit(title, _WIDTH - 8)), *_grid(x, bottom, axis), *_ceiling(x, bounds, bottom, limit)]
    for k, bar in enumerate(bars):
        parts += _bar(bar, x, _TOP + _ROW * k + 3)
    zero = {"class": "axis", "x1": x(0), "x2": x(0), "y1": _TOP, "y2": bottom}
    spoken = "; ".join(f"{bar.name} {number(bar.value)}{' ' + bar.marks if bar.marks else ''}" for bar in bars[:40])
    top = f", ceiling {' to '.join(map(number, bounds))}" if bounds else ""
    svg = drawing(_WIDTH, bottom + 42, *parts, element("line", zero))
    return Chart(svg, caption, f"Bar chart, {title}{top}: {spoken}.")


def _bar(bar: Bar, x: Scale, top: float) -> list[str]:
    middle, height = top + _ROW / 2 - 3, _ROW - 8
    parts = [label(_NAMES, middle + 4.5, fit(bar.name, _NAMES), anchor="end", kind="muted" if bar.faint else None)]
    known = math.isfinite(bar.value)
    start, stop = sorted((x(0), x(bar.value if known else 0)))
    colour = COLOURS[-1] if bar.faint else COLOURS[0]
    told = bar.told or f"{bar.name}\n{number(bar.value)}{_interval(bar)}"
    place = {"x": start, "y": top, "width": max(stop - start, 1.0), "height": height, "fill": colour}
    parts.append(element("rect", place | marked(told)))
    if math.isfinite(bar.low) and math.isfinite(bar.high):
        line = {"x1": x(bar.low), "x2": x(bar.high), "y1": middle - 1, "y2": middle - 1}
        parts.append(element("line", {"class": "ink", "stroke-width": 2, "pointer-events": "none", **line}))
    ends = [value for value in (bar.value, bar.high, 0.0) if math.isfinite(value)]
    return [*parts, label(x(max(ends)) + 5, middle + 4.5, bar.marks)]


def _interval(bar: Bar) -> str:
    return f" [{number(bar.low)}, {number(bar.high)}]" if math.isfinite(bar.low) else ""


def _grid(x: Scale, bottom: float, axis: str) -> list[str]:
    parts = []
    for tick in x.ticks():
        parts.append(element("line", {"class": "grid", "x1": x(tick), "x2": x(tick), "y1": _TOP, "y2": bottom}))
        parts.append(label(x(tick), bottom + 16, f"{tick:.6g}", anchor="middle", kind="muted"))
    return [*parts, label((x.start + x.stop) / 2, bottom + 34, fit(axis, x.stop - x.start + 60), anchor="middle")]


def _ceiling(x: Scale, bounds: Sequence[float], bottom: float, limit: str) -> list[str]:
    if not bounds:
        return []
    low, high = x(min(bounds)), x(max(bounds))
    place = {"x": low, "y": _TOP, "width": max(high - low, 2.0), "height": bottom - _TOP}
    told = f"{limit}\n{' to '.join(map(number, bounds))}"
    return [element("rect", {"class": "band", **place, **marked(told)})]
