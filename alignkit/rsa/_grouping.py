"""Which answers show the same three items, and which come from the same person."""

from __future__ import annotations

import numpy as np

from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray, IntArray

#: Rows handled at once: what they need stays in the second-level cache.
_BLOCK = 1 << 15


def group_triplets(items: IntArray) -> tuple[IntArray, IntArray]:
    """Return the distinct item sets, each ascending, shape (m, 3), and the set's number of each row, shape (n,)."""
    n_sets, code = triplet_codes(items)
    example = np.empty(n_sets, dtype=np.int64)
    example[code] = np.arange(len(items))
    return np.sort(items[example], axis=1), code


def triplet_codes(items: IntArray) -> tuple[int, IntArray]:
    """Return how many distinct item sets there are and the set's number of each row, in ascending order."""
    unique, code = np.unique(_set_numbers(items), return_inverse=True)
    return len(unique), code


def count_triplets(items: IntArray) -> int:
    """Return how many distinct item sets there are; unlike :func:`triplet_codes` it need not keep track of the rows."""
    numbers = np.sort(_set_numbers(items))
    return 1 + int(np.count_nonzero(numbers[1:] != numbers[:-1]))


def _set_numbers(items: IntArray) -> IntArray:
    """Return one number per row, the same for the same three items, in the order of the sorted items."""
    n = int(items.max()) + 1
    if n > 1 << 21:  # n³ would not fit into 63 bits
        _, numbers = np.unique(np.sort(items, axis=1), axis=0, return_inverse=True)
        return numbers.reshape(-1)
    numbers = np.empty(len(items), dtype=np.int64)

    def number(start: int) -> None:
        a, b, c = np.ascontiguousarray(items[start : start + _BLOCK].T)
        low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        middle = a + b + c - low - high
        numbers[start : start + _BLOCK] = (low * n + middle) * n + high

    each(number, range(0, len(items), _BLOCK))
    return numbers


def group_codes(values: AnyArray) -> tuple[int, IntArray]:
    """Return how many distinct values there are and the number of each one's."""
    unique, code = np.unique(values, return_inverse=True)
    return len(unique), code


def sum_groups(values: AnyArray, codes: IntArray, n_groups: int) -> FloatArray:
    """Return the sums of ``values``, shape (n,) or (n, k), within groups: shape (n_groups,) or (n_groups, k)."""
    if values.ndim == 1:
        return np.asarray(np.bincount(codes, weights=values, minlength=n_groups), dtype=np.float64)
    return np.column_stack([sum_groups(column, codes, n_groups) for column in values.T])
