"""The same as ``_kernels_numpy``, compiled: whole numbers equal, sums of floats but for their last digits."""

from __future__ import annotations

from functools import partial

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._kernels._numba import compiled

_SIGN = np.uint32(1 << 31)
_MAGNITUDE = np.uint32((1 << 31) - 1)
_INFINITY = np.uint32(0x7F80_0000)
_ZERO, _SIXTEEN, _LOWER = np.uint32(0), np.uint32(16), np.uint32(0xFFFF)
_LOW, _HALF = (1 << 20) - 1, (1 << 32) - 1
_SMALL = 1 << 20


def moments(a: AnyArray, b: AnyArray, diagonal: bool, shift_a: float, shift_b: float) -> FloatArray:
    """Return the sums of a, b, a², b² and ab less their shifts, and the smallest and largest a and b."""
    found: FloatArray = _moments(a, b, a.view(np.float32), b.view(np.float32), diagonal, shift_a, shift_b)
    return found


def valid_counts(a: AnyArray, b: AnyArray, diagonal: bool) -> IntArray:
    """Return how many pairs are missing in a, in b, and in neither."""
    found: IntArray = _valid_counts(a, b, diagonal)
    return found


def item_sums(a: AnyArray, diagonal: bool, shift: float) -> tuple[FloatArray, FloatArray]:
    """Return the sums of every row and of every column less a shift each; NaN where anything is."""
    rows, columns = np.zeros(a.shape[0]), np.zeros(a.shape[1])
    _item_sums(a.view(np.float32), diagonal, shift, rows, columns)
    return rows, columns


def coarse_counts(a: AnyArray, b: AnyArray, diagonal: bool, counts_a: IntArray, counts_b: IntArray) -> IntArray:
    """Count the upper halves of the keys; return how many pairs are missing in a, in b, and in neither."""
    found: IntArray = _coarse_counts(a, b, diagonal, counts_a, counts_b)
    return found


def fine_counts(a: AnyArray, b: AnyArray, diagonal: bool, slots: AnyArray, table: AnyArray) -> None:
    """Count the keys of a whose upper half has a slot, each slot 65,536 entries of the table."""
    _fine_counts(a, b, diagonal, slots, table)


def rank_table(table: AnyArray, ranks: AnyArray, below: IntArray, n: int) -> tuple[int, int, IntArray]:
    """Turn counts into ranks less their mean, doubled; ``ranks`` may share the memory of ``table``.

    ``below`` says for every slot how many of all ``n`` keys come before it. Returned are the sum of t³ - t over runs of
    up to 2^20 equal keys, in two parts of 32 bits, and the lengths of the longer runs.
    """
    # longer runs are too rare to be worth a second pass
    long = table[table > _SMALL].astype(np.int64) if n > _SMALL else np.zeros(0, dtype=np.int64)
    low, high = _rank_table(table, ranks, below, n)
    return low, high, long


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
    found: IntArray = _crossed(a, b, diagonal, slots_a, ranks_a, slots_b, ranks_b)
    return found


@partial(compiled, reorder=True)
def _moments(bits_a, bits_b, a, b, diagonal, shift_a, shift_b):  # type: ignore[no-untyped-def]
    # row by row, so that no long sum loses digits
    total = np.zeros(9)
    total[5], total[6], total[7], total[8] = np.inf, -np.inf, np.inf, -np.inf
    for i in range(a.shape[0]):
        first = i + 1 if diagonal else 0
        sa = sb = saa = sbb = sab = 0.0
        low_a, low_b, high_a, high_b = np.float32(np.inf), np.float32(np.inf), np.float32(-np.inf), np.float32(-np.inf)
        for j in range(first, a.shape[1]):
            valid = (bits_a[i, j] & _MAGNITUDE) <= _INFINITY and (bits_b[i, j] & _MAGNITUDE) <= _INFINITY
            x, y = a[i, j], b[i, j]
            low_a = x if valid and x < low_a else low_a
            high_a = x if valid and x > high_a else high_a
            low_b = y if valid and y < low_b else low_b
            high_b = y if valid and y > high_b else high_b
            u = x - shift_a if valid else 0.0
            v = y - shift_b if valid else 0.0
            sa += u
            sb += v
            saa += u * u
            sbb += v * v
            sab += u * v
        total[0] += sa
        total[1] += sb
        total[2] += saa
        total[3] += sbb
        total[4] += sab
        total[5], total[6] = min(total[5], low_a), max(total[6], high_a)
        total[7], total[8] = min(total[7], low_b), max(total[8], high_b)
    return total


