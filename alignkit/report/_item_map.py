"""Items on a plane, alike ones near one another, coloured by category, with their pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignkit._typing import FloatArray
from alignkit.report._axes import Scale
from alignkit.report._chart import Chart
from alignkit.report._item_places import item_places
from alignkit.report._items import Items
from alignkit.report._legend import colours_of, legend, shape
from alignkit.report._svg import COLOURS, drawing, element, fit, label, marked
from alignkit.rsa import RDM

#: Items of a map; of more, these are spread evenly.
MOST_ITEMS = 300
#: Up to so many items, names stand beside them.
_NAMED = 24
_WIDTH, _HEIGHT, _TOP = 480.0, 400.0, 26.0


def item_map(rdm: RDM, title: str, items: Items | None = None) -> Chart | None:
    """Return the map of one RDM's items, or of the mean of several; None where a dissimilarity is missing."""
    items = items or Items()
    labels = list(rdm.labels or map(str, range(rdm.n_items)))
    square = np.asarray(rdm.squareform(), dtype=np.float64).reshape(-1, rdm.n_items, rdm.n_items).mean(axis=0)
    shown = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), MOST_ITEMS)).round().astype(int))
    square, names = square[np.ix_(shown, shown)], [labels[k] for k in shown]
    if not np.isfinite(square).all():
        return None
    found = item_places(square)
    groups = items.groups(names)
    svg = _draw(found.places, names, groups, title)
    some = f" {len(names)} of {len(labels):,} items are shown." if len(names) < len(labels) else ""
    coloured = " Colours and shapes: categories." if any(groups) else ""
    caption = (
        f"{title}: items on a plane by metric multidimensional scaling (classical, then SMACOF; stress "
        f"{found.stress:.3f}): the nearer, the more alike. Axes have no meaning.{coloured}{some}"
    )
    alt = f"Map of {len(names)} items, {title}; what lies together is alike."
    return Chart(svg, caption, alt, items.pictures_of(names))


def _draw(places: FloatArray, names: Sequence[str], groups: Sequence[str], title: str) -> str:
    # one scale for both axes: distances are what the map shows
    low, high = places.min(axis=0), places.max(axis=0)
    centre, reach = (low + high) / 2, float(max((high - low)[0] * _HEIGHT / _WIDTH, (high - low)[1])) / 2 or 1.0
    half = _HEIGHT / 2 - 16
    x = Scale(centre[0] - reach, centre[0] + reach, _WIDTH / 2 - half, _WIDTH / 2 + half)
    y = Scale(centre[1] - reach, centre[1] + reach, _TOP + _HEIGHT / 2 + half, _TOP + _HEIGHT / 2 - half)
    looks = colours_of(groups)
    plain = (COLOURS[-1] if looks else COLOURS[0], "circle")
    size = 6.0 if len(names) <= 100 else 4.0
    dots, texts = [], []
    # from left to right, as the arrow keys go
    for k in np.argsort(places[:, 0], kind="stable").tolist():
        colour, kind = looks.get(groups[k], plain)
        told = marked(f"{names[k]}\n{groups[k]}".rstrip(), [names[k]])
        at = x(places[k, 0]), y(places[k, 1])
        dots.append(shape(kind, *at, size, {"fill": colour, "class": "halo", "stroke-width": 1, **told}))
        if len(names) <= _NAMED:
            anchor = "end" if at[0] > 0.72 * _WIDTH else "start"
            texts.append(label(at[0] + (9 if anchor == "start" else -9), at[1] + 4, fit(names[k], 110), anchor=anchor))
    border = {"x": 0.5, "y": _TOP, "width": _WIDTH - 1, "height": _HEIGHT, "class": "grid"}
    bottom, keys = legend(looks, 4.0, _TOP + _HEIGHT + 22.0, _WIDTH - 8.0)
    return drawing(
        _WIDTH, bottom + 4.0, label(4, 16, fit(title, _WIDTH - 8)), element("rect", border), *texts, *dots, *keys
    )
