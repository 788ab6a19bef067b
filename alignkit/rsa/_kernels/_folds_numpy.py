"""Cross-validated squared distances of a balanced design: one matrix after the other, in the cache, side by side.

With equally many rows of every item in each of K folds, all ways of pairing folds agree, and with S the sum of the
patterns over folds and F the patterns of all folds side by side, the mean products between folds are
``(S S' - F F') / (K (K - 1))``: two symmetric products.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from alignkit._threads import each, n_threads
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._arrays import Precision
from alignkit.rsa._condensed import upper_triangle
from alignkit.rsa._rescale import SAFE_EXPONENT

#: Items up to which the positions of all pairs are a table worth keeping.
_TABLE = 512
#: Multiplications of one matrix below which the interpreter's lock is what threads wait for.
_WORTH_A_THREAD = 1e6
#: Multiplications that take as long as threads take to start.
_WORTH_THREADS = 5e8
#: Columns of a root that are multiplied together: enough for a product to run at full speed.
_COLUMNS = 32


def squares_between_folds(x: AnyArray, root: AnyArray | None, *, dtype: Precision) -> tuple[AnyArray, FloatArray]:
    """Return cross-validated squared distances, condensed, and the size of what they were subtracted from.

    What all items of a fold share matters to no distance, and is taken out first: it would cost digits.

    Parameters
    ----------
    x : ndarray, shape (..., folds, items, channels)
        Finite.
    root : ndarray, shape (channels, rank) or (..., 1, channels, rank), or None
        What the patterns are multiplied by.
    dtype : {"float64", "float32"}
        Of the products and the result.

    Returns
    -------
    values : ndarray, shape (..., pairs)
    sizes : ndarray, shape (..., items)
        Mean over folds of the squared length of each pattern.
    """
    leading, (n_folds, n, n_channels) = x.shape[:-3], x.shape[-3:]
    rows = x.reshape(-1, n_folds, n, n_channels)
    roots = None if root is None else [(one, _spans(one)) for one in _one_for_each(root, leading)]
    values = np.empty((len(rows), n * (n - 1) // 2), dtype=dtype)
    sizes = np.empty((len(rows), n))
    condense = functools.partial(np.take, indices=_pairs(n)) if n <= _TABLE else upper_triangle

    def several(some: Sequence[int]) -> None:
        # memory that is taken anew for each matrix comes without its pages
        centred = np.empty((n, n_folds, n_channels), dtype=x.dtype)
        white = None if root is None else np.empty((n, n_folds, root.shape[-1]), np.result_type(x, root))
        for k in some:
            f = np.subtract(rows[k].swapaxes(0, 1), rows[k].mean(axis=1), out=centred)
            if roots is not None and white is not None:
                f = _times(f, *roots[k % len(roots)], out=white)
            values[k], sizes[k] = _between(f.astype(dtype, copy=False), condense)

    work = n * n_folds * n_channels * (n_channels + n)
    shared = work > _WORTH_A_THREAD and work * len(rows) > _WORTH_THREADS
    each(several, _shares(len(rows), n_threads() if shared else 1))
    return values.reshape(*leading, -1), sizes.reshape(*leading, n)


def _shares(n: int, n_shares: int) -> list[range]:
    """Return what each thread works on: as many of ``n`` matrices as any other, give or take one."""
    n_shares = max(1, min(n, n_shares))
    ends = [n * i // n_shares for i in range(n_shares + 1)]
    return [range(*part) for part in itertools.pairwise(ends)]


def _between(f: AnyArray, condense: Callable[[AnyArray], AnyArray]) -> tuple[AnyArray, FloatArray]:
    """Return what :func:`squares_between_folds` does, for one matrix of shape (items, folds, channels) as it is."""
    n, n_folds, _ = f.shape
    exponent = _exponent(f)
    if exponent:
        f = np.ldexp(f, -exponent)
    total, flat = f.sum(axis=1), f.reshape(n, -1)
    within = flat @ flat.T
    sizes = np.ldexp(within.diagonal() / n_folds, 2 * exponent, dtype=np.float64)
    products = total @ total.T
    products -= within
    products *= -2.0 / (n_folds * (n_folds - 1))
    own = products.diagonal() / -2.0
    products += own
    products += own[:, None]
    values = condense(products)
    return np.ldexp(values, 2 * exponent) if exponent else values, sizes


def _one_for_each(root: AnyArray, leading: tuple[int, ...]) -> AnyArray:
    """Return the roots of all matrices, or of the first as many as differ, shape (roots, channels, rank)."""
    if root.ndim == 2 or root.size == root.shape[-1] * root.shape[-2]:
        return root.reshape(1, *root.shape[-2:])
    return np.broadcast_to(root, (*leading, 1, *root.shape[-2:])).reshape(-1, *root.shape[-2:])


def _spans(root: AnyArray) -> list[tuple[slice, slice]]:
    """Return blocks of columns, each with the rows beyond which it is zero: those of a triangular root are few.

    BLAS has a product for triangular matrices, but scipy's holds the interpreter's lock meanwhile.
    """
    spans = []
    for columns in _shares(root.shape[1], root.shape[1] // _COLUMNS):
        block = slice(columns.start, columns.stop)
        rows = np.flatnonzero(root[:, block].any(axis=1))
        spans.append((block, slice(rows[0], rows[-1] + 1) if len(rows) else slice(0, 0)))
    return spans


def _times(x: AnyArray, root: AnyArray, spans: list[tuple[slice, slice]], *, out: AnyArray) -> AnyArray:
    """Return x times the root, both over channels."""
    flat, white = x.reshape(-1, x.shape[-1]), out.reshape(-1, out.shape[-1])
    for columns, rows in spans:
        np.matmul(flat[:, rows], root[rows, columns], out=white[:, columns])
    return out


def _exponent(x: AnyArray) -> int:
    """Return the power of two to take out of x, or 0 where squares and their sums stay within range."""
    largest = max(float(x.max()), -float(x.min()))
    exponent = int(np.frexp(largest)[1])
    return exponent if abs(exponent) > SAFE_EXPONENT[x.dtype.name] else 0


@functools.lru_cache(maxsize=4)
def _pairs(n: int) -> IntArray:
    rows, columns = np.triu_indices(n, k=1)
    return np.asarray(rows * n + columns, dtype=np.int64)
