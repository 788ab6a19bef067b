"""Centred features of some items, block by block: float64 whatever they are stored in, never all of it at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from alignkit._check import is_tensor
from alignkit._threads import each
from alignkit._typing import IntArray
from alignkit.rsa._condensed import as_host
from alignkit.rsa._namespace import namespace, take, widen

#: Most numbers that are widened to float64 at a time (32 MiB).
BLOCK = 1 << 22
#: Channels or items on a side of a tile of a product.
_TILE = 512
#: Binary exponents of numbers whose squares are far from all limits.
_ORDINARY = 200


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows ``order`` of ``source``, shape (items, channels), less the mean of every channel and over ``2**exponent``.

    Of few numbers the centred rows are ``kept``; else every block is read, widened and centred when it is needed.
    """

    source: Any
    order: IntArray
    origin: Any
    mean: Any
    exponent: int
    #: Whether all rows are the same, exactly: rounding in a mean decides nothing.
    constant: bool = False
    kept: Any = None

    @property
    def n_items(self) -> int:
        """Number of rows."""
        return len(self.order)

    @property
    def n_channels(self) -> int:
        """Number of columns."""
        return int(self.source.shape[1])

    def blocks(self, n_rows: int | None = None) -> Iterator[Any]:
        """Yield the centred rows in blocks of ``n_rows``, by default as many as fit."""
        n_rows = n_rows or rows_per_block(self.n_channels)
        for start in range(0, self.n_items, n_rows):
            if self.kept is not None:
                yield self.kept[start : start + n_rows]
            else:
                yield self._centred(take(self.source, self.order[start : start + n_rows]))

    def column_blocks(self) -> Iterator[Any]:
        """Yield all centred rows, a few channels at a time."""
        if self.kept is not None:
            yield self.kept
            return
        n_columns = rows_per_block(self.n_items)
        for start in range(0, self.n_channels, n_columns):
            columns = slice(start, start + n_columns)
            yield self._centred(take(self.source[:, columns], self.order), columns)

    def _centred(self, part: Any, columns: slice = slice(None)) -> Any:
        return _less(_shifted(part, self.exponent, self.origin[columns]), self.mean[columns])

    def dense(self) -> Any:
        """Return all centred rows."""
        return self.kept if self.kept is not None else self._centred(take(self.source, self.order))

    def take(self, order: IntArray) -> Rows:
        """Return the rows in another order."""
        kept = None if self.kept is None else take(self.kept, order)
        return dataclasses.replace(self, order=self.order[order], kept=kept)


def rows_per_block(length: int) -> int:
    """Return how many rows of so many numbers fit in a block."""
    return max(1, BLOCK // length)


def scaled(x: Any, exponent: int) -> Any:
    """Return ``x`` in float64 over a power of two, which is exact."""
    return widen(x) * 2.0**-exponent if exponent else widen(x)


def _shifted(part: Any, exponent: int, origin: Any) -> Any:
    # the difference to one of the rows is exact for a channel that is the same everywhere, that to the mean is not
    return scaled(part, exponent) - origin


def _less(shifted: Any, mean: Any) -> Any:
    """Return rows less their mean, in the memory of an array."""
    if is_tensor(shifted):
        return shifted - mean
    shifted -= mean
    return shifted


def centred_rows(source: Any, order: IntArray) -> Rows:
    """Return the rows ``order`` of finite features, centred."""
    xp = namespace(source)
    n_rows = rows_per_block(source.shape[1])
    starts = range(0, len(order), n_rows)
    exponent = _exponent(max(_largest(take(source, order[i : i + n_rows])) for i in starts))
    origin = scaled(source[int(order[0])], exponent)
    total, constant = xp.zeros_like(origin), True
    for i in starts:
        shifted = _shifted(take(source, order[i : i + n_rows]), exponent, origin)
        total = total + shifted.sum(0)
        constant = constant and not bool((shifted != 0).any())
    mean = total / len(order)
    return Rows(source, order, origin, mean, exponent, constant, _less(shifted, mean) if len(starts) == 1 else None)


def _largest(part: Any) -> float:
    return max(float(as_host(part.max())), -float(as_host(part.min())))


def _exponent(largest: float) -> int:
    """Return the power of two without which squares would overflow or vanish, 0 for ordinary units."""
    exponent = math.frexp(largest)[1]
    return 0 if abs(exponent) <= _ORDINARY else min(max(exponent, -1000), 1000)


def held(features: Any) -> Rows:
    """Return features in memory that are centred already as rows."""
    zeros = namespace(features).zeros_like(features[0])
    return Rows(features, np.arange(len(features)), zeros, zeros, 0, kept=features)


def cross(a: Rows, b: Rows) -> Any:
    """Return the products of every channel of ``a`` with every channel of ``b``, shape (channels, channels)."""
    n_rows = rows_per_block(max(a.n_channels, b.n_channels))
    if a is b:
        return sum(products(part, part) for part in a.blocks(n_rows))
    return sum(products(left, right) for left, right in zip(a.blocks(n_rows), b.blocks(n_rows), strict=True))


def products(a: Any, b: Any) -> Any:
    """Return a'b, computed in tiles side by side: the same bits for any number of threads."""
    if is_tensor(a):
        return a.T @ b
    result = np.empty((a.shape[1], b.shape[1]))

    def fill(tile: tuple[slice, slice]) -> None:
        left, right = tile
        np.matmul(a[:, left].T, b[:, right], out=result[left, right])
        if a is b and left != right:
            result[right, left] = result[left, right].T

    rows, columns = _slices(a.shape[1]), _slices(b.shape[1])
    # of a symmetric product half is computed
    each(fill, [(left, right) for left in rows for right in columns if a is not b or left.start <= right.start])
    return result


def _slices(length: int) -> list[slice]:
    return [slice(start, min(start + _TILE, length)) for start in range(0, length, _TILE)]


def square_norms(rows: Rows) -> Any:
    """Return the squared length of every centred row, shape (items,)."""
    return namespace(rows.source).concatenate([(part * part).sum(1) for part in rows.blocks()])


def gram(rows: Rows) -> Any:
    """Return the products of every two centred rows, shape (items, items)."""
    return sum(_gram(part) for part in rows.column_blocks())


def _gram(part: Any) -> Any:
    turned = part.T
    return products(turned, turned)


def through(matrix: Any, rows: Rows) -> Any:
    """Return the trace of X'KX for a symmetric matrix K of items by items and centred rows X."""
    return sum((products(matrix, part) * part).sum() for part in rows.column_blocks())


def finite_rows(source: Any) -> Any:
    """Return which rows hold no NaN and no infinity, a numpy array of bool, shape (items,)."""
    xp = namespace(source)
    n_rows = rows_per_block(source.shape[1])
    return np.concatenate([as_host(xp.isfinite(source[i : i + n_rows]).all(1)) for i in range(0, len(source), n_rows)])
