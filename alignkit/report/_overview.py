"""What several results say at a glance: models by measures beside their ceilings, and where everything comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from alignkit.meg import TimeCourse
from alignkit.report._open_result import Opened
from alignkit.report._page import Section
from alignkit.report._svg import number
from alignkit.rsa import Evaluation
from alignkit.score import ScoreTable
from alignkit.score._row import is_in_sample

#: Lines of the summary; what follows is in the results' own tables.
_MOST = 300
_PACKAGES = ("alignkit", "python", "numpy", "scipy", "torch", "open_clip_torch", "timm", "mne")


def table_of(opened: Opened) -> ScoreTable | None:
    """Return the score table of a result or a run, where it has one."""
    for found in (opened.scores, opened.value):
        table = found if isinstance(found, ScoreTable) else getattr(found, "table", None)
        if table is None:  # a chain's scores hold the table
            table = getattr(getattr(found, "scores", None), "table", None)
        if isinstance(table, ScoreTable):
            return table
    return None


def summary_section(results: Sequence[Opened]) -> list[Section]:
    """Return the main measure of every model, of all results, by what is measured; nothing where none has scores."""
    lines: dict[str, list[list[str]]] = {}
    for opened in results:
        for heading, cells in _lines(opened):
            lines.setdefault(heading, []).append(
                [f"{opened.name}: {cells[0]}" if len(results) > 1 else cells[0], *cells[1:]]
            )
    if not lines:
        return []
    header = ["model", "value", "interval", "% of ceiling", "noise ceiling", "p"]
    used = [k for k in range(len(header)) if any(row[k] for group in lines.values() for row in group)]
    rows = [
        row for heading, group in lines.items() for row in [[heading], *([line[k] for k in used] for line in group)]
    ]
    more = [f"The first {_MOST} of {len(rows):,} lines."] if len(rows) > _MOST else []
    caption = "The main measures of every model beside the noise ceiling; all others are below."
    tested = ["p is against 0, family-wise."] if len(header) - 1 in used else []
    notes = [*more, "Baselines are in brackets.", *tested]
    return [Section("At a glance", tables=[(caption, [header[k] for k in used], rows[:_MOST])], notes=notes)]


def _lines(opened: Opened) -> Iterator[tuple[str, list[str]]]:
    """Yield what is measured, and of whom: name, value, interval, per cent of the ceiling, ceiling and p."""
    table = table_of(opened)
    if table is not None:
        for row in table.rows:
            if row.primary and row.role != "layer":
                name = row.model if row.role == "model" else f"({row.model})"
                name = f"{name} (in-sample)" if is_in_sample(row.split) else name
                percent = f"{row.percent_of_ceiling:.1f}" if math.isfinite(row.percent_of_ceiling) else ""
                ceiling = _span(row.ceiling_low, row.ceiling_high)
                heading = (
                    f"{table.dataset}, {row.part}: {row.measure}{'' if row.higher_is_better else ', lower is better'}"
                )
                yield heading, [name, number(row.value), _interval(row.low, row.high), percent, ceiling, ""]
    elif isinstance(opened.value, Evaluation):
        found = opened.value
        ceiling = _span(found.ceiling_lower, found.ceiling_upper)
        for k in np.argsort(-np.nan_to_num(found.score, nan=-np.inf), kind="stable"):
            share = 100 * found.score[k] / found.ceiling_lower if found.ceiling_lower > 0 else math.nan
            percent = f"{share:.1f}" if math.isfinite(share) else ""
            cells = [
                found.models[k],
                number(found.score[k]),
                _interval(*found.interval[:, k].tolist()),
                percent,
                ceiling,
            ]
            yield f"RDMs: {found.method}", [*cells, number(float(found.p_zero_max[k]), 2)]
    elif isinstance(opened.value, TimeCourse) and opened.value.model_times is None:
        yield from _of_course(opened.value)


def _of_course(found: TimeCourse) -> Iterator[tuple[str, list[str]]]:
    best = np.nanargmin if found.quantity == "distance" else np.nanargmax
    for k, name in enumerate(found.models):
        if np.isfinite(found.mean[k]).any():
            at = int(best(found.mean[k]))
            cells = [name, number(found.mean[k, at]), _interval(*found.interval[:, k, at].tolist()), ""]
            ceiling = _span(found.lower[at], found.upper[at])
            yield f"RDMs over time: {found.method} at its best time (optimistic)", [*cells, ceiling, ""]


def provenance_section(results: Sequence[Opened]) -> Section:
    """Return where results come from: files, versions and seeds."""
    rows = [
        [
            opened.name,
            type(opened.value).__name__,
            "" if opened.path is None else str(opened.path),
            ", ".join(f"{name} {opened.versions[name]}" for name in _PACKAGES if name in opened.versions) or "not said",
            _seed(opened),
        ]
        for opened in results
    ]
    header = ["result", "kind", "file", "made with", "seed"]
    notes = ["The versions at the foot of the page are those that this page was made with."]
    return Section("Versions and seeds", tables=[("Where every result comes from.", header, rows)], notes=notes)


def _seed(opened: Opened) -> str:
    value: Any = opened.value
    loop = getattr(getattr(value, "config", None), "loop", None)
    for holder in (loop, value, opened.scores):
        seed = getattr(holder, "seed", None)
        if isinstance(seed, int):
            return str(seed)
    table = table_of(opened)
    seed = None if table is None else table.settings.get("seed")
    return "" if seed is None else str(seed)


def _interval(low: float, high: float) -> str:
    return f"[{number(low)}, {number(high)}]" if math.isfinite(low) else ""


def _span(low: float, high: float) -> str:
    return " to ".join(number(float(bound)) for bound in (low, high) if math.isfinite(bound))
