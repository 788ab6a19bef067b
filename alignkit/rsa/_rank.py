"""Average-tie ranks, in 64 bits."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeGuard

import numpy as np

from alignkit._check import as_floats
from alignkit._typing import AnyArray
from alignkit.rsa._dispatch import Backend, kernels, on_host


def rank(values: object, /, *, backend: Backend = "auto") -> Any:
    """Rank along the last axis; ties share the mean of their ranks.

    Parameters
    ----------
    values : array_like or tensor, shape (..., n)
        Numbers without NaN. float32 is ranked as it is, in less time; uint8 and uint16 (counts) by counting, in a
        tenth of it.
    backend : {"auto", "numpy", "numba"}
        Which kernel ranks; the ranks are the same. Tensors on a device are ranked there, by torch.

    Returns
    -------
    ndarray or tensor, shape (..., n)
        Ranks from 1, float64; equal to ``scipy.stats.rankdata(method="average")``. Ranks have no gradient.

    Raises
    ------
    ValueError
        NaN, no values, an unknown backend, or one for tensors on a device.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    Rows are shared out over as many threads as the BLAS may use (``OMP_NUM_THREADS``, ``OPENBLAS_NUM_THREADS``,
    ``threadpoolctl.threadpool_limits``), at most ``NUMBA_NUM_THREADS``. The ranks are the same for any number.

    Examples
    --------
    >>> rank([30.0, 10.0, 30.0])
    array([2.5, 1. , 2.5])
    """
    array = values if _is_small(values) else as_floats("values", values)
    if array.ndim == 0 or 0 in array.shape:
        msg = f"values must hold at least one number along its last axis; got shape {tuple(array.shape)}."
        raise ValueError(msg)
    if (array != array).any():
        msg = "values holds NaN, which has no rank; drop it first."
        raise ValueError(msg)
    return midranks(array.reshape(-1, array.shape[-1]), backend).reshape(array.shape)


def _is_small(values: object) -> TypeGuard[AnyArray]:
    return type(values) is np.ndarray and values.dtype in (np.uint8, np.uint16)


@on_host
def midranks(rows: AnyArray, backend: Backend = "auto") -> Any:
    """Return the ranks of every row of a 2-D array that is known to be free of NaN."""
    return _kernels(rows, backend).midranks(rows)


@on_host
def whole_ranks(rows: AnyArray, backend: Backend = "auto") -> Any:
    """Return the ranks of every row less their mean, doubled: whole numbers, of which sums can be exact."""
    return _kernels(rows, backend).whole_ranks(rows)


@on_host
def dense_ranks(rows: AnyArray, backend: Backend = "auto") -> Any:
    """Return, for every value, how many different smaller ones its row holds."""
    return _kernels(rows, backend).dense_ranks(rows)


def _kernels(rows: Any, backend: Backend) -> ModuleType:
    # a sort of n values costs some 4 n log2 n steps
    n_rows, n = rows.shape
    return kernels(backend, 4.0 * n_rows * n * float(np.log2(max(n, 2))), rows)
