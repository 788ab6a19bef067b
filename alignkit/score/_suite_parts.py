"""Parts of a suite: each data set scored by itself on the models that have its items, then put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit.data import Things, match_things
from alignkit.data._registry import VARIABLE
from alignkit.score._row import Scored, ScoreRow
from alignkit.score._suite import Candidate, SuiteResult, join_scored

if TYPE_CHECKING:
    from alignkit.meg import TimeCourse


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SuitePart:
    """What one data set gives: lines by model, baselines, and notes."""

    scored: Mapping[str, Scored]
    baselines: tuple[ScoreRow, ...] = ()
    notes: tuple[str, ...] = ()
    course: TimeCourse | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SuiteFound:
    """What a suite returns, with time courses by part and what is not at hand."""

    result: SuiteResult
    courses: dict[str, TimeCourse]
    missing: dict[str, str]


def none_at_hand(missing: Mapping[str, str], root: Path) -> FileNotFoundError:
    """Return the error that none of the data sets is there, with notes of how to get each."""
    where = f"{root}, which does not exist" if not root.exists() else str(root)
    error = FileNotFoundError(f"none of the data sets of the suite is at hand in {where}; one of them is enough.")
    for part, sentence in missing.items():
        # where else they may be is the same for all
        own, elsewhere, _ = sentence.rpartition(" (or ")
        lacking, _, remedy = (own if elsewhere else sentence.rstrip(".")).partition(": ")
        error.add_note(f"{part}: {lacking}.")
        if remedy:
            error.add_note(f"  {remedy[0].upper()}{remedy[1:]}.")
    error.add_note(f"Where they are in another folder, name it with root=... or {VARIABLE}.")
    return error


def gather_parts(
    candidates: Sequence[Candidate], parts: Mapping[str, SuitePart | str], missing: Mapping[str, str]
) -> SuiteFound:
    """Return all parts as one result; a part that is a sentence says why it was not scored.

    Raises
    ------
    ValueError
        No part has items of the features; the error's notes say what each one lacks.
    """
    found = {name: part for name, part in parts.items() if isinstance(part, SuitePart)}
    lacking = [f"{name}: {part}" for name, part in parts.items() if isinstance(part, str)]
    if not found:
        error = ValueError("the features show too few items of every data set at hand.")
        for text in lacking:
            error.add_note(text)
        raise error
    scored = tuple(
        join_scored(part.scored[c.name] for part in found.values() if c.name in part.scored) for c in candidates
    )
    courses = {name: part.course for name, part in found.items() if part.course is not None}
    notes = [note for part in found.values() for note in part.notes]
    notes += [f"Not scored: {text}" for text in lacking]
    rows = tuple(row for part in found.values() for row in part.baselines)
    return SuiteFound(SuiteResult(scored, rows, tuple(notes)), courses, dict(missing))


def as_part(candidates: Sequence[Candidate], result: SuiteResult, prefix: str) -> SuitePart:
    """Return the result of a data set's own scoring as a part; its parts' names begin with ``prefix``."""
    scored = {
        candidate.name: Scored(
            tuple(_named(row, prefix) for row in one.rows),
            tuple(dataclasses.replace(unit, row=_named(unit.row, prefix)) for unit in one.units),
        )
        for candidate, one in zip(candidates, result.scored, strict=True)
    }
    baselines = tuple(_named(row, prefix) for row in result.baselines)
    return SuitePart(scored, baselines, tuple(f"{prefix}: {note}" for note in result.notes))


def _named(row: ScoreRow, prefix: str) -> ScoreRow:
    return dataclasses.replace(row, part=f"{prefix} {row.part}")


def take_rows(candidate: Candidate, rows: Sequence[int]) -> Candidate | None:
    """Return some of a candidate's inputs; None where there are none."""
    chosen = list(rows)
    if not chosen:
        return None
    return candidate.with_items(lambda x: x[chosen], tuple(candidate.labels[row] for row in chosen))


def of_concepts(candidate: Candidate, things: Things | Sequence[str]) -> Candidate | None:
    """Return a candidate's inputs that show concepts of THINGS; None where none does."""
    try:
        lost = set(match_things(candidate.labels, things).unmatched)
    except ValueError:
        return None
    return take_rows(candidate, [row for row, label in enumerate(candidate.labels) if label not in lost])
