"""Sums and counts over one tile of each of two RDMs, in plain numpy: the oracle of the compiled ones.

``a`` and ``b``, shape (rows, columns), are the bits of float32 (uint32). With ``diagonal`` only the pairs above the
diagonal count. A pair that is NaN in either does not count.
"""

from __future__ import annotations

import numpy as np

from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray

_SIGN = np.uint32(1 << 31)
_MAGNITUDE = np.uint32((1 << 31) - 1)
_INFINITY = np.uint32(0x7F80_0000)
_LOW, _HALF = (1 << 20) - 1, (1 << 32) - 1
#: Cubes of counts up to here add up in 64 bits.
_SMALL = 1 << 20


def _pairs(a: AnyArray, diagonal: bool) -> AnyArray:
    return a[np.triu_indices(len(a), k=1)] if diagonal else a.ravel()


def _missing(bits: AnyArray) -> BoolArray:
    return np.asarray((bits & _MAGNITUDE) > _INFINITY)


def keys(bits: AnyArray) -> AnyArray:
    """Return whole numbers in the order of the floats with these bits; one for both zeros."""
    bits = np.where(bits == _SIGN, np.uint32(0), bits)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def moments(a: AnyArray, b: AnyArray, diagonal: bool, shift_a: float, shift_b: float) -> FloatArray:
    """Return the sums of a, b, a², b² and ab less their shifts, and the smallest and largest a and b."""
    x, y = _pairs(a, diagonal), _pairs(b, diagonal)
    valid = ~_missing(x) & ~_missing(y)
    if not valid.any():
        return np.array([0.0, 0.0, 0.0, 0.0, 0.0, np.inf, -np.inf, np.inf, -np.inf])
    u, v = (one[valid].view(np.float32).astype(np.float64) for one in (x, y))
    ends = [u.min(), u.max(), v.min(), v.max()]
    u, v = u - shift_a, v - shift_b
    return np.array([u.sum(), v.sum(), u @ u, v @ v, u @ v, *ends])


def valid_counts(a: AnyArray, b: AnyArray, diagonal: bool) -> IntArray:
    """Return how many pairs are missing in a, in b, and in neither."""
    x, y = _missing(_pairs(a, diagonal)), _missing(_pairs(b, diagonal))
    return np.array([x.sum(), y.sum(), (~x & ~y).sum()])


def item_sums(a: AnyArray, diagonal: bool, shift: float) -> tuple[FloatArray, FloatArray]:
    """Return the sums of every row and of every column less a shift each; NaN where anything is."""
    values = a.view(np.float32).astype(np.float64) - shift
    if diagonal:
        values = np.triu(values, k=1)
    return values.sum(axis=1), values.sum(axis=0)


def coarse_counts(a: AnyArray, b: AnyArray, diagonal: bool, counts_a: IntArray, counts_b: IntArray) -> IntArray:
    """Count the upper halves of the keys; return how many pairs are missing in a, in b, and in neither."""
    x, y = _pairs(a, diagonal), _pairs(b, diagonal)
    valid = ~_missing(x) & ~_missing(y)
    for bits, counts in ((x, counts_a), (y, counts_b)):
        counts += np.bincount(keys(bits[valid]) >> np.uint32(16), minlength=counts.size)
    return np.array([_missing(x).sum(), _missing(y).sum(), valid.sum()])


def fine_counts(a: AnyArray, b: AnyArray, diagonal: bool, slots: AnyArray, table: AnyArray) -> None:
    """Count the keys of a whose upper half has a slot, each slot 65,536 entries of the table."""
    x, y = _pairs(a, diagonal), _pairs(b, diagonal)
    found = keys(x[~_missing(x) & ~_missing(y)])
    np.add.at(table, _entries(found, slots), 1)


def _entries(found: AnyArray, slots: AnyArray) -> IntArray:
    entries = _places(found, slots)
    return entries[entries >= 0]


def _places(found: AnyArray, slots: AnyArray) -> IntArray:
    slot = slots[found >> np.uint32(16)].astype(np.int64)
    return np.asarray(np.where(slot < 0, -1, (slot << 16) | (found & np.uint32(0xFFFF))))


def rank_table(table: AnyArray, ranks: AnyArray, below: IntArray, n: int) -> tuple[int, int, IntArray]:
    """Turn counts into ranks less their mean, doubled; ``ranks`` may share the memory of ``table``.

    ``below`` says for every slot how many of all ``n`` keys come before it. Returned are the sum of t³ - t over runs of
    up to 2^20 equal keys, in two parts of 32 bits, and the lengths of the longer runs.
    """
    counts = table.reshape(len(below), -1).astype(np.int64)
    ends = below[:, None] + np.cumsum(counts, axis=1)
    ranks.reshape(counts.shape)[:] = 2 * ends - counts - n
    tied = counts[(counts > 1) & (counts <= _SMALL)]
    cubes = tied**3 - tied
    return int((cubes & _HALF).sum()), int((cubes >> 32).sum()), counts[counts > _SMALL]


def crossed(
    a: AnyArray,
    b: AnyArray,
    diagonal: bool,
    slots_a: AnyArray,
    ranks_a: AnyArray,
    slots_b: AnyArray,
    ranks_b: AnyArray,
) -> IntArray:
    """Return the sum of products of ranks of the pairs that have a slot on both sides, in four parts.

    They weigh 1, 2^32, 2^20 and 2^52: no sum over a tile overflows.
    """
    x, y = _pairs(a, diagonal), _pairs(b, diagonal)
    valid = ~_missing(x) & ~_missing(y)
    u, v = _places(keys(x[valid]), slots_a), _places(keys(y[valid]), slots_b)
    both = (u >= 0) & (v >= 0)
    p, q = ranks_a[u[both]].astype(np.int64), ranks_b[v[both]].astype(np.int64)
    low, high = (p & _LOW) * q, (p >> 20) * q
    return np.array([(low & _HALF).sum(), (low >> 32).sum(), (high & _HALF).sum(), (high >> 32).sum()])
