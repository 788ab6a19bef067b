"""Average-tie ranks, in 64 bits."""

from __future__ import annotations

import numpy as np

from alignkit._check import as_float_array
from alignkit._typing import FloatArray
from alignkit.rsa._dispatch import Backend, kernels


def rank(values: object, /, *, backend: Backend = "auto") -> FloatArray:
    """Rank along the last axis; ties share the mean of their ranks.

    Parameters
    ----------
    values : array_like, shape (..., n)
        Numbers without NaN.
    backend : {"auto", "numpy", "numba"}
        Which kernel; the ranks are the same.

    Returns
    -------
    ndarray, shape (..., n)
        Ranks from 1, float64; equal to ``scipy.stats.rankdata(method="average")``.

    Raises
    ------
    ValueError
        NaN, no values, or an unknown backend.
    TypeError
        Values that are not real numbers.

    Examples
    --------
    >>> rank([30.0, 10.0, 30.0])
    array([2.5, 1. , 2.5])
    """
    array = as_float_array("values", values)
    if array.ndim == 0 or array.size == 0:
        msg = f"values must hold at least one number along its last axis; got shape {array.shape}."
        raise ValueError(msg)
    if np.isnan(array).any():
        msg = "values holds NaN, which has no rank; drop it first."
        raise ValueError(msg)
    return midranks(array.reshape(-1, array.shape[-1]), backend).reshape(array.shape)


def midranks(rows: FloatArray, backend: Backend = "auto") -> FloatArray:
    """Return the ranks of every row of a 2-D array that is known to be free of NaN."""
    # a sort of n values costs some 4 n log2 n steps
    work = 4.0 * rows.size * np.log2(max(rows.shape[-1], 2))
    ranks: FloatArray = kernels(backend, work).midranks(rows)
    return ranks
