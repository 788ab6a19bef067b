"""Compiled kernel over maps of sums, one map per sign flip: to t values or means."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._kernels._numba import compiled


def _finish(
    maps: AnyArray, squares: AnyArray, n: int, floor: AnyArray, side: int, student: bool, count: AnyArray
) -> None:
    """Count sums at least as extreme as ``floor``, and turn them into t values or means, in place."""
    n_maps, n_cells = maps.shape
    for i in range(n_maps):
        for j in range(n_cells):
            value = maps[i, j]
            if np.isnan(value):
                continue
            directed = abs(value) if side == 0 else side * value
            if directed >= floor[j]:
                count[j] += 1
            if not student:
                maps[i, j] = value / n
                continue
            # sums of squares do not change with signs
            rest = n * squares[j] - value * value
            if rest > 0.0:
                maps[i, j] = value * np.sqrt((n - 1) / rest)
            elif value != 0.0:
                maps[i, j] = np.inf if value > 0.0 else -np.inf


_finish_compiled: Any = compiled(_finish)


def finish(maps: FloatArray, squares: FloatArray, n: int, floor: FloatArray, side: int, *, student: bool) -> IntArray:
    """Turn sums over ``n`` signed subjects into t values or means, in place; return how many reach ``floor``, per cell.

    ``squares`` are the sums of the squares, which no flip changes.
    """
    count = np.zeros(maps.shape[1], dtype=np.int64)
    _finish_compiled(maps, squares, n, floor, side, student, count)
    return count
