"""Distances from products of rows, condensed, without a square matrix in between.

Products are computed in tiles that stay in the cache: some rows with all rows after the first of them. What lies above
the diagonal is copied row by row to its place among the condensed pairs. The same bits for any number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from alignkit._threads import each
from alignkit._typing import AnyArray, BoolArray, FloatArray
from alignkit.rsa._arrays import Precision
from alignkit.rsa._rescale import SAFE_EXPONENT

#: Elements of one tile of products; bytes of rows that are prepared together.
_TILE = 1 << 18
_BLOCK_BYTES = 1 << 20
#: Squared distances below this part of the squared norms are computed again from the difference.
_CLOSE = {"float64": 1e-3, "float32": 1e-2}

#: Turns a tile, the products of rows i, i + 1 ... of matrix k with rows i + 1, i + 2 ..., into what is asked for.
Finish = Callable[[AnyArray, int, int], None]


def angular(x: AnyArray, *, centred: bool, dtype: Precision) -> tuple[AnyArray, BoolArray]:
    """Return one minus the cosine of all pairs of rows, after taking out every row's mean if ``centred``.

    Parameters
    ----------
    x : ndarray, shape (..., n, p)
        Finite.
    centred : bool
    dtype : {"float64", "float32"}
        Of the products and the result; rows are prepared in float64.

    Returns
    -------
    values : ndarray, shape (..., n * (n - 1) / 2)
        Between 0 and 2.
    undefined : ndarray of bool, shape (..., n)
        Rows without a direction: constant ones, or all-zero ones unless ``centred``. Their values mean nothing.
    """
    unit, undefined = unit_rows(x, centred=centred, dtype=dtype)

    def finish(tile: AnyArray, _k: int, _i: int) -> None:
        np.subtract(1.0, tile, out=tile)
        # rounding alone can leave [0, 2]
        np.maximum(tile, 0.0, out=tile)
        np.minimum(tile, 2.0, out=tile)

    return condensed_products(unit, finish), undefined


def unit_rows(x: AnyArray, *, centred: bool, dtype: Precision) -> tuple[AnyArray, BoolArray]:
    """Return rows of unit length, centred if so asked, and which of them had no length; see :func:`angular`."""
    rows = x.reshape(-1, x.shape[-1])
    unit, undefined = np.empty(rows.shape, dtype=dtype), np.empty(len(rows), dtype=bool)

    def prepare(start: int) -> None:
        stop = start + step
        part = rows[start:stop].astype(np.float64)
        low, high = part.min(axis=1), part.max(axis=1)
        # exactly: rounding in a mean must not decide this
        empty = low == high if centred else (low == 0) & (high == 0)
        _to_safe_range(part, np.maximum(-low, high))
        if centred:
            # the second time removes the rounding of the first mean, all there is of a row constant but for that
            part -= part.mean(axis=1, keepdims=True)
            part -= part.mean(axis=1, keepdims=True)
        part[empty] = 0.0
        norms = np.sqrt(np.einsum("ik,ik->i", part, part))
        norms[empty] = 1.0
        undefined[start:stop] = empty
        np.divide(part, norms[:, None], out=unit[start:stop], casting="same_kind")

    step = max(1, _BLOCK_BYTES // (8 * rows.shape[1]))
    each(prepare, range(0, len(rows), step))
    return unit.reshape(x.shape), undefined.reshape(x.shape[:-1])


def _to_safe_range(rows: FloatArray, largest: FloatArray) -> None:
    # a power of two is exact: nothing but the range of the squares changes
    exponent = np.frexp(largest)[1]
    far = np.abs(exponent) > SAFE_EXPONENT["float64"]
    if far.any():
        rows[far] = np.ldexp(rows[far], -exponent[far, None])


def squares(x: AnyArray, *, dtype: Precision) -> AnyArray:
    """Return the squared distances of all pairs of rows.

    Parameters
    ----------
    x : ndarray, shape (..., n, p)
        Finite, with squares within range.
    dtype : {"float64", "float32"}
        Of the products and the result.

    Returns
    -------
    ndarray, shape (..., n * (n - 1) / 2)
        Not negative; exactly 0 for equal rows.
    """
    # Distances do not change when columns are centred, but the products then lose far fewer digits.
    rows = (x - x.mean(axis=-2, keepdims=True, dtype=np.float64)).astype(dtype, copy=False)
    norms = np.einsum("...ik,...ik->...i", rows, rows).reshape(-1, rows.shape[-2])
    given = x.reshape(-1, *x.shape[-2:])
    close = _CLOSE[dtype]

    def finish(tile: AnyArray, k: int, i: int) -> None:
        scale = norms[k, i : i + len(tile), None] + norms[k, None, i + 1 :]
        tile *= -2.0
        tile += scale
        # Close rows lose their digits in that difference: take it from the rows as they came.
        scale *= close
        first, second = np.nonzero(tile < scale)
        for some in np.array_split(np.arange(first.size), -(-first.size * given.shape[-1] // _TILE) or 1):
            here = first[some], second[some]
            difference = given[k, i + here[0]].astype(np.float64) - given[k, i + 1 + here[1]]
            tile[here] = np.einsum("ik,ik->i", difference, difference)

    return condensed_products(rows, finish)


def condensed_products(x: AnyArray, finish: Finish) -> AnyArray:
    """Return what ``finish`` makes of the products of all pairs of rows, shape (..., n * (n - 1) / 2).

    Parameters
    ----------
    x : ndarray, shape (..., n, p)
        float64 or float32, in which the products are computed.
    finish : callable
        See ``Finish``.
    """
    n = x.shape[-2]
    out = np.empty((*x.shape[:-2], n * (n - 1) // 2), dtype=x.dtype)
    flat_x, flat_out = x.reshape(-1, n, x.shape[-1]), out.reshape(-1, out.shape[-1])
    scratch = threading.local()

    def fill(task: tuple[int, int, int]) -> None:
        k, start, stop = task
        if not hasattr(scratch, "tile"):
            scratch.tile = np.empty(max(_TILE, n), dtype=x.dtype)
        rows, columns = flat_x[k, start:stop], flat_x[k, start + 1 :]
        tile = scratch.tile[: len(rows) * len(columns)].reshape(len(rows), len(columns))
        np.matmul(rows, columns.T, out=tile)
        finish(tile, k, start)
        for i in range(start, stop):
            first = i * (2 * n - i - 1) // 2
            flat_out[k, first : first + n - i - 1] = tile[i - start, i - start :]

    tasks = [(k, start, stop) for k in range(len(flat_x)) for start, stop in _tiles(n)]
    each(fill, tasks)
    return out


def _tiles(n: int) -> list[tuple[int, int]]:
    tiles, start = [], 0
    while start < n - 1:
        stop = min(n - 1, start + max(1, _TILE // (n - start)))
        tiles.append((start, stop))
        start = stop
    return tiles
