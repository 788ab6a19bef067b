"""An RDM as a heat map whose cells tell which two items they are about, with their pictures."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence

import numpy as np

from alignkit._typing import AnyArray, FloatArray
from alignkit.report._chart import Chart
from alignkit.report._items import Items
from alignkit.report._legend import colours_of, legend
from alignkit.report._svg import drawing, element, fit, label, number
from alignkit.rsa import RDM

#: Items of a map; of more, these are spread evenly.
MOST_ITEMS = 200
_SIDE, _LEFT, _TOP, _WIDTH = 386.0, 18.0, 26.0, 480.0


def heat_map(rdm: RDM, title: str, items: Items | None = None) -> Chart:
    """Return the heat map of one RDM, or of the mean of several; items of one category stand together."""
    items = items or Items()
    n_rdms = int(np.prod(rdm.shape))
    labels = list(rdm.labels or map(str, range(rdm.n_items)))
    square = np.asarray(rdm.squareform(), dtype=np.float64).reshape(-1, rdm.n_items, rdm.n_items).mean(axis=0)
    shown = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), MOST_ITEMS)).round().astype(int))
    groups = items.groups(labels)
    order = sorted(shown.tolist(), key=lambda k: (groups[k] == "", groups[k])) if any(groups) else shown.tolist()
    names = [labels[k] for k in order]
    svg = _draw(square[np.ix_(order, order)], names, [groups[k] for k in order], title, rdm.metric or "dissimilarity")
    mean = f", mean of {n_rdms} RDMs" if n_rdms > 1 else ""
    some = f" {len(names)} of {len(labels):,} items are shown, spread evenly." if len(names) < len(labels) else ""
    caption = f"{title}: dissimilarities of all pairs of items{mean}, from similar (dark) to different (bright).{some}"
    finite = square[np.triu_indices(len(labels), 1)]
    low, high = (float(f(finite)) for f in (np.nanmin, np.nanmax)) if np.isfinite(finite).any() else (np.nan, np.nan)
    alt = f"Heat map of {len(labels):,} items, {title}: dissimilarities from {number(low)} to {number(high)}."
    return Chart(svg, caption, alt, items.pictures_of(names))


def _draw(square: FloatArray, names: Sequence[str], groups: Sequence[str], title: str, metric: str) -> str:
    upper = square[np.triu_indices(len(names), 1)]
    finite = upper[np.isfinite(upper)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    # fewer digits: the page holds every value of the triangle
    values = [float(f"{value:.4g}") if np.isfinite(value) else None for value in upper.tolist()]
    data: dict[str, object] = {"data-x": _LEFT, "data-y": _TOP, "data-size": _SIDE}
    data |= {"data-labels": json.dumps(list(names)), "data-values": json.dumps(values, separators=(",", ":"))}
    place = {"x": _LEFT, "y": _TOP, "width": _SIDE, "height": _SIDE, "class": "pixels"}
    image = element("image", place | {"href": _png(_coloured(square, low, high))})
    height, keys = legend(colours_of(groups), 0.0, _TOP + _SIDE + 24.0, _WIDTH)
    parts = [
        element("g", {"class": "heat", **data}, image),
        label(_LEFT, 16, fit(title, _SIDE)),
        *_strips(groups),
        *keys,
    ]
    return drawing(_WIDTH, height + 6.0, *parts, *_scale_bar(low, high, metric))


def _coloured(values: AnyArray, low: float, high: float) -> AnyArray:
    """Return pixels of values: viridis; grey where there is none, and the diagonal as the page is."""
    from matplotlib import colormaps

    with np.errstate(invalid="ignore"):
        share = (values - low) / ((high - low) or 1.0)
    pixels = np.asarray(colormaps["viridis"](np.nan_to_num(share), bytes=True), dtype=np.uint8).copy()
    pixels[~np.isfinite(values)] = (128, 128, 128, 255)
    if values.shape[0] == values.shape[1]:
        pixels[np.diag_indices(len(values))] = 0
    return pixels


def _png(pixels: AnyArray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _strips(groups: Sequence[str]) -> list[str]:
    """Return a coloured line beside and above the items of each category."""
    colours, side, parts = colours_of(groups), _SIDE / len(groups), []
    edges = [k for k in range(len(groups)) if k == 0 or groups[k] != groups[k - 1]]
    for start, stop in zip(edges, [*edges[1:], len(groups)], strict=True):
        if groups[start] not in colours:
            continue
        colour, length = colours[groups[start]][0], (stop - start) * side
        parts.append(
            element("rect", {"x": _LEFT - 8, "y": _TOP + start * side, "width": 5, "height": length, "fill": colour})
        )
        below = _TOP + _SIDE + 3
        parts.append(
            element("rect", {"x": _LEFT + start * side, "y": below, "width": length, "height": 5, "fill": colour})
        )
    return parts


def _scale_bar(low: float, high: float, metric: str) -> list[str]:
    x, middle = _LEFT + _SIDE + 14, _TOP + _SIDE / 2
    bar = _png(_coloured(np.linspace(high, low, 64)[:, None], low, high))
    place = {"x": x, "y": _TOP, "width": 12.0, "height": _SIDE, "preserveAspectRatio": "none", "href": bar}
    return [
        element("image", place),
        label(x + 16, _TOP + 10, number(high, 2), kind="muted"),
        label(x + 16, _TOP + _SIDE, number(low, 2), kind="muted"),
        label(x + 26, middle, fit(metric, _SIDE - 60), anchor="middle", turn=-90),
    ]
