"""Score tables as plain text for the terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from alignkit.score._row import Difference, ScoreRow, is_in_sample
from alignkit.score._text_layers import curve_lines

if TYPE_CHECKING:
    from alignkit.score._table import ScoreTable

_NAME = 30
_COLUMN = 16
#: Behind the name of what was fitted to the items that it is scored on.
_SEEN = " (in-sample)"
#: Heads of narrow columns; a line break where one should be.
_SHORT = {
    "cross-entropy (nats), T = 1": "cross-entropy\nT = 1",
    "cross-entropy (nats), T cross-validated": "cross-entropy\nT fitted*",
    "KL from people's distributions (nats), T = 1": "KL to people\nT = 1",
    "KL from people's distributions (nats), T cross-validated": "KL to people\nT fitted*",
    "expected calibration error, T = 1": "ECE\nT = 1",
    "expected calibration error, T cross-validated": "ECE\nT fitted*",
    "spearman of model and human uncertainty (entropy)": "entropy\nspearman",
    "cross-entropy (nats), T of each person": "cross-entropy\nT per person**",
    "McFadden R2, T of each person": "McFadden R2\nT per person**",
    "spearman of model uncertainty and response time, within people": "spearman\nentropy and RT",
    "pearson with people's choice matrix": "pearson",
    "spearman with people's choice matrix": "spearman",
    "spearman of cosine similarities with dot products of SPoSE-66": "spearman\n(cosine)",
    "spearman of dot similarities with dot products of SPoSE-66": "spearman\n(dot)",
    "spearman of euclidean similarities with dot products of SPoSE-66": "spearman\n(euclidean)",
}


def render(table: ScoreTable, width: int = 100) -> str:
    """Return the whole table as text: one block per part and primary measure, the other measures side by side."""
    lines = [f"alignkit score: {table.dataset}{_how(table)}"]
    for part, group in groupby((row for row in table.rows if row.role != "layer"), key=lambda row: row.part):
        rows = list(group)
        primary = [row for row in rows if row.primary]
        for measure, block in groupby(primary, key=lambda row: row.measure):
            lines += ["", *_block(part, measure, list(block), width)]
        lines += _side_by_side(part, [row for row in rows if not row.primary], bool(primary), width)
    if any("T cross-validated" in row.measure for row in table.rows):
        lines += ["", "* softmax temperature fitted on other triplets than those it is scored on (5 folds)"]
    if any("T of each person" in row.measure for row in table.rows):
        lines += ["", "** temperature of each person fitted on other triplets than those it is scored on (5 folds)"]
    lines += curve_lines(table, width)
    if table.differences:
        lines += ["", "Paired differences on the same data (best model minus the other)"]
        for (part, measure), pairs in groupby(table.differences, key=lambda row: (row.part, row.measure)):
            lines += [f"  {part}, {measure}", *(_difference(row) for row in pairs)]
    for note in table.notes:
        lines += ["", *textwrap.wrap(f"Note: {note}", width, subsequent_indent="      ")]
    return "\n".join(lines)


def _how(table: ScoreTable) -> str:
    """Return what similarity the table rests on, as far as its settings say."""
    choices = any("odd-one-out" in row.measure or "2AFC" in row.measure for row in table.rows)
    what = "kernel" if choices else "metric"
    if what not in table.settings:
        return ""
    centred = ", centred features" if table.settings.get("centre") else ""
    return f" ({what}: {table.settings[what]}{centred})"


def _block(part: str, measure: str, rows: list[ScoreRow], width: int) -> Iterable[str]:
    first = rows[0]
    better = "" if first.higher_is_better else " (lower is better)"
    yield f"{part}: {measure}{better}   n = {first.n:,}, {first.n_items:,} items"
    over = next((text for text in (f"interval over {first.over}", f"over {first.over}") if len(text) <= 25), first.over)
    over = over if first.over else ""
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
    lines: list[str] = []
    for start in range(0, len(measures), per_block):
        chosen = measures[start : start + per_block]
        shown = [row for row in rows if row.measure in chosen]
        head = f"{part}   n = {shown[0].n:,}, {shown[0].n_items:,} items"
        lines += ["", *([] if follows and start == 0 else [head]), *_columns(shown, chosen)]
    return [line.rstrip() for line in lines]


def _columns(rows: list[ScoreRow], measures: list[str]) -> Iterable[str]:
    heads = [_head(_SHORT.get(measure, measure)) for measure in measures]
    for k in range(max(map(len, heads))):
        yield _cells("", [head[k] if k < len(head) else "" for head in heads])
    # a stable sort: models, which not every measure has, before baselines
    names = dict.fromkeys((row.model, row.role) for row in sorted(rows, key=lambda row: row.role == "baseline"))
    for name, role in names:
        mine = [row for row in rows if (row.model, row.role) == (name, role)]
        own = {row.measure: row.value for row in mine}
        seen = any(is_in_sample(row.split) for row in mine)
        yield _cells(_name(name, role, seen), [_number(own[m]) if m in own else "" for m in measures])
    firsts = [next(row for row in rows if row.measure == measure) for measure in measures]
    limited = [row for row in firsts if math.isfinite(row.ceiling_low)]
    if limited:
        # the entropy of people's answers is the least that a cross-entropy can be
        kinds = {row.higher_is_better: "ceiling" if row.higher_is_better else "floor" for row in limited}
        title = f"noise {' or '.join(sorted(kinds.values()))}"
        yield _cells(title, [_number(row.ceiling_low) if row in limited else "" for row in firsts])


def _head(text: str) -> list[str]:
    """Return a head in lines as wide as its column; words with a hyphen stay whole."""
    return [row for line in text.split("\n") for row in textwrap.wrap(line, _COLUMN - 2, break_on_hyphens=False)]


def _cells(name: str, cells: Iterable[str]) -> str:
    return f"  {name:{_NAME}}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells)


def _line(row: ScoreRow) -> str:
    interval = f"[{_number(row.low)}, {_number(row.high)}]" if math.isfinite(row.low) else ""
    if math.isfinite(row.people_low):
        people = f"   over people [{_number(row.people_low)}, {_number(row.people_high)}]"
    else:
        people = ""
    percent = f"{row.percent_of_ceiling:.1f}" if math.isfinite(row.percent_of_ceiling) else ""
    name = _name(row.model, row.role, is_in_sample(row.split))
    return f"  {name:{_NAME}} {_number(row.value):>8}  {interval:<25}{percent:>12}{people}"


def _difference(row: Difference) -> str:
    value = f"{row.difference:+.4f}" if math.isfinite(row.difference) else "-"
    interval = f" [{row.low:+.4f}, {row.high:+.4f}] over {row.over}" if math.isfinite(row.low) else ""
    return f"    {shorten(row.better, _NAME)} - {shorten(row.other, _NAME)}: {value}{interval}"


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"


def _name(name: str, role: str, seen: bool) -> str:
    if seen:
        return f"{shorten(name, _NAME - len(_SEEN))}{_SEEN}"
    return shorten(name, _NAME) if role == "model" else f"({shorten(name, _NAME - 2)})"


def shorten(name: str, width: int) -> str:
    """Return a name with its middle left out where it is too long: variants differ at either end."""
    if len(name) <= width:
        return name
    tail = (width - 3) // 2
    return f"{name[: width - 3 - tail]}...{name[-tail:]}"
