"""Numbers to places: round ticks, and the frame of a chart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from alignkit.report._svg import element, fit, label

#: Steps between ticks, times a power of ten.
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """Where numbers from ``low`` to ``high`` lie: at pixels from ``start`` to ``stop``."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)

    @classmethod
    def around(
        cls, values: Iterable[float], start: float, stop: float, *, margin: float = 0.05, zero: bool = False
    ) -> Scale:
        """Return a scale on which all finite values have room; with ``zero``, 0 as well."""
        finite = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        room = margin * (high - low) or 0.5 * abs(high) or 0.5
        bottom = low if zero and low == 0.0 else low - room
        top = high if zero and high == 0.0 else high + room
        return cls(bottom, top, start, stop)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round numbers on the scale, ``most`` or a few less."""
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def frame(x: Scale, y: Scale, x_name: str, y_name: str) -> list[str]:
    """Return the grid, the ticks and the names of both axes; y grows upwards."""
    left, right = sorted((x.start, x.stop))
    top, bottom = sorted((y.start, y.stop))
    parts = []
    for tick in y.ticks():
        parts.append(element("line", {"class": "grid", "x1": left, "x2": right, "y1": y(tick), "y2": y(tick)}))
        parts.append(label(left - 6, y(tick) + 4, f"{tick:.6g}", anchor="end", kind="muted"))
    for tick in x.ticks(8):
        parts.append(element("line", {"class": "axis", "x1": x(tick), "x2": x(tick), "y1": bottom, "y2": bottom + 4}))
        parts.append(label(x(tick), bottom + 17, f"{tick:.6g}", anchor="middle", kind="muted"))
    parts.append(element("line", {"class": "axis", "x1": left, "x2": right, "y1": bottom, "y2": bottom}))
    parts.append(label((left + right) / 2, bottom + 36, fit(x_name, right - left + 20), anchor="middle"))
    parts.append(label(13, (top + bottom) / 2, fit(y_name, bottom - top + 20), anchor="middle", turn=-90))
    return parts
