"""Colours and shapes of groups, and the lines that say which is which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alignkit.report._svg import COLOURS, element, fit, label, width_of

SHAPES = ("circle", "square", "diamond", "triangle")
#: Groups that can be told apart by colour and shape; the others are grey.
MOST_GROUPS = len(COLOURS[:-1]) * len(SHAPES)
_LINE = 19.0


def colours_of(groups: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a shape for each group, in alphabetical order; none for those without a name."""
    names = sorted({group for group in groups if group})[:MOST_GROUPS]
    colours = COLOURS[:-1]
    return {name: (colours[k % len(colours)], SHAPES[k // len(colours)]) for k, name in enumerate(names)}


def shape(kind: str, x: float, y: float, size: float, attributes: Mapping[str, object]) -> str:
    """Return a mark of about this radius."""
    given = dict(attributes)
    if kind == "circle":
        return element("circle", {"cx": x, "cy": y, "r": size, **given})
    corners = {
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
        "triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
    }[kind]
    points = " ".join(f"{x + size * a:.1f},{y + size * b:.1f}" for a, b in corners)
    return element("polygon", {"points": points, **given})


def legend(marks: Mapping[str, tuple[str, str]], left: float, top: float, width: float) -> tuple[float, list[str]]:
    """Return the y below a legend that begins at ``top``, and its parts; names flow over lines."""
    x, y, parts = left, top, []
    for name, (colour, kind) in marks.items():
        text = fit(name, 0.6 * width)
        room = 28.0 + width_of(text)
        if x > left and x + room > left + width:
            x, y = left, y + _LINE
        parts += [shape(kind, x + 8, y - 4, 5.0, {"fill": colour}), label(x + 18, y, text)]
        x += room
    return (y + 4.0 if marks else top - _LINE), parts
