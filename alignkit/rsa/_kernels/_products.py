"""Products of long rows: the same bits for any number of threads, and exact where the rows hold whole ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from alignkit._check import is_tensor
from alignkit._threads import each
from alignkit._typing import FloatArray
from alignkit.rsa._namespace import namespace, widen

#: Longest sum that is taken in one go, and columns that one thread sums by itself.
_LEAF, _SPAN = 2048, 1 << 16
#: Values of both sides that are widened together: arrays stay in the second-level cache, tensors keep a device busy.
_BLOCK = (1 << 18, 1 << 24)
#: More values have whole ranks whose squares may sum to more than 63 bits.
_NARROW = 3_024_616
#: Whole ranks are then cut into two digits.
_DIGIT = 1 << 16


def products(a: Any, b: Any) -> Any:
    """Return the products of every row of ``a`` with every row of ``b``, summed in float64 in halves of halves.

    One long sum over 1.7 million pairs would cost four digits.
    """
    n = a.shape[-1]
    spans = list(_halves(0, n, _SPAN))

    def one(span: tuple[int, int]) -> Any:
        start, stop = span
        leaves = _halves(start, stop, _LEAF)
        return _sum(stop - start, _LEAF, (widen(a[:, i:j]) @ widen(b[:, i:j]).T for i, j in leaves))

    parts = map(one, spans) if is_tensor(a) else iter(each(one, spans))
    return _sum(n, _SPAN, parts)


def _halves(start: int, stop: int, most: int) -> Iterator[tuple[int, int]]:
    if stop - start <= most:
        yield start, stop
    else:
        middle = start + (stop - start) // 2
        yield from _halves(start, middle, most)
        yield from _halves(middle, stop, most)


def _sum(n: int, most: int, parts: Iterator[Any]) -> Any:
    """Return the sum of parts, one for each of the halves of ``n``, along the same halves."""
    if n <= most:
        return next(parts)
    left = _sum(n // 2, most, parts)
    return left + _sum(n - n // 2, most, parts)


def whole_products(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Return the products of whole ranks: of all rows of ``a`` with all of ``b``, and of every row with itself.

    Sums are exact, and rounded once to float64. Within a block every sum stays below 2^53, where float64 holds all
    whole numbers; blocks are added up in 64-bit integers. More than some 3 million values are cut into two digits.
    For less than 2^31 values in a row.
    """
    n = a.shape[-1]
    n_digits = 1 if n <= _NARROW else 2
    length = min(_LEAF, (1 << 53) // max(1, n - 1) ** 2) if n_digits == 1 else _LEAF
    step = length * max(1, _BLOCK[is_tensor(a)] // (length * (len(a) + len(b))))

    def one(start: int) -> list[Any]:
        total: list[Any] = [0, 0, 0]
        buffers = [_buffer(rows, step) for rows in (a, b)]
        for i in range(start, min(n, start + span), step):
            x = _blocks(_widened(a[:, i : i + step], buffers[0]), length)
            y = x if a is b else _blocks(_widened(b[:, i : i + step], buffers[1]), length)
            for pair in zip(x, y, strict=True):
                parts = _parts(*(_digits(block, n_digits) for block in pair), same=a is b)
                total = [whole + part for whole, part in zip(total, parts, strict=True)]
        return total

    span = step * max(1, _SPAN // step)
    starts = range(0, n, span)
    totals = [one(start) for start in starts] if is_tensor(a) else each(one, starts)
    ab, aa, bb = (_rounded(sum(parts)) for parts in zip(*totals, strict=True))
    return ab, aa, bb


def _buffer(rows: Any, step: int) -> FloatArray | None:
    # memory that is given back after each block comes back without its pages
    return None if is_tensor(rows) else np.empty((len(rows), min(step, rows.shape[-1])))


def _widened(x: Any, buffer: FloatArray | None) -> Any:
    if buffer is None:
        return widen(x)
    wide = buffer[:, : x.shape[-1]]
    np.copyto(wide, x)
    return wide


def _blocks(x: Any, length: int) -> list[Any]:
    """Return the columns in blocks, shape (blocks, rows, length), and what is left over in one of its own."""
    rows, n = x.shape
    full = n - n % length
    blocks = [x[:, :full].reshape(rows, -1, length).swapaxes(0, 1)] if full else []
    return blocks + ([x[None, :, full:]] if full < n else [])


def _digits(x: Any, n_digits: int) -> list[Any]:
    if n_digits == 1:
        return [x]
    high = namespace(x).floor(x / _DIGIT)
    return [x - high * _DIGIT, high]


def _parts(x: list[Any], y: list[Any], *, same: bool) -> tuple[Any, Any, Any]:
    own = _by_power(x, x, _own)
    return _by_power(x, y, _crossed), own, own if same else _by_power(y, y, _own)


def _crossed(x: Any, y: Any) -> Any:
    return x @ y.swapaxes(-1, -2)


def _own(x: Any, y: Any) -> Any:
    return namespace(x).einsum("mik,mik->mi", x, y)


def _by_power(x: list[Any], y: list[Any], product: Callable[[Any, Any], Any]) -> Any:
    """Return summed products of digits as integers, one for each power of the base along a first axis."""
    powers = [product(x[0], y[0])]
    if len(x) == 2:
        powers += [product(x[0], y[1]) + product(x[1], y[0]), product(x[1], y[1])]
    stacked = namespace(x[0]).stack(powers)
    whole = stacked.long() if is_tensor(stacked) else stacked.astype(np.int64)
    return whole.sum(1)


def _rounded(powers: Any) -> Any:
    if len(powers) == 1:
        return widen(powers[0])
    host = powers.cpu().numpy() if is_tensor(powers) else powers
    # Python's whole numbers, of any length
    low, middle, high = host.astype(object)
    exact: FloatArray = (low + middle * _DIGIT + high * _DIGIT**2).astype(np.float64)
    return powers.new_tensor(exact, dtype=namespace(powers).float64) if is_tensor(powers) else exact