@partial(compiled, reorder=True)
def _item_sums(a, diagonal, shift, rows, columns):  # type: ignore[no-untyped-def]
    for i in range(a.shape[0]):
        own = 0.0
        for j in range(i + 1 if diagonal else 0, a.shape[1]):
            value = a[i, j] - shift
            own += value
            columns[j] += value
        rows[i] += own


@partial(compiled, reorder=True)
def _valid_counts(a, b, diagonal):  # type: ignore[no-untyped-def]
    missing_a, missing_b, valid = 0, 0, 0
    for i in range(a.shape[0]):
        for j in range(i + 1 if diagonal else 0, a.shape[1]):
            no_a, no_b = (a[i, j] & _MAGNITUDE) > _INFINITY, (b[i, j] & _MAGNITUDE) > _INFINITY
            missing_a += no_a
            missing_b += no_b
            valid += not (no_a or no_b)
    return np.array([missing_a, missing_b, valid])


@compiled
def _key(bits):  # type: ignore[no-untyped-def]
    bits = _ZERO if bits == _SIGN else bits
    return ~bits if bits & _SIGN else bits | _SIGN


@compiled
def _coarse_counts(a, b, diagonal, counts_a, counts_b):  # type: ignore[no-untyped-def]
    missing_a, missing_b, valid = 0, 0, 0
    for i in range(a.shape[0]):
        for j in range(i + 1 if diagonal else 0, a.shape[1]):
            x, y = a[i, j], b[i, j]
            no_a, no_b = (x & _MAGNITUDE) > _INFINITY, (y & _MAGNITUDE) > _INFINITY
            missing_a += no_a
            missing_b += no_b
            if not (no_a or no_b):
                valid += 1
                counts_a[_key(x) >> _SIXTEEN] += 1
                counts_b[_key(y) >> _SIXTEEN] += 1
    return np.array([missing_a, missing_b, valid])


@compiled
def _fine_counts(a, b, diagonal, slots, table):  # type: ignore[no-untyped-def]
    for i in range(a.shape[0]):
        for j in range(i + 1 if diagonal else 0, a.shape[1]):
            x, y = a[i, j], b[i, j]
            if (x & _MAGNITUDE) <= _INFINITY and (y & _MAGNITUDE) <= _INFINITY:
                key = _key(x)
                slot = slots[key >> _SIXTEEN]
                if slot >= 0:
                    table[(np.int64(slot) << 16) | np.int64(key & _LOWER)] += 1


@compiled
def _rank_table(table, ranks, below, n):  # type: ignore[no-untyped-def]
    low, high = np.int64(0), np.int64(0)
    size = 1 << 16
    for slot in range(below.size):
        seen = below[slot]
        for entry in range(slot * size, (slot + 1) * size):
            count = np.int64(table[entry])
            ranks[entry] = 2 * seen + count - n
            seen += count
            if 1 < count <= _SMALL:
                cube = count * count * count - count
                low += cube & _HALF
                high += cube >> 32
    return low, high


@compiled
def _crossed(a, b, diagonal, slots_a, ranks_a, slots_b, ranks_b):  # type: ignore[no-untyped-def]
    sums = np.zeros(4, dtype=np.int64)
    for i in range(a.shape[0]):
        for j in range(i + 1 if diagonal else 0, a.shape[1]):
            x, y = a[i, j], b[i, j]
            if (x & _MAGNITUDE) <= _INFINITY and (y & _MAGNITUDE) <= _INFINITY:
                key_a, key_b = _key(x), _key(y)
                slot_a, slot_b = slots_a[key_a >> _SIXTEEN], slots_b[key_b >> _SIXTEEN]
                if slot_a >= 0 and slot_b >= 0:
                    p = np.int64(ranks_a[(np.int64(slot_a) << 16) | np.int64(key_a & _LOWER)])
                    q = np.int64(ranks_b[(np.int64(slot_b) << 16) | np.int64(key_b & _LOWER)])
                    first, second = (p & _LOW) * q, (p >> 20) * q
                    sums[0] += first & _HALF
                    sums[1] += first >> 32
                    sums[2] += second & _HALF
                    sums[3] += second >> 32
    return sums
