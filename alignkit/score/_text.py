"""Score tables as plain text for the terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from alignkit.score._row import Difference, ScoreRow

if TYPE_CHECKING:
    from alignkit.score._table import ScoreTable

_NAME = 30


def render(table: ScoreTable, width: int = 100) -> str:
    """Return the whole table as text."""
    lines = [f"alignkit score: {table.dataset}"]
    for (part, measure), rows in groupby(table.rows, key=lambda row: (row.part, row.measure)):
        lines += ["", *_block(part, measure, list(rows))]
    if table.differences:
        lines += ["", "Paired differences on the same data (best model minus the other)"]
        lines += [_difference(row) for row in table.differences]
    for note in table.notes:
        lines += textwrap.wrap(f"Note: {note}", width, subsequent_indent="      ")
    return "\n".join(lines)


def _block(part: str, measure: str, rows: list[ScoreRow]) -> Iterable[str]:
    first = rows[0]
    better = "" if first.higher_is_better else " (lower is better)"
    yield f"{part}: {measure}{better}   n = {first.n:,}, {first.n_items:,} items"
    yield f"  {'':{_NAME}} {'value':>8}  {f'interval over {first.over}':<25}{'% of ceiling':>12}"
    for row in rows:
        yield _line(row)
    if math.isfinite(first.ceiling_low) or math.isfinite(first.ceiling_high):
        name = "noise ceiling"
        yield f"  {name:{_NAME}} {_number(first.ceiling_low):>8}  to {_number(first.ceiling_high)}  ({first.ceiling})"


def _line(row: ScoreRow) -> str:
    name = row.model if row.role == "model" else f"({row.model})"
    interval = f"[{_number(row.low)}, {_number(row.high)}]" if math.isfinite(row.low) else ""
    if math.isfinite(row.people_low):
        people = f"   over people [{_number(row.people_low)}, {_number(row.people_high)}]"
    else:
        people = ""
    percent = f"{row.percent_of_ceiling:.1f}" if math.isfinite(row.percent_of_ceiling) else ""
    return f"  {_fit(name):{_NAME}} {_number(row.value):>8}  {interval:<25}{percent:>12}{people}"


def _difference(row: Difference) -> str:
    names = f"{_fit(row.better, 24)} - {_fit(row.other, 24)}"
    interval = f"[{row.low:+.4f}, {row.high:+.4f}] over {row.over}"
    return f"  {row.part}, {row.measure}: {names}: {row.difference:+.4f} {interval}"


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"


def _fit(name: str, width: int = _NAME) -> str:
    return name if len(name) <= width else f"{name[: width - 3]}..."
