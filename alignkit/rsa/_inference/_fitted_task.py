"""Models and data as cross-validation takes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._inference._fold_grams import columns_of
from alignkit.rsa._models import Model, SelectedModel
from alignkit.rsa._pooling import plain_of
from alignkit.rsa._rescale import rescale
from alignkit.rsa._similarity_methods import RANK_METHODS, undefined_rows

if TYPE_CHECKING:
    from alignkit.rsa._kernels._weighted_ranks_numba import SortedRows


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Models and data over the same items.

    ``components``, shape (components, pairs), holds those of all models, each RDM once, and ``parts`` which of them are
    those of every model; ``data`` has the shape (subjects, pairs), ``controls`` (controls, pairs); ``among`` marks the
    pairs that count.
    """

    models: tuple[Model, ...]
    components: FloatArray
    parts: tuple[IntArray, ...]
    data: FloatArray
    controls: FloatArray
    method: str
    among: BoolArray
    sigma_k: FloatArray | None = None

    @property
    def n_items(self) -> int:
        """Number of items."""
        return n_items_of(self.among.size)

    @property
    def ranked(self) -> bool:
        """Whether the method sees ranks only."""
        return self.method in RANK_METHODS

    @cached_property
    def columns(self) -> FloatArray:
        """All rows (of methods of ranks the components) as sums of products take them."""
        rows = self.components if self.ranked else np.concatenate([self.components, self.data, self.controls])
        return columns_of(rows, self.among, centred=self.method != "cosine")

    @cached_property
    def sorted_rows(self) -> SortedRows:
        """Subjects and components in the order of their values."""
        from alignkit.rsa._kernels._weighted_ranks_numba import SortedRows

        return SortedRows(np.concatenate([self.data, self.components]), self.among, self.n_items)

    @cached_property
    def chosen(self) -> BoolArray:
        """Components that are chosen from by their own similarity, shape (components,)."""
        found = np.zeros(len(self.components), dtype=bool)
        for model, part in zip(self.models, self.parts, strict=True):
            found[part] |= isinstance(model, SelectedModel)
        return found

    @cached_property
    def nowhere(self) -> BoolArray:
        """Models whose components are like nothing over all pairs, shape (models,)."""
        nothing = undefined_rows(self.components[:, self.among], plain_of(self.method))
        return np.array([nothing[part].all() for part in self.parts])


def task_of(
    models: Sequence[Model],
    rows: Sequence[FloatArray],
    data: FloatArray,
    method: str,
    *,
    controls: FloatArray | None = None,
    sigma_k: FloatArray | None = None,
) -> Task:
    """Return the task of models, whose components over the items of the data are ``rows``; NaN pairs leave."""
    others = np.zeros((0, data.shape[1])) if controls is None else controls
    among = np.asarray(~np.isnan(np.concatenate([*rows, data, others])).any(axis=0))
    filled = [np.where(among, one, 0.0) for one in (*rows, data, others)]
    # units do not matter, but squares must stay within range; a model's components keep theirs to one another
    scaled = [rescale(one, (-2, -1))[0] for one in filled[: len(rows)]]
    components, parts = _each_once(scaled)
    people, nuisance = (rescale(one, -1)[0] for one in filled[len(rows) :])
    return Task(tuple(models), components, parts, people, nuisance, method, among, sigma_k)


def _each_once(rows: Sequence[FloatArray]) -> tuple[FloatArray, tuple[IntArray, ...]]:
    """Return rows without repetitions, and where those of every part are: models are often made of the same RDMs."""
    positions: dict[bytes, int] = {}
    parts = [np.array([positions.setdefault(row.tobytes(), len(positions)) for row in part]) for part in rows]
    stacked, where = np.concatenate(list(rows)), np.concatenate(parts)
    first = [int(np.flatnonzero(where == k)[0]) for k in range(len(positions))]
    return stacked[first], tuple(parts)
