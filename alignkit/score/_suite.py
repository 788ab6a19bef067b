"""What a suite takes and gives: named feature matrices in, table lines out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alignkit._typing import FloatArray
from alignkit.score._row import Scored, ScoreRow


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Features of one model: a name, one row per label, and what was fitted to get them."""

    name: str
    x: FloatArray
    labels: tuple[str, ...]
    split: str | None = None
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What the features were made with: layer, model, weights, preprocessing, transform."""
    centre: bool = False
    """Whether :meth:`take` subtracts the mean over the items taken."""

    def take(self, labels: Sequence[str]) -> FloatArray:
        """Return the rows of ``labels``, in that order, centred over them if so asked."""
        row = {label: i for i, label in enumerate(self.labels)}
        x = self.x[[row[label] for label in labels]]
        return x - x.mean(axis=0) if self.centre else x


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SuiteResult:
    """Lines of every model, lines of the baselines, and what a reader must know."""

    scored: tuple[Scored, ...]
    baselines: tuple[ScoreRow, ...]
    notes: tuple[str, ...] = ()


def join_scored(parts: Iterable[Scored]) -> Scored:
    """Return the lines and credits of several parts as one."""
    scored = list(parts)
    return Scored(tuple(row for s in scored for row in s.rows), tuple(unit for s in scored for unit in s.units))
