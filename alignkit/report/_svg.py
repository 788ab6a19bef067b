"""Elements of SVG as text: every attribute and every word escaped."""

from __future__ import annotations

import html
import json
import math
import unicodedata
from collections.abc import Sequence

#: Okabe and Ito's colours, which people with colour-blindness tell apart, on white and on black.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f")
#: About how wide letters of 13 pixels are in a wide typeface: narrow ones, wide ones, signs of East Asia; all others.
_NARROW, _WIDE = frozenset("iljtfrI.,:;|!()[]'\" -"), frozenset("mwMW@%")
_WIDTHS = {"narrow": 5.0, "wide": 12.7, "full": 13.5, "capital": 9.6, "other": 8.2}


def element(tag: str, attributes: dict[str, object], *children: str) -> str:
    """Return an element; children are elements or what :func:`words` gives. Attributes of None are left out."""
    written = "".join(
        # an end of line that is not written as a number is read as a space
        f' {name.replace("_", "-")}="{html.escape(_value(value)).replace(chr(10), "&#10;")}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{written}>{''.join(children)}</{tag}>"


def words(text: str) -> str:
    """Return text that may stand in an element."""
    return html.escape(_plain(text))


def label(x: float, y: float, text: str, *, anchor: str = "start", kind: str | None = None, turn: float = 0.0) -> str:
    """Return text at a place, its anchor "start", "middle" or "end"; turned by degrees around that place."""
    turned = f"rotate({turn:g} {x:.1f} {y:.1f})" if turn else None
    return element("text", {"x": x, "y": y, "text-anchor": anchor, "class": kind, "transform": turned}, words(text))


def marked(tip: str, items: Sequence[str] = ()) -> dict[str, object]:
    """Return the attributes of a mark that tells ``tip`` and shows the pictures of ``items``."""
    return {"data-tip": _plain(tip), "data-items": json.dumps(list(items)) if items else None}


def drawing(width: float, height: float, *children: str) -> str:
    """Return a drawing of this size; it fills the page's width, up to a fifth more than its own."""
    box = {"viewBox": f"0 0 {width:.0f} {height:.0f}", "aria-hidden": "true", "class": "drawing"}
    return element("svg", {"width": round(1.25 * width), "height": round(1.25 * height), **box}, *children)


def width_of(text: str) -> float:
    """Return about how many pixels wide text is."""
    return sum(_WIDTHS[_kind(mark)] for mark in text)


def fit(text: str, width: float) -> str:
    """Return text, cut to about this many pixels."""
    text = _plain(text)
    if width_of(text) <= width:
        return text
    while text and width_of(text) + _WIDTHS["wide"] > width:
        text = text[:-1]
    return f"{text}…"


def _kind(mark: str) -> str:
    if unicodedata.east_asian_width(mark) in "WF":
        return "full"
    if mark in _NARROW:
        return "narrow"
    return "wide" if mark in _WIDE else "capital" if mark.isupper() else "other"


def number(value: float, digits: int = 4) -> str:
    """Return a number for people; "-" where it is none."""
    return f"{value:.{digits}g}" if math.isfinite(value) else "-"


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """Return text without control marks, which XML refuses; line ends stay."""
    return "".join(mark if mark == "\n" or unicodedata.category(mark) not in ("Cc", "Cs") else " " for mark in text)
