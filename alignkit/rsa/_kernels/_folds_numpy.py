"""Cross-validated squared distances of a balanced design: one matrix after the other, in the cache, side by side.

With equally many rows of every item in each of K folds, all ways of pairing folds agree, and with S the sum of the
patterns over folds and F the patterns of all folds side by side, the mean products between folds are
``(S S' - F F') / (K (K - 1))``: two symmetric products.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._arrays import Precision
from alignkit.rsa._condensed import upper_triangle
from alignkit.rsa._rescale import SAFE_EXPONENT

#: Items up to which the positions of all pairs are a table worth keeping.
_TABLE = 512
#: Multiplications of one matrix below which threads wait longer for each other than they work.
_WORTH_A_THREAD = 1e8


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
    roots = None if root is None else _one_for_each(root, leading)
    values = np.empty((len(rows), n * (n - 1) // 2), dtype=dtype)
    sizes = np.empty((len(rows), n))
    condense = functools.partial(np.take, indices=_pairs(n)) if n <= _TABLE else upper_triangle
    if roots is not None:
        import scipy.linalg.blas  # noqa: F401  # its BLAS is known before threads are counted

    def at(k: int) -> None:
        f = np.empty((n, n_folds, n_channels), dtype=x.dtype)
        np.subtract(rows[k].swapaxes(0, 1), rows[k].mean(axis=1), out=f)
        if roots is not None:
            f = _times(f.reshape(-1, n_channels), roots[k % len(roots)]).reshape(n, n_folds, -1)
        f = f.astype(dtype, copy=False)
        exponent = _exponent(f)
        if exponent:
            np.ldexp(f, -exponent, out=f)
        total, flat = f.sum(axis=1), f.reshape(n, -1)
        within = flat @ flat.T
        sizes[k] = np.ldexp(within.diagonal() / n_folds, 2 * exponent, dtype=np.float64)
        products = total @ total.T
        products -= within
        products *= -2.0 / (n_folds * (n_folds - 1))
        own = products.diagonal() / -2.0
        products += own
        products += own[:, None]
        values[k] = condense(products)
        if exponent:
            np.ldexp(values[k], 2 * exponent, out=values[k])

    def several(some: Sequence[int]) -> None:
        for k in some:
            at(k)

    work = n * n_folds * n_channels * (n_channels + n)
    tasks = [[k] for k in range(len(rows))] if work > _WORTH_A_THREAD else [range(len(rows))]
    each(several, tasks)
    return values.reshape(*leading, -1), sizes.reshape(*leading, n)


def _one_for_each(root: AnyArray, leading: tuple[int, ...]) -> AnyArray:
    """Return the roots of all matrices, or of the first as many as differ; as LAPACK likes them."""
    if root.ndim == 2 or root.size == root.shape[-1] * root.shape[-2]:
        return root.reshape(1, *root.shape[-2:])
    return np.broadcast_to(root, (*leading, 1, *root.shape[-2:])).reshape(-1, *root.shape[-2:])


def _times(x: AnyArray, root: AnyArray) -> AnyArray:
    """Return x times the root; a triangular one, as Cholesky's are, takes half the work."""
    square = root.shape[0] == root.shape[1] and x.dtype == root.dtype
    lower = square and not root[np.triu_indices_from(root, 1)].any()
    if not lower and not (square and not root[np.tril_indices_from(root, -1)].any()):
        return x @ root
    from scipy.linalg import blas

    multiply: Any = blas.dtrmm if x.dtype == np.float64 else blas.strmm
    # transposed, rows of C are columns of Fortran
    return np.asarray(multiply(1.0, root.T, x.T, lower=not lower, overwrite_b=True)).T


def _exponent(x: AnyArray) -> int:
    """Return the power of two to take out of x, or 0 where squares and their sums stay within range."""
    largest = max(float(x.max()), -float(x.min()))
    exponent = int(np.frexp(largest)[1])
    return exponent if abs(exponent) > SAFE_EXPONENT[x.dtype.name] else 0


@functools.lru_cache(maxsize=4)
def _pairs(n: int) -> IntArray:
    rows, columns = np.triu_indices(n, k=1)
    return np.asarray(rows * n + columns, dtype=np.int64)
