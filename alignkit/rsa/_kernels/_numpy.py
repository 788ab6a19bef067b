"""Plain numpy kernels: the oracle of the others."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray, IntArray


def midranks(values: FloatArray) -> FloatArray:
    """Return average-tie ranks from 1 of every row of ``values``, shape (rows, n)."""
    ranks = np.empty_like(values, dtype=np.float64)
    for row, out in zip(values, ranks, strict=True):
        order = np.argsort(row)
        ordered = row[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        ends = np.r_[starts[1:], row.size]
        # ranks start + 1 ... end of one tied run have the mean (start + 1 + end) / 2
        out[order] = np.repeat((starts + 1 + ends) / 2, ends - starts)
    return ranks


def kendall_balance(x: FloatArray, y: FloatArray) -> IntArray:
    """Return concordant minus discordant pairs of every row of ``x`` with every row of ``y``.

    ``x`` has shape (a, n), ``y`` (b, n); the result is (a, b) int64. O(n^2) time, O(n) memory.
    """
    balance = np.zeros((len(x), len(y)), dtype=np.int64)
    for i in range(x.shape[1] - 1):
        balance += (_signs(x, i) @ _signs(y, i).T).astype(np.int64)
    return balance


def _signs(rows: FloatArray, i: int) -> FloatArray:
    # compared, not subtracted: a difference may overflow
    later, own = rows[:, i + 1 :], rows[:, i, None]
    return (later > own).astype(np.float64) - (later < own)
