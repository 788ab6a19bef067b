"""What a suite takes and gives: named feature matrices in, table lines out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alignkit._typing import FloatArray
from alignkit.score._row import Scored, ScoreRow

if TYPE_CHECKING:
    from alignkit.data._item_manifest import ItemManifest


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Features of one model: a name, one row per label, and what was fitted to get them."""

    name: str
    x: FloatArray
    """The features of the one layer that is scored by every measure."""
    labels: tuple[str, ...]
    split: str | None = None
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What the features were made with: layer, model, weights, preprocessing, transform."""
    centre: bool = False
    """Whether :meth:`take` subtracts the mean over the items taken."""
    layers: Mapping[str, Callable[[], FloatArray]] = dataclasses.field(default_factory=dict)
    """The layers of its curve, each read when it is needed: together they may not fit in memory."""
    manifest: ItemManifest | None = None
    """What its photos show, where a table says so."""
    fitted_items: frozenset[str] = frozenset()
    """Items whose judgements a transform of the features was fitted to."""

    def take(self, labels: Sequence[str], layer: str | None = None) -> FloatArray:
        """Return the rows of ``labels``, in that order, centred over them if so asked."""
        row = {label: i for i, label in enumerate(self.labels)}
        x = (self.x if layer is None else self.layers[layer]())[[row[label] for label in labels]]
        return x - x.mean(axis=0) if self.centre else x

    def with_items(self, by: Callable[[FloatArray], FloatArray], labels: tuple[str, ...]) -> Candidate:
        """Return the candidate with ``by`` applied to the rows of every layer, which are then those of ``labels``."""

        def through(read: Callable[[], FloatArray]) -> Callable[[], FloatArray]:
            return lambda: by(read())

        layers = {name: through(read) for name, read in self.layers.items()}
        return dataclasses.replace(self, x=by(self.x), labels=labels, layers=layers)


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
