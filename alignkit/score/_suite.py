"""What a suite takes and gives: named feature matrices in, table lines out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from alignkit._check import join_names
from alignkit._typing import FloatArray
from alignkit.score._row import Scored, ScoreRow


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Features of one model: a name, one row per label, and what was fitted to get them."""

    name: str
    x: FloatArray
    labels: tuple[str, ...]
    split: str | None = None

    def take(self, labels: Sequence[str]) -> FloatArray:
        """Return the rows of ``labels``, in that order."""
        row = {label: i for i, label in enumerate(self.labels)}
        return self.x[[row[label] for label in labels]]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SuiteResult:
    """Lines of every model, lines of the baselines, and what a reader must know."""

    scored: tuple[Scored, ...]
    baselines: tuple[ScoreRow, ...]
    notes: tuple[str, ...] = ()


def shared_labels(candidates: Sequence[Candidate], known: Sequence[str], dataset: str) -> tuple[str, ...]:
    """Return the data set's items that every model has, in the data set's order.

    Raises
    ------
    ValueError
        Fewer than three, naming both sides so that the reader sees how they differ.
    """
    held = [set(candidate.labels) for candidate in candidates]
    for candidate, names in zip(candidates, held, strict=True):
        if len(names.intersection(known)) < 3:
            msg = (
                f"the labels of {candidate.name!r} ({join_names(candidate.labels, 3)}) are not those of {dataset} "
                f"({join_names(known, 3)}); name the features' items as the data set does."
            )
            raise ValueError(msg)
    shared = tuple(label for label in known if all(label in names for names in held))
    if len(shared) < 3:
        msg = f"the models share fewer than 3 items of {dataset}; score them one by one."
        raise ValueError(msg)
    return shared


def strip_suffixes(labels: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return labels as the data set spells them: as they are, or as a file's stem (``x/cat.png`` -> ``cat``)."""
    names = set(known)
    return tuple(label if label in names or Path(label).stem not in names else Path(label).stem for label in labels)


def average_duplicates(x: FloatArray, labels: Sequence[str]) -> tuple[FloatArray, tuple[str, ...]]:
    """Return one row per distinct label (several images of one item are averaged), in order of appearance."""
    distinct = tuple(dict.fromkeys(labels))
    if len(distinct) == len(labels):
        return x, distinct
    number = {label: i for i, label in enumerate(distinct)}
    sums = np.zeros((len(distinct), x.shape[1]))
    codes = np.array([number[label] for label in labels])
    np.add.at(sums, codes, x)
    return sums / np.bincount(codes)[:, None], distinct


def join_scored(parts: Iterable[Scored]) -> Scored:
    """Return the lines and credits of several parts as one."""
    scored = list(parts)
    return Scored(tuple(row for s in scored for row in s.rows), tuple(unit for s in scored for unit in s.units))
