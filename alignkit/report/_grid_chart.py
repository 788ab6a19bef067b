"""A table of numbers as coloured cells: participants by models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignkit._typing import FloatArray
from alignkit.report._chart import Chart
from alignkit.report._svg import drawing, element, fit, label, marked, number, width_of

#: Rows and columns that are shown; the first so many.
MOST_ROWS, MOST_COLUMNS = 100, 40
_WIDTH, _NAMES, _HEAD, _TOP = 480.0, 110.0, 92.0, 26.0


def grid_chart(values: FloatArray, rows: Sequence[str], columns: Sequence[str], *, title: str, caption: str) -> Chart:
    """Return cells, dark for small and bright for large numbers; few columns have their numbers written."""
    some = ""
    if len(rows) > MOST_ROWS or len(columns) > MOST_COLUMNS:
        some = f" Shown: the first {min(MOST_ROWS, len(rows))} rows and {min(MOST_COLUMNS, len(columns))} columns."
        values, rows, columns = values[:MOST_ROWS, :MOST_COLUMNS], rows[:MOST_ROWS], columns[:MOST_COLUMNS]
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    width = min(90.0, (_WIDTH - _NAMES - 8) / len(columns))
    height = min(26.0, max(9.0, 560.0 / len(rows)))
    top = _TOP + _HEAD
    texts = [[number(float(value), 3) for value in row] for row in values]
    written = height >= 15 and width > max(width_of(text) for row in texts for text in row) + 4
    parts = [label(4, 16, fit(title, _WIDTH - 8))]
    if width >= 8:
        parts += [
            label(_NAMES + (k + 0.5) * width + 4, top - 6, fit(name, _HEAD + 6), turn=-60)
            for k, name in enumerate(columns)
        ]
    for i, name in enumerate(rows):
        y = top + i * height
        if height >= 11:
            parts.append(label(_NAMES - 6, y + height / 2 + 4, fit(name, _NAMES - 8), anchor="end"))
        for k, column in enumerate(columns):
            value = float(values[i, k])
            told = marked(f"{name}\n{column}: {number(value)}")
            fill, ink = _colours((value - low) / ((high - low) or 1.0))
            place = {"x": _NAMES + k * width, "y": y, "width": width - 1, "height": height - 1, "fill": fill}
            parts.append(element("rect", place | told))
            if written:
                at = {"x": _NAMES + (k + 0.5) * width, "y": y + height / 2 + 4, "text-anchor": "middle"}
                parts.append(element("text", {**at, "fill": ink, "pointer-events": "none"}, texts[i][k]))
    alt = f"Matrix of {len(rows)} rows and {len(columns)} columns, {title}, from {number(low)} to {number(high)}."
    svg = drawing(_WIDTH, top + len(rows) * height + 6, *parts)
    return Chart(svg, f"{caption} From {number(low)} (dark) to {number(high)} (bright).{some}", alt)


def _colours(share: float) -> tuple[str, str]:
    """Return the colour of a cell and of what is written in it; grey where there is no number."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if not np.isfinite(share):
        return "#808080", "#ffffff"
    red, green, blue, _ = colormaps["viridis"](share)
    # the page's ink changes with its look, a cell's colour does not
    return to_hex((red, green, blue)), "#000000" if 0.21 * red + 0.72 * green + 0.07 * blue > 0.4 else "#ffffff"
