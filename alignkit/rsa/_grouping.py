"""Which answers show the same three items, and which come from the same person."""

from __future__ import annotations

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray


def group_triplets(items: IntArray) -> tuple[IntArray, IntArray]:
    """Return the distinct item sets, each ascending, shape (m, 3), and the set's number of each row, shape (n,)."""
    n_sets, code = triplet_codes(items)
    example = np.empty(n_sets, dtype=np.int64)
    example[code] = np.arange(len(items))
    return np.sort(items[example], axis=1), code


def triplet_codes(items: IntArray) -> tuple[int, IntArray]:
    """Return how many distinct item sets there are and the set's number of each row, in ascending order."""
    a, b, c = np.ascontiguousarray(items.T)
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    middle = a + b + c - low - high
    n = int(high.max()) + 1
    if n > 1 << 21:  # n³ would not fit into 63 bits
        unique, code = np.unique(np.column_stack([low, middle, high]), axis=0, return_inverse=True)
        return len(unique), code.reshape(-1)
    unique, code = np.unique((low * n + middle) * n + high, return_inverse=True)
    return len(unique), code


def group_codes(values: AnyArray) -> tuple[int, IntArray]:
    """Return how many distinct values there are and the number of each one's."""
    unique, code = np.unique(values, return_inverse=True)
    return len(unique), code


def sum_groups(values: AnyArray, codes: IntArray, n_groups: int) -> FloatArray:
    """Return the sums of ``values``, shape (n,) or (n, k), within groups: shape (n_groups,) or (n_groups, k)."""
    if values.ndim == 1:
        return np.asarray(np.bincount(codes, weights=values, minlength=n_groups), dtype=np.float64)
    return np.column_stack([sum_groups(column, codes, n_groups) for column in values.T])
