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
_COLUMN = 13
#: Heads of narrow columns.
_SHORT = {
    "cross-entropy (nats), T = 1": "cross-entropy T = 1",
    "cross-entropy (nats), T cross-validated": "cross-entropy T fitted*",
    "KL from people's distributions (nats), T = 1": "KL to people T = 1",
    "KL from people's distributions (nats), T cross-validated": "KL to people T fitted*",
    "expected calibration error, T = 1": "ECE T = 1",
    "expected calibration error, T cross-validated": "ECE T fitted*",
    "spearman of model and human uncertainty (entropy)": "entropy spearman",
    "pearson with people's choice matrix": "pearson",
    "spearman with people's choice matrix": "spearman",
    "spearman of cosine and dot-product similarities": "spearman",
}


def render(table: ScoreTable, width: int = 100) -> str:
    """Return the whole table as text: one block per part and primary measure, the other measures side by side."""
    lines = [f"alignkit score: {table.dataset}"]
    for part, group in groupby(table.rows, key=lambda row: row.part):
        rows = list(group)
        primary = [row for row in rows if row.primary]
        for measure, block in groupby(primary, key=lambda row: row.measure):
            lines += ["", *_block(part, measure, list(block), width)]
        lines += _side_by_side(part, [row for row in rows if not row.primary], bool(primary), width)
    if any("T cross-validated" in row.measure for row in table.rows):
        lines += ["", "* softmax temperature fitted on other triplets than those it is scored on (5 folds)"]
    if table.differences:
        lines += ["", "Paired differences on the same data (best model minus the other)"]
        lines += [_difference(row) for row in table.differences]
    for note in table.notes:
        lines += ["", *textwrap.wrap(f"Note: {note}", width, subsequent_indent="      ")]
    return "\n".join(lines)


def _block(part: str, measure: str, rows: list[ScoreRow], width: int) -> Iterable[str]:
    first = rows[0]
    better = "" if first.higher_is_better else " (lower is better)"
    yield f"{part}: {measure}{better}   n = {first.n:,}, {first.n_items:,} items"
    over = f"interval over {first.over}" if first.over else ""
    yield f"  {'':{_NAME}} {'value':>8}  {over:<25}{'% of ceiling':>12}".rstrip()
    for row in rows:
        yield _line(row).rstrip()
    yield from _ceiling(first, width)


def _ceiling(row: ScoreRow, width: int) -> Iterable[str]:
    if not (math.isfinite(row.ceiling_low) or math.isfinite(row.ceiling_high)):
        return
    upper = f"  to {_number(row.ceiling_high)}" if math.isfinite(row.ceiling_high) else ""
    line = f"  {'noise ceiling':{_NAME}} {_number(row.ceiling_low):>8}{upper}  ({row.ceiling})"
    yield from textwrap.wrap(line, width, subsequent_indent=" " * (_NAME + 4), drop_whitespace=True)


def _side_by_side(part: str, rows: list[ScoreRow], follows: bool, width: int) -> list[str]:
    """Return measures as columns, as many as fit; each column's ceiling stands below it."""
    measures = list(dict.fromkeys(row.measure for row in rows))
    per_block = max(1, (width - _NAME - 2) // _COLUMN)
    lines = []
    for start in range(0, len(measures), per_block):
        chosen = measures[start : start + per_block]
        part_rows = [row for row in rows if row.measure in chosen]
        heads = [textwrap.wrap(_SHORT.get(measure, measure), _COLUMN - 2) for measure in chosen]
        lines += [""] if follows and start == 0 else ["", f"{part}   n = {rows[0].n:,}, {rows[0].n_items:,} items"]
        for k in range(max(map(len, heads))):
            words = [head[k] if k < len(head) else "" for head in heads]
            lines.append(f"  {'':{_NAME}}" + "".join(f"{word:>{_COLUMN}}" for word in words))
        for name, role in dict.fromkeys((row.model, row.role) for row in part_rows):
            own = {row.measure: row.value for row in part_rows if row.model == name}
            shown = _fit(name if role == "model" else f"({name})")
            cells = "".join(f"{_number(own[m]) if m in own else '':>{_COLUMN}}" for m in chosen)
            lines.append(f"  {shown:{_NAME}}{cells}")
        ceilings = [next(row.ceiling_low for row in part_rows if row.measure == measure) for measure in chosen]
        if any(map(math.isfinite, ceilings)):
            cells = "".join(f"{_number(value) if math.isfinite(value) else '':>{_COLUMN}}" for value in ceilings)
            lines.append(f"  {'noise ceiling':{_NAME}}{cells}")
    return [line.rstrip() for line in lines]


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
