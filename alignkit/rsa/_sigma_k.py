"""The covariance of items' pattern estimates, as the whitened measures take it."""

from __future__ import annotations

import numpy as np

from alignkit._check import as_float_array, check_finite
from alignkit._typing import FloatArray


def check_sigma_k(sigma_k: object, n_items: int) -> FloatArray | None:
    """Return ``sigma_k`` as variances (items,) or a covariance (items, items); None stays None.

    Raises
    ------
    ValueError
        Another shape, NaN, variances that are not positive, or a matrix that is no covariance of full rank.
    """
    if sigma_k is None:
        return None
    array = as_float_array("sigma_k", sigma_k)
    if array.shape not in ((n_items,), (n_items, n_items)):
        msg = (
            f"sigma_k must hold one variance per item, shape ({n_items},), or their covariance, shape "
            f"({n_items}, {n_items}); got shape {array.shape}."
        )
        raise ValueError(msg)
    check_finite("sigma_k", array)
    return _as_variances(array) if array.ndim == 1 else _as_covariance(array)


def _as_variances(array: FloatArray) -> FloatArray:
    if not (array > 0).all():
        msg = f"sigma_k holds variances, which must be above 0; the smallest is {array.min():.4g}."
        raise ValueError(msg)
    return array


def _as_covariance(array: FloatArray) -> FloatArray:
    if np.abs(array - array.T).max() > 1e-8 * np.abs(array).max():
        msg = "sigma_k is a covariance and must be symmetric; average it with its transpose."
        raise ValueError(msg)
    array = (array + array.T) / 2
    contrast_root(array)
    return array


def of_items(sigma_k: FloatArray | None, items: list[int]) -> FloatArray | None:
    """Return the part of ``sigma_k`` that belongs to the items at these positions."""
    if sigma_k is None:
        return None
    return sigma_k[items] if sigma_k.ndim == 1 else sigma_k[np.ix_(items, items)]


def contrast_root(covariance: FloatArray) -> FloatArray:
    """Return L, lower triangular, with ``(L L')⁻¹ = S⁺`` on centred matrices, where ``S = H covariance H``.

    Raises
    ------
    ValueError
        A matrix without an inverse over differences of items.
    """
    n = len(covariance)
    means = covariance.mean(axis=0)
    centred = covariance - means[:, None] - means + means.mean()
    # any variance along the mean of all items will do: what is whitened is centred
    own = np.trace(centred) / n
    try:
        root: FloatArray = np.linalg.cholesky(centred + own / n)
    except np.linalg.LinAlgError:
        root = np.zeros((n, n))
    if not np.square(np.diagonal(root)).min() > n * np.finfo(np.float64).eps * abs(own):
        msg = (
            "sigma_k is not positive definite over differences of items, so that it has no inverse; shrink it "
            "towards its diagonal, or give variances alone."
        )
        raise ValueError(msg)
    return root
