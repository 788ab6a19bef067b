"""The share of nearest neighbours that two sets of features have in common."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from alignkit._typing import IntArray
from alignkit.rsa._condensed import as_host
from alignkit.rsa._feature_rows import Rows, rows_per_block, scaled
from alignkit.rsa._namespace import kth_largest, namespace, take, untracked

#: Cosines that are closer than this are tied: products of equal rows differ by rounding, wherever they stand.
_TIED = 1e-12


@dataclasses.dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest neighbours of every item, in ascending order, shape (items, n_neighbours)."""

    indices: IntArray
    undefined: str | None = None
    #: The rows of the features that make the measure undefined.
    rows: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class MutualNeighbours:
    """The mean overlap of neighbourhoods; the option is that of :func:`alignkit.rsa.similarity`."""

    n_neighbours: int = 10

    @property
    def label(self) -> str:
        """What a figure calls the numbers."""
        return f"mutual {self.n_neighbours}-NN"

    @property
    def sentence(self) -> str:
        """What a Methods section calls the measure."""
        return f"mutual nearest neighbours (the share of the {self.n_neighbours} nearest by cosine that agree)"

    @property
    def is_distance(self) -> bool:
        """Whether smaller means more alike."""
        return False

    @property
    def min_items(self) -> int:
        """Fewest items for which it is not 1 whatever the features are."""
        return self.n_neighbours + 2

    def prepare(self, rows: Rows, n_uses: int) -> Neighbours:
        """Return the neighbours in one layer, which is not centred for this."""
        with untracked(rows.source):
            features, lengths = _unit_rows(rows)
            zero = np.flatnonzero(as_host(lengths) == 0)
            if len(zero):
                reason = "the cosine is undefined for items whose features are all 0"
                return Neighbours(zero, reason, tuple(int(i) for i in rows.order[zero]))
            step = rows_per_block(len(features))
            starts = range(0, len(features), step)
            parts = [_nearest(features, start, start + step, self.n_neighbours) for start in starts]
        return Neighbours(np.concatenate(parts))

    def permute(self, neighbours: Neighbours, order: IntArray) -> Neighbours:
        """Return the neighbours of the items in another order."""
        place = np.argsort(order)
        return Neighbours(np.sort(place[neighbours.indices[order]], axis=1))

    def value(self, x: Neighbours, y: Neighbours) -> Any:
        """Return the mean share of neighbours in common."""
        n_items, k = x.indices.shape
        return np.float64(len(np.intersect1d(_pairs(x), _pairs(y), assume_unique=True)) / (n_items * k))

    def forced(self, x: Neighbours, y: Neighbours) -> tuple[int, int]:
        """Return that no part of the measure is given by geometry alone."""
        return 0, 0


def _unit_rows(rows: Rows) -> tuple[Any, Any]:
    """Return all rows as unit vectors, and their largest magnitudes."""
    features = scaled(take(rows.source, rows.order), rows.exponent)
    xp = namespace(features)
    largest = xp.amax(abs(features), 1)
    safe = xp.where(largest == 0, xp.ones_like(largest), largest)
    # by the largest entry first, whose square may vanish
    features = features / safe[:, None]
    norms = xp.sqrt((features * features).sum(1))
    return features / xp.where(norms == 0, xp.ones_like(norms), norms)[:, None], largest


def _nearest(features: Any, start: int, stop: int, k: int) -> IntArray:
    cosines = features[start:stop] @ features.T
    n_rows = len(cosines)
    cosines[range(n_rows), range(start, start + n_rows)] = -2.0  # nobody is their own neighbour
    last = kth_largest(cosines, k)
    nearer = cosines > last + _TIED
    tied = (cosines >= last - _TIED) & ~nearer
    n_open = k - nearer.sum(1)
    if bool((tied.sum(1) > n_open).any()):
        # among tied items those that come first
        tied = tied & (tied.cumsum(1) <= n_open[:, None])
    indices: IntArray = np.nonzero(as_host(nearer | tied))[1].reshape(n_rows, k)
    return indices


def _pairs(neighbours: Neighbours) -> IntArray:
    """Return one number per item and neighbour."""
    n_items = len(neighbours.indices)
    return (np.arange(n_items)[:, None] * n_items + neighbours.indices).ravel()
