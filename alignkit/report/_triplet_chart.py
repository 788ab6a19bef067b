"""Triplets of pictures, people's odd one out set apart, and how probable a model finds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from alignkit.report._chart import Chart
from alignkit.report._items import Items
from alignkit.report._svg import COLOURS, drawing, element, fit, label, marked

_WIDTH, _SIDE, _TOP, _ROW = 480.0, 84.0, 26.0, 112.0


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A triplet: its three items, people's odd one out last, the model's probability of each, and who chose so."""

    items: tuple[str, str, str]
    probabilities: tuple[float, float, float]
    people: str


def triplet_chart(triplets: Sequence[Shown], *, title: str, caption: str, items: Items) -> Chart:
    """Return a row for each triplet: the pair that people left together, and the odd one out in a frame."""
    parts = [label(4, 16, fit(title, _WIDTH - 8))]
    for row, one in enumerate(triplets):
        top = _TOP + row * _ROW
        for k, name in enumerate(one.items):
            parts += _picture(name, 4 + k * (_SIDE + 12) + (16 if k == 2 else 0), top, one, k, items)
        x = 4 + 3 * (_SIDE + 12) + 28
        parts.append(label(x, top + 32, f"model: p = {one.probabilities[2]:.2f}"))
        parts.append(label(x, top + 54, one.people, kind="muted"))
    spoken = "; ".join(
        f"{one.items[2]} odd beside {one.items[0]} and {one.items[1]}, p {one.probabilities[2]:.2f}" for one in triplets
    )
    names = [name for one in triplets for name in one.items]
    svg = drawing(_WIDTH, _TOP + len(triplets) * _ROW, *parts)
    return Chart(svg, caption, f"{title}: {spoken}.", items.pictures_of(names))


def _picture(name: str, x: float, y: float, one: Shown, k: int, items: Items) -> list[str]:
    told = f"{name}\nthe model names it with p = {one.probabilities[k]:.2f}"
    box = {"x": x, "y": y, "width": _SIDE, "height": _SIDE, "rx": 4.0}
    uri = items.pictures.get(name)
    parts = [element("rect", {**box, "fill": "#ffffff" if uri else "none", "class": None if uri else "grid"})]
    if uri:
        parts.append(element("image", {"x": x, "y": y, "width": _SIDE, "height": _SIDE, "href": uri}))
    else:
        parts.append(label(x + _SIDE / 2, y + _SIDE / 2, fit(name, _SIDE - 4), anchor="middle"))
    frame = {"fill": "#ffffff", "fill-opacity": "0", "stroke": COLOURS[1] if k == 2 else "none", "stroke-width": 4}
    parts.append(element("rect", {**box, **frame, **marked(told, [name] if uri else ())}))
    return [*parts, label(x + _SIDE / 2, y + _SIDE + 15, fit(name, _SIDE - 4), anchor="middle", kind="muted")]
