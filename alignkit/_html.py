"""Small pieces of HTML for notebooks, all escaped: no script, and no colours but shades that fit light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

_LINE = "1px solid rgba(128,128,128,.35)"
_BOX = f"border:{_LINE};border-radius:4px;padding:.5em .8em;max-width:80em;overflow-x:auto;color:inherit"
_TABLE = "border-collapse:collapse;margin:.4em 0;background:transparent;color:inherit"
_PRE = "margin:.3em 0;padding:0;background:transparent;color:inherit;white-space:pre-wrap"
_CELL = f"padding:.15em .6em;border-bottom:{_LINE};background:transparent;color:inherit;"
#: Longer texts in cells are cut.
_LONGEST = 60


def box(title: str, *parts: str) -> str:
    """Return a frame with a title; ``parts`` are HTML already."""
    return f'<div class="alignkit" style="{_BOX}"><strong>{text(title)}</strong>{"".join(parts)}</div>'


def text(value: object, limit: int = _LONGEST) -> str:
    """Return a value as escaped text on one line; numbers have four digits, and long texts are cut."""
    if isinstance(value, bool | np.bool_ | int | np.integer):
        words = str(value)
    elif isinstance(value, float | np.floating):
        words = f"{value:.4g}" if math.isfinite(value) else str(float(value))
    else:
        words = " ".join(str(value).split())
    return escape(words if len(words) <= limit else f"{words[: limit - 1]}…", quote=True)


def preformatted(words: str) -> str:
    """Return text that keeps its lines."""
    return f'<pre style="{_PRE}">{escape(words, quote=True)}</pre>'


def folded(summary: str, inner: str, *, is_open: bool = False) -> str:
    """Return a part that opens by a click; ``inner`` is HTML already."""
    return f"<details{' open' if is_open else ''}><summary>{text(summary)}</summary>{inner}</details>"


def facts(pairs: Mapping[str, object]) -> str:
    """Return a table of names and values, without those that are None."""
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}text-align:left;font-weight:normal;opacity:.75">{text(name)}</th>'
        f'<td style="{_CELL}text-align:left">{text(value)}</td></tr>'
        for name, value in pairs.items()
        if value is not None
    )
    return f'<table style="{_TABLE}">{rows}</table>'


def table(
    columns: Sequence[object], rows: Iterable[Sequence[Any]], shades: Sequence[Sequence[float]] | None = None
) -> str:
    """Return a table; ``shades``, between 0 and 1 and of the rows' shape, colour cells behind their text."""
    head = "".join(f'<th scope="col" style="{_CELL}text-align:right">{text(column)}</th>' for column in columns)
    body = "".join(
        f"<tr>{''.join(_cell(value, None if shades is None else shades[i][j]) for j, value in enumerate(row))}</tr>"
        for i, row in enumerate(rows)
    )
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(value: object, shade: float | None) -> str:
    # half transparent at most: the text keeps its contrast on a light and on a dark page
    style = "" if shade is None or math.isnan(shade) else f"background:rgba(70,130,200,{0.5 * shade:.2f});"
    return f'<td style="{_CELL}{style}text-align:right">{text(value)}</td>'
