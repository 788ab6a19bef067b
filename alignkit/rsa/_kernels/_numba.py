"""Compiled kernels, equal to those in ``_numpy`` on every input; compiled on first use and cached."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numba import njit

from alignkit._typing import FloatArray, IntArray


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled, and kept on disk where that works: no disk is needed to count ranks."""
    kernel: Any = njit(function)
    try:
        kernel.enable_caching()
    except RuntimeError:  # an installation and a home that are both read-only
        return kernel
    cache = kernel._cache
    for name in ("load_overload", "save_overload"):
        setattr(cache, name, _forgiving(getattr(cache, name)))
    return kernel


def _forgiving(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        with suppress(Exception):  # a full disk, a damaged file: anything there can be is compiled again
            return method(*args)
        return None

    return call


def midranks(values: FloatArray) -> FloatArray:
    """Return average-tie ranks from 1 of every row of ``values``, shape (rows, n)."""
    ranks = np.empty(values.shape, dtype=np.float64)
    for row, out in zip(values, ranks, strict=True):
        # numpy's vectorised argsort beats numba's; only the pass over ties is compiled
        _assign_midranks(row, np.argsort(row), out)
    return ranks


@compiled
def _assign_midranks(row, order, out):  # type: ignore[no-untyped-def]
    start = 0
    n = row.size
    while start < n:
        end = start + 1
        while end < n and row[order[end]] == row[order[start]]:
            end += 1
        rank = 0.5 * (start + 1 + end)
        for k in range(start, end):
            out[order[k]] = rank
        start = end


def kendall_balance(x: FloatArray, y: FloatArray) -> IntArray:
    """Return concordant minus discordant pairs of every row of ``x`` with every row of ``y``.

    Knight's method (1966, doi:10.1080/01621459.1966.10480879): sort by x, count the inversions of y by
    merge sort. O(n log n) per pair of rows.
    """
    balance = np.empty((len(x), len(y)), dtype=np.int64)
    for i, row_x in enumerate(x):
        for j, row_y in enumerate(y):
            order = np.lexsort((row_y, row_x))
            balance[i, j] = _balance(row_x[order], row_y[order])
    return balance


@compiled
def _tied_pairs(ordered):  # type: ignore[no-untyped-def]
    total, run = 0, 1
    for k in range(1, ordered.size):
        if ordered[k] == ordered[k - 1]:
            total += run
            run += 1
        else:
            run = 1
    return total


@compiled
def _inversions(values):  # type: ignore[no-untyped-def]
    # bottom-up merge sort; sorts its own copy and returns how many pairs stood in the wrong order
    n = values.size
    source, target = values.copy(), np.empty_like(values)
    swaps, width = 0, 1
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            left, right = low, middle
            for k in range(low, high):
                if left < middle and (right >= high or source[left] <= source[right]):
                    target[k] = source[left]
                    left += 1
                else:
                    target[k] = source[right]
                    right += 1
                    swaps += middle - left
        source, target = target, source
        width *= 2
    return swaps, source


@compiled
def _balance(x, y):  # type: ignore[no-untyped-def]
    # x ascending, y ascending within ties of x: pairs tied in x are never inverted
    n = x.size
    tied_x = _tied_pairs(x)
    tied_both, run = 0, 1
    for k in range(1, n):
        if x[k] == x[k - 1] and y[k] == y[k - 1]:
            tied_both += run
            run += 1
        else:
            run = 1
    discordant, ordered_y = _inversions(y)
    tied_y = _tied_pairs(ordered_y)
    return n * (n - 1) // 2 - tied_x - tied_y + tied_both - 2 * discordant
