"""Sets of three items that show every item and every pair about equally often."""

from __future__ import annotations

import itertools
import math

import numpy as np

from alignkit._typing import FloatArray, IntArray

#: A difference of one in how often a pair was shown weighs more than any in how often its items were.
_PAIR_WEIGHT = 64.0
#: Rows of random numbers that break ties, used in turn.
_N_JITTER = 257


def balanced_triples(n_items: int, size: int, rng: np.random.Generator) -> IntArray:
    """Return ``size`` different sets of three items, shape (size, 3), in an order that is balanced from the start.

    One after another: the item shown least, the partner it met least, and the third that both met least, ties at
    random. Where more than half of all sets are wanted, the balanced rest is left out of all.
    """
    total = math.comb(n_items, 3)
    if 2 * size <= total:
        return _greedy(n_items, size, rng)
    everything = all_triples(n_items)
    left_out = np.sort(_greedy(n_items, total - size, rng), axis=1)
    kept = np.ones(total, dtype=np.bool_)
    kept[np.searchsorted(_codes(everything, n_items), _codes(left_out, n_items))] = False
    return rng.permutation(everything[kept])


def all_triples(n_items: int) -> IntArray:
    """Return every set of three items, each ascending, in ascending order."""
    flat = itertools.chain.from_iterable(itertools.combinations(range(n_items), 3))
    return np.fromiter(flat, dtype=np.int64, count=3 * math.comb(n_items, 3)).reshape(-1, 3)


def pair_counts(items: IntArray, n_items: int) -> IntArray:
    """Return how often each pair is shown, condensed (upper triangle, row-major)."""
    counts = np.zeros((n_items, n_items), dtype=np.int64)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        np.add.at(counts, (items[:, a], items[:, b]), 1)
    both = counts + counts.T
    return both[np.triu_indices(n_items, 1)]


def _codes(ascending: IntArray, n_items: int) -> IntArray:
    a, b, c = ascending.T
    return (a * n_items + b) * n_items + c


def _greedy(n_items: int, size: int, rng: np.random.Generator) -> IntArray:
    state = _Shown(n_items, rng)
    result = np.empty((size, 3), dtype=np.int64)
    for k in range(size):
        result[k] = state.next()
    return result


class _Shown:
    """How often items and pairs were shown so far, and with whom."""

    __slots__ = ("jitter", "pair", "step", "thirds", "uses")

    def __init__(self, n_items: int, rng: np.random.Generator) -> None:
        self.uses = np.zeros(n_items)
        self.pair = np.zeros((n_items, n_items), dtype=np.float32)
        np.fill_diagonal(self.pair, np.inf)
        self.thirds: dict[tuple[int, int], list[int]] = {}
        self.jitter = 0.9 * rng.random((_N_JITTER, n_items))
        self.step = 0

    def next(self) -> tuple[int, int, int]:
        """Return the next set of three and count it."""
        first = self.uses + self._ties()
        while True:  # ends: less than all sets are taken
            a = int(first.argmin())
            found = self._with(a)
            if found is not None:
                break
            first[a] = np.inf
        self._count(a, *found)
        return a, *found

    def _with(self, a: int) -> tuple[int, int] | None:
        """Return the best two to go with an item, or None where it was shown with every two."""
        second = self._score(self.pair[a])
        third_of_a = self._score(self.pair[a])
        for _ in range(len(second)):
            b = int(second.argmin())
            if second[b] == np.inf:
                break
            third = third_of_a + _PAIR_WEIGHT * self.pair[b]
            third[self.thirds.get((a, b) if a < b else (b, a), [])] = np.inf
            c = int(third.argmin())
            if third[c] < np.inf:
                return b, c
            second[b] = np.inf
        return None

    def _score(self, met: FloatArray) -> FloatArray:
        score: FloatArray = _PAIR_WEIGHT * met + self.uses + self._ties()
        return score

    def _ties(self) -> FloatArray:
        self.step = (self.step + 1) % _N_JITTER
        row: FloatArray = self.jitter[self.step]
        return row

    def _count(self, a: int, b: int, c: int) -> None:
        self.uses[[a, b, c]] += 1.0
        for one, other, third in ((a, b, c), (a, c, b), (b, c, a)):
            self.pair[one, other] += 1.0
            self.pair[other, one] += 1.0
            self.thirds.setdefault((one, other) if one < other else (other, one), []).append(third)
