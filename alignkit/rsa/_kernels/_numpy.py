"""Plain numpy kernels: the oracle of the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray


def midranks(values: AnyArray) -> FloatArray:
    """Return average-tie ranks from 1 of every row of ``values``, shape (rows, n)."""
    ranks = np.empty(values.shape, dtype=np.float64)
    for row, out in zip(values, ranks, strict=True):
        order, starts, ends = _runs(row)
        # ranks start + 1 ... end of one tied run have the mean (start + 1 + end) / 2
        out[order] = np.repeat((starts + 1 + ends) / 2, ends - starts)
    return ranks


def whole_ranks(values: AnyArray) -> AnyArray:
    """Return ranks less their mean, doubled: whole numbers that sum to zero; float32 where that holds them all."""
    n = values.shape[-1]
    ranks = np.empty(values.shape, dtype=whole_dtype(n))
    for row, out in zip(values, ranks, strict=True):
        order, starts, ends = _runs(row)
        out[order] = np.repeat(starts + ends - n, ends - starts)
    return ranks


def whole_dtype(n: int) -> np.dtype[Any]:
    """Return the smaller float that holds the whole ranks of ``n`` values, which reach from 1 - n to n - 1."""
    return np.dtype(np.float32 if n <= 1 << 24 else np.float64)


def dense_dtype(n: int) -> np.dtype[Any]:
    """Return the smaller integer that holds the dense ranks of ``n`` values."""
    return np.dtype(np.int32 if n <= 1 << 31 else np.int64)


def dense_ranks(values: AnyArray) -> IntArray:
    """Return, for every value, how many different smaller ones its row holds."""
    ranks = np.empty(values.shape, dtype=dense_dtype(values.shape[-1]))
    for row, out in zip(values, ranks, strict=True):
        order, starts, ends = _runs(row)
        out[order] = np.repeat(np.arange(len(starts)), ends - starts)
    return ranks


def _runs(row: AnyArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return the order that sorts a row, and where in it each run of equal values starts and ends."""
    order = np.argsort(row)
    ordered = row[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    return order, starts, np.r_[starts[1:], row.size]


def kendall_balance(x: IntArray, y: IntArray) -> IntArray:
    """Return concordant minus discordant pairs of every row of ``x`` with every row of ``y``.

    ``x`` has shape (a, n), ``y`` (b, n), both dense ranks; the result is (a, b) int64. O(n^2) time, O(n) memory.
    """
    balance = np.zeros((len(x), len(y)), dtype=np.int64)
    for i in range(x.shape[1] - 1):
        balance += (_signs(x, i) @ _signs(y, i).T).astype(np.int64)
    return balance


def _signs(rows: IntArray, i: int) -> FloatArray:
    later, own = rows[:, i + 1 :], rows[:, i, None]
    return np.sign(later - own).astype(np.float64)


def load_triangles(
    triangles: AnyArray,
    entry: int,
    offsets: FloatArray,
    first: int,
    last: int,
    block: FloatArray,
    sums: FloatArray,
    squares: FloatArray,
) -> None:
    """Copy the pairs of items ``first`` to ``last`` with later ones, less an offset each, and add up what they hold.

    ``triangles``, shape (rows, pairs), holds those of ``first`` from ``entry`` on (``last`` is not included);
    ``block``, shape (rows, at least so many), is filled from its beginning; every value is added to the ``sums``, shape
    (rows, items), of its two items, its square to ``squares``, shape (rows,).
    """
    start, n = 0, sums.shape[1]
    length = sum(range(n - last, n - first))
    block = block[:, :length]
    np.subtract(triangles[:, entry : entry + length], offsets[:, None], out=block)
    squares += np.einsum("ij,ij->i", block, block)
    for i in range(first, last):
        row = block[:, start : start + n - 1 - i]
        sums[:, i] += row.sum(axis=1)
        sums[:, i + 1 :] += row
        start += n - 1 - i
