"""Products of RDMs whose items are permuted: one reindexing per permutation, one matrix product for a block of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray

#: Values of a tile of one permutation, and of a tile of all permutations that are taken together.
_TILE, _BLOCK = 1 << 13, 1 << 18
#: Fewest tiles: each is a rectangle, so that one alone would have as many zeros below the diagonal as values above it.
_FEWEST = 4


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PermutedProducts:
    """Products of all rows of ``a``, their items permuted, with all rows of ``b``.

    Rows are upper triangles, with or without the diagonal's values after them: shape (rows, pairs [+ items]).
    """

    #: The side with fewer rows, as square matrices: permuting the items of one side one way or those of the other side
    #: back gives the same products.
    squares: FloatArray
    back: bool
    #: First row, last row (exclusive) and entries of the other side's upper triangles, cut into blocks of rows.
    tiles: tuple[tuple[int, int, FloatArray], ...]

    @classmethod
    def of(cls, a: AnyArray, b: AnyArray, n_items: int) -> PermutedProducts:
        """Return the products of two stacks of rows."""
        back = len(b) < len(a)
        moved, fixed = (b, a) if back else (a, b)
        squares = np.stack([_square(row, n_items, symmetric=True) for row in moved])
        step = max(1, min(_TILE // (len(squares) * n_items), -(-n_items // _FEWEST)))
        return cls(squares, back, tuple(_tiles(fixed, n_items, step)))

    @property
    def n_together(self) -> int:
        """Number of permutations that are best taken together."""
        first, last, _ = self.tiles[0]
        return max(1, _BLOCK // (len(self.squares) * (last - first) * self.squares.shape[-1]))

    def __call__(self, permutations: IntArray) -> FloatArray:
        """Return the products, shape (m, a, b), for (m, items) ``permutations``: entry ij of a is that at π_i π_j."""
        orders = np.argsort(permutations, axis=1) if self.back else permutations
        n_moved, n = len(self.squares), self.squares.shape[-1]
        n_fixed = len(self.tiles[0][2])
        total = np.zeros((len(orders) * n_moved, n_fixed))
        # memory of one size after the other would be asked for, and touched for the first time, again and again
        largest = max((last - first) * (n - first) for first, last, _ in self.tiles)
        memory = np.empty(len(total) * largest)
        for first, last, tile in self.tiles:
            shape = (len(orders), n_moved, last - first, n - first)
            block = memory[: math.prod(shape)].reshape(shape)
            for order, out in zip(orders, block, strict=True):
                # whole rows, then their columns: each row stays in the first-level cache while it is reordered
                self.squares.take(order[first:last], axis=1).take(order[first:], axis=2, out=out, mode="clip")
            total += block.reshape(len(total), -1) @ tile.T
        products = total.reshape(len(orders), n_moved, n_fixed)
        return products.swapaxes(1, 2) if self.back else products


def _square(row: AnyArray, n: int, *, symmetric: bool) -> FloatArray:
    n_pairs = n * (n - 1) // 2
    square = np.zeros((n, n))
    square[np.triu_indices(n, k=1)] = row[:n_pairs]
    if symmetric:
        square += square.T
    if len(row) > n_pairs:
        np.fill_diagonal(square, row[n_pairs:])
    return square


def _tiles(rows: AnyArray, n: int, step: int) -> Iterator[tuple[int, int, FloatArray]]:
    starts = range(0, n, step)
    parts: list[list[FloatArray]] = [[] for _ in starts]
    for row in rows:
        square = _square(row, n, symmetric=False)
        for part, first in zip(parts, starts, strict=True):
            part.append(square[first : first + step, first:].ravel())
    for first in starts:
        yield first, min(first + step, n), np.stack(parts[first // step])
