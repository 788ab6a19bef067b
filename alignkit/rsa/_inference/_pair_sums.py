"""Sums over pairs of items in many resamples at once: one matrix product for all of them.

A pair of items counts as often as the product of how often its two items were drawn, and a pair of copies not at all:
every sum is a quadratic form in the multiplicities, ``Σ_{i<j} w_i w_j m_ij``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from alignkit._check import is_tensor
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._namespace import like, namespace

#: Pairs of items that are taken together: with their products and a block of resamples they stay in the cache.
_PAIRS = 512
#: Products that are taken together.
_PRODUCTS = 256
#: Weights of pairs that torch holds together.
_TORCH_BLOCK = 1 << 24
#: Blocks of resamples are filled up to a multiple of this, so that each one meets the same kernel of the BLAS.
LANES = 48
#: An item, and the first and last (exclusive) of the items that it makes pairs with.
_Stretch = tuple[int, int, int]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PairSums:
    """Weighted sums of products of rows, shape (row, pairs).

    ``chosen`` holds (rows on the left, rows on the right): as many on both sides, or one on the left. Where the rows
    are tensors, torch adds up, where they lie.
    """

    rows: Any
    chosen: tuple[tuple[slice, slice], ...]

    def __call__(self, counts: FloatArray) -> FloatArray:
        """Return the sums, shape (product, resample), for multiplicities ``counts``, shape (resample, items).

        The number of resamples is a multiple of ``LANES``.
        """
        if is_tensor(self.rows):
            return self._by_torch(counts)
        by_item = np.ascontiguousarray(counts.T)
        groups = list(_groups(self.chosen))
        weights = np.empty((_PAIRS, by_item.shape[1]))
        products = np.empty((max(size for _, size in groups), _PAIRS))
        sums = np.zeros((sum(size for _, size in groups), by_item.shape[1]))
        start = 0
        for tile in _tiles(len(by_item)):
            length = _weigh(by_item, tile, weights)
            rows, place = self.rows[:, start : start + length], 0
            for group, size in groups:
                part = products[:size, :length]
                _multiply(rows, group, part)
                sums[place : place + size] += part @ weights[:length]
                place += size
            start += length
        return sums

    def _by_torch(self, counts: FloatArray) -> FloatArray:
        by_item = like(np.ascontiguousarray(counts.T), self.rows)
        first, second = (like(side, self.rows) for side in np.triu_indices(len(by_item), k=1))
        groups = list(_groups(self.chosen))
        sums: list[Any] = [0.0] * len(groups)
        step = max(_PAIRS, _TORCH_BLOCK // by_item.shape[1])
        for start in range(0, len(first), step):
            tile = slice(start, start + step)
            weights = by_item[first[tile]] * by_item[second[tile]]
            rows = self.rows[:, tile]
            for g, (group, size) in enumerate(groups):
                products = rows.new_empty((size, rows.shape[1]))
                _multiply(rows, group, products)
                sums[g] = sums[g] + products @ weights
        found: FloatArray = namespace(self.rows).cat(sums).cpu().numpy()
        return found


def _groups(chosen: tuple[tuple[slice, slice], ...]) -> Iterator[tuple[list[tuple[slice, slice]], int]]:
    """Yield choices that make some number of products together, and that number."""
    group: list[tuple[slice, slice]] = []
    size = 0
    for sides in chosen:
        group.append(sides)
        size += sides[1].stop - sides[1].start
        if size >= _PRODUCTS:
            yield group, size
            group, size = [], 0
    if group:
        yield group, size


def _multiply(rows: Any, group: list[tuple[slice, slice]], products: Any) -> None:
    start = 0
    for left, right in group:
        stop = start + right.stop - right.start
        namespace(rows).multiply(rows[left], rows[right], out=products[start:stop])
        start = stop


def _weigh(by_item: FloatArray, tile: list[_Stretch], weights: FloatArray) -> int:
    """Fill in the weights of the pairs of a tile, shape (pairs, resample), and return how many there are."""
    start = 0
    for item, first, last in tile:
        stop = start + last - first
        np.multiply(by_item[first:last], by_item[item], out=weights[start:stop])
        start = stop
    return start


def _tiles(n: int) -> Iterator[list[_Stretch]]:
    """Yield stretches of the upper triangle, row by row, so many that their pairs make a tile."""
    tile: list[_Stretch] = []
    room = _PAIRS
    for item in range(n - 1):
        first = item + 1
        while first < n:
            last = min(n, first + room)
            tile.append((item, first, last))
            room -= last - first
            first = last
            if room == 0:
                yield tile
                tile, room = [], _PAIRS
    if tile:
        yield tile


def filled_up(counts: IntArray) -> FloatArray:
    """Return multiplicities in float64, with resamples of nothing up to a multiple of ``LANES``."""
    full = np.zeros((-(-len(counts) // LANES) * LANES, counts.shape[1]))
    full[: len(counts)] = counts
    return full
