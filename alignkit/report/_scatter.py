"""Points in a frame, each with its name, and the line where both numbers are the same."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from alignkit.report._axes import Scale, frame
from alignkit.report._chart import Chart
from alignkit.report._svg import COLOURS, drawing, element, fit, label, marked, number

_WIDTH, _SIDE, _LEFT, _TOP = 480.0, 340.0, 66.0, 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """One point: its name, both numbers, the interval of the second, and what else is told."""

    name: str
    x: float
    y: float
    low: float = math.nan
    high: float = math.nan
    told: str = ""


def scatter(points: Sequence[Point], *, title: str, x_axis: str, y_axis: str, caption: str) -> Chart:
    """Return points on one scale for both axes; those without a number are left out, and the caption says so."""
    known = sorted((one for one in points if math.isfinite(one.x + one.y)), key=lambda one: one.x)
    values = [value for one in known for value in (one.x, one.y, one.low, one.high)]
    x = Scale.around(values, _LEFT, _LEFT + _SIDE)
    y = dataclasses.replace(x, start=_TOP + _SIDE, stop=_TOP)
    line = {"x1": x.start, "y1": y.start, "x2": x.stop, "y2": y.stop}
    parts = [label(4, 16, fit(title, _WIDTH - 8)), *frame(x, y, x_axis, y_axis)]
    parts.append(element("line", {"class": "axis", "stroke-dasharray": "4 3", **line}))
    for one in known:
        if math.isfinite(one.low) and math.isfinite(one.high):
            bar = {"x1": x(one.x), "x2": x(one.x), "y1": y(one.low), "y2": y(one.high)}
            parts.append(element("line", {"stroke": COLOURS[0], "stroke-opacity": ".35", "stroke-width": 1.5, **bar}))
    for one in known:
        told = marked(f"{one.name}\n{x_axis}: {number(one.x)}\n{y_axis}: {number(one.y)}\n{one.told}".rstrip())
        at = {"cx": x(one.x), "cy": y(one.y), "r": 4.5, "fill": COLOURS[0], "class": "halo", "stroke-width": 1}
        parts.append(element("circle", {**at, **told}))
    left = len(points) - len(known)
    some = f" {left} without both numbers are left out." if left else ""
    above = sum(one.y > one.x for one in known)
    alt = f"Scatter plot, {title}: {above} of {len(known)} points lie above the line."
    return Chart(drawing(_WIDTH, _TOP + _SIDE + 44, *parts), f"{caption}{some}", alt)
