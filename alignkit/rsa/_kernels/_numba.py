"""Compiled kernels, equal to those in ``_numpy`` on every input; compiled on first use and cached."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numba import njit

from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._kernels import _numpy
from alignkit.rsa._kernels._numpy import dense_dtype, whole_dtype

#: Values that are ranked together; fewer are not worth a thread.
_BLOCK = 1 << 17
#: Longest run of close values that is put in order one by one.
_SHORT = 32
_SIGN = np.uint64(1 << 63)
_ZERO, _ONE = np.uint64(0), np.uint64(1)


def compiled(function: Callable[..., Any], *, reorder: bool = False) -> Callable[..., Any]:
    """Return ``function`` compiled, and kept on disk where that works: no disk is needed to count ranks.

    ``reorder`` lets the terms of a sum be added in another order, several at a time.
    """
    kernel: Any = njit(function, nogil=True, fastmath={"reassoc", "nsz"} if reorder else False)
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


def midranks(values: AnyArray) -> FloatArray:
    """Return average-tie ranks from 1 of every row of ``values``, shape (rows, n)."""
    return _ranked(values, np.dtype(np.float64), _numpy.midranks, (0.5, 0.5, 0.0))


def whole_ranks(values: AnyArray) -> AnyArray:
    """Return ranks less their mean, doubled: whole numbers that sum to zero; float32 where that holds them all."""
    n = values.shape[-1]
    return _ranked(values, whole_dtype(n), _numpy.whole_ranks, (1.0, -float(n), 0.0))


def dense_ranks(values: AnyArray) -> IntArray:
    """Return, for every value, how many different smaller ones its row holds."""
    return _ranked(values, dense_dtype(values.shape[-1]), _numpy.dense_ranks, (0.0, 0.0, 1.0))


def _ranked(
    values: AnyArray, dtype: np.dtype[Any], plain: Callable[[AnyArray], AnyArray], form: tuple[float, float, float]
) -> AnyArray:
    """Sort every row by its values packed with their positions, 64 bits in all, and write what ``form`` asks for.

    numpy sorts plain integers with vector instructions, three to four times as fast as it finds the order of floats.
    The run of equal values at [start, end) of the order, the k-th one, gets ``form`` times (start + end, 1, k).
    """
    if values.dtype.kind == "u" and values.itemsize <= 2:
        return _counted(values, dtype, form)
    n = values.shape[-1]
    out = np.empty(values.shape, dtype=dtype)
    index_bits = np.uint64(max(1, (n - 1).bit_length()))
    step = max(1, _BLOCK // n)
    scratch = threading.local()

    def rank_rows(start: int) -> None:
        part = values[start : start + step]
        if not hasattr(scratch, "keys"):
            scratch.packed = np.empty((step, n), dtype=np.uint64)
            scratch.keys = np.empty_like(scratch.packed) if part.itemsize == 8 else scratch.packed
        packed, keys = scratch.packed[: len(part)], scratch.keys[: len(part)]
        np.copyto(keys, part.view(f"u{part.itemsize}"))
        close = np.zeros(len(part), dtype=np.bool_)
        if part.itemsize == 8:
            _pack_double(keys, packed, index_bits, close)
        else:
            _pack_single(packed, index_bits)
        packed.sort(axis=-1)
        _assign(packed, keys, index_bits, close, form, out[start : start + step])
        for row in start + np.flatnonzero(close):
            out[row] = plain(values[row : row + 1])[0]

    starts = range(0, len(values), step)
    if values.size <= _BLOCK:
        for start in starts:
            rank_rows(start)
    else:
        each(rank_rows, starts)
    return out


def _counted(values: AnyArray, dtype: np.dtype[Any], form: tuple[float, float, float]) -> AnyArray:
    """Do the same for small whole numbers by counting them, a tenth of the time that a sort takes."""
    out = np.empty(values.shape, dtype=dtype)
    levels = 1 << 8 * values.itemsize

    def rank_row(row: int) -> None:
        _count(values[row], np.zeros(levels, dtype=np.int64), np.empty(levels, dtype=dtype), form, out[row])

    if values.size <= _BLOCK:
        for row in range(len(values)):
            rank_row(row)
    else:
        each(rank_row, range(len(values)))
    return out


@compiled
def _count(values, counts, ranks, form, out):  # type: ignore[no-untyped-def]
    for value in values:
        counts[value] += 1
    start, k = 0, 0
    for level in range(counts.size):
        if counts[level]:
            end = start + counts[level]
            ranks[level] = form[0] * (start + end) + form[1] + form[2] * k
            start, k = end, k + 1
    for i in range(values.size):
        out[i] = ranks[values[i]]


@compiled
def _pack_single(packed, index_bits):  # type: ignore[no-untyped-def]
    # in: the bits of float32; out: whole numbers of the same order, shifted to make room for the position
    sign, last = np.uint64(1 << 31), np.uint64(31)
    for row in range(packed.shape[0]):
        for i in range(packed.shape[1]):
            u = packed[row, i]
            u = _ZERO if u == sign else u  # -0 equals 0
            u ^= (sign | (_ZERO - (u >> last))) & np.uint64(0xFFFFFFFF)
            packed[row, i] = (u << index_bits) | np.uint64(i)


@compiled
def _pack_double(keys, packed, index_bits, close):  # type: ignore[no-untyped-def]
    # as above, but only the highest bits in which the values of a row differ have room beside the position;
    # ``close`` marks the rows where bits that differ had to be left out
    for row in range(keys.shape[0]):
        low, high, differing = ~_ZERO, _ZERO, _ZERO
        first = keys[row, 0]
        for i in range(keys.shape[1]):
            u = keys[row, i]
            differing |= u ^ first
            u = _ZERO if u == _SIGN else u
            u ^= _SIGN | (_ZERO - (u >> np.uint64(63)))
            keys[row, i] = u
            low, high = min(low, u), max(high, u)
        shift, span = _ZERO, (high - low) >> (np.uint64(64) - index_bits)
        while span != _ZERO:
            span >>= _ONE
            shift += _ONE
        close[row] = differing & ((_ONE << shift) - _ONE) != _ZERO
        for i in range(keys.shape[1]):
            packed[row, i] = (((keys[row, i] - low) >> shift) << index_bits) | np.uint64(i)


@compiled
def _assign(packed, keys, index_bits, close, form, out):  # type: ignore[no-untyped-def]
    # on return ``close`` marks the rows that hold too many close values to be ranked here
    n = packed.shape[1]
    mask = (_ONE << index_bits) - _ONE
    for row in range(packed.shape[0]):
        order, settled = packed[row], True
        start, count = 0, 0
        while start < n:
            key, end = order[start] >> index_bits, start + 1
            while end < n and order[end] >> index_bits == key:
                end += 1
            if close[row] and end > start + 1:
                end = _settle(order, keys[row], mask, start, end)
                if end < 0:
                    settled = False
                    break
            value = form[0] * (start + end) + form[1] + form[2] * count
            for k in range(start, end):
                out[row, np.int64(order[k] & mask)] = value
            start, count = end, count + 1
        close[row] = not settled


@compiled
def _settle(order, keys, mask, start, end):  # type: ignore[no-untyped-def]
    # puts values that differ in the bits left out in order; returns where the run of the smallest ends, -1: too long
    first, k = keys[order[start] & mask], start + 1
    while k < end and keys[order[k] & mask] == first:
        k += 1
    if k == end:
        return end
    if end - start > _SHORT:
        return -1
    for i in range(start + 1, end):
        entry = order[i]
        key, j = keys[entry & mask], i
        while j > start and keys[order[j - 1] & mask] > key:
            order[j] = order[j - 1]
            j -= 1
        order[j] = entry
    first, k = keys[order[start] & mask], start + 1
    while k < end and keys[order[k] & mask] == first:
        k += 1
    return k


def kendall_balance(x: IntArray, y: IntArray) -> IntArray:
    """Return concordant minus discordant pairs of every row of ``x`` with every row of ``y``, both dense ranks.

    Knight's count (1966, doi:10.1080/01621459.1966.10480879): order by one side and count the inversions of the other.
    They are counted where the binary digits of the ranks first differ, digit by digit. O(n log n) per pair of rows.
    """
    balance = np.empty((len(x), len(y)), dtype=np.int64)
    below_x, below_y = ([_below(row) for row in rows] for rows in (x, y))
    scratch = threading.local()

    def count(pair: int) -> None:
        if not hasattr(scratch, "buffers"):
            scratch.buffers = np.empty((2, x.shape[1]), dtype=x.dtype)
        i, j = divmod(pair, len(y))
        sides = (x[i], below_x[i]), (y[j], below_y[j])
        # inversions are counted on the side with fewer different values: a digit less each time their number halves
        (u, below_u), (v, below_v) = sorted(sides, key=lambda side: -len(side[1]))
        balance[i, j] = _balance(u, v, below_u, below_v, *scratch.buffers)

    pairs = range(balance.size)
    if balance.size * x.shape[1] <= _BLOCK:
        for pair in pairs:
            count(pair)
    else:
        each(count, pairs)
    return balance


def _below(row: IntArray) -> IntArray:
    """Return how many values of a row have a smaller dense rank, for every rank and one more."""
    return np.append(0, np.cumsum(np.bincount(row))).astype(row.dtype)


@compiled
def _balance(x, y, below_x, below_y, sequence, buffer):  # type: ignore[no-untyped-def]
    n = x.size
    tied_x, tied_y, tied_both = _tied_pairs(below_x), _tied_pairs(below_y), 0
    if below_x.size == n + 1:
        for i in range(n):
            sequence[x[i]] = y[i]
    else:
        # stable by y, then by x: within ties of x, y ascends and holds no inversion
        free = below_y.copy()
        for i in range(n):
            buffer[free[y[i]]] = i
            free[y[i]] += 1
        free = below_x.copy()
        for i in buffer:
            sequence[free[x[i]]] = y[i]
            free[x[i]] += 1
        tied_both = _tied_within(sequence, below_x)
    return n * (n - 1) // 2 - tied_x - tied_y + tied_both - 2 * _inversions(sequence, buffer, below_y)


@compiled
def _tied_pairs(below):  # type: ignore[no-untyped-def]
    total = 0
    for k in range(1, below.size):
        count = below[k] - below[k - 1]
        total += count * (count - 1) // 2
    return total


@compiled
def _tied_within(sequence, below):  # type: ignore[no-untyped-def]
    total = 0
    for k in range(1, below.size):
        run = 0
        for i in range(below[k - 1] + 1, below[k]):
            run = run + 1 if sequence[i] == sequence[i - 1] else 0
            total += run
    return total


@compiled
def _inversions(source, target, below):  # type: ignore[no-untyped-def]
    # Ranks that agree in all higher digits lie together, in their first order. Of two of them that stand in the wrong
    # order the digit is 1, then 0: every 0 counts the 1 before it. Then both halves go to their places, and so on.
    n_ranks, total = below.size - 1, 0
    digit = 0
    while n_ranks - 1 >> digit:
        digit += 1
    while digit:
        digit -= 1
        for rank in range(0, n_ranks, 2 << digit):
            start, end = below[rank], below[min(rank + (2 << digit), n_ranks)]
            middle = below[min(rank + (1 << digit), n_ranks)]
            ones = 0
            for i in range(start, end):
                value = source[i]
                one = (value >> digit) & 1
                total += ones & (one - 1)
                target[middle + ones if one else i - ones] = value
                ones += one
        source, target = target, source
    return total


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
    _load_triangles(triangles, entry, offsets, first, last, block, sums, squares)


@partial(compiled, reorder=True)
def _load_triangles(triangles, entry, offsets, first, last, block, sums, squares):  # type: ignore[no-untyped-def]
    # whole arrays and where to begin: of parts of them it could not be told that values lie side by side
    n = sums.shape[1]
    for k in range(triangles.shape[0]):
        start, offset, square = 0, offsets[k], 0.0
        for i in range(first, last):
            length = n - 1 - i
            source = triangles[k, entry + start : entry + start + length]
            put = block[k, start : start + length]
            others, own = sums[k, i + 1 :], 0.0
            for j in range(length):
                value = source[j] - offset
                put[j] = value
                others[j] += value
                own += value
                square += value * value
            sums[k, i] += own
            start += length
        squares[k] += square
