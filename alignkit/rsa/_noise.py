"""What ``rdm(noise=...)`` takes: a precision or a covariance, one or one per fold, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from alignkit._check import as_float_array, as_labels, check_choice, check_finite, join_names
from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray
from alignkit.rsa._condensed import as_host
from alignkit.rsa._patterns import Noise

NoiseKind = Literal["precision", "covariance"]
#: Asymmetry and negative eigenvalues up to this part of the largest entry are rounding: files hold float32.
_RTOL = 1e-6
#: What to do with an array that is no matrix of channels.
RESIDUALS = "If it holds residuals, pass noise_precision(residuals)."


@one_blas_thread()
def as_noise(noise: Any, kind: str, n_channels: int, folds: Sequence[str] | None) -> Noise | None:
    """Return the noise of ``n_channels`` channels; one per fold is matched to ``folds`` by name or by order.

    Raises
    ------
    ValueError
        Another shape, NaN, an asymmetric or indefinite matrix, a covariance without inverse, or other folds.
    TypeError
        Values that are not real numbers.
    """
    check_choice("noise_kind", kind, ("precision", "covariance"))
    if noise is None:
        if kind != "precision":
            msg = f"noise_kind={kind!r} says what noise= is; give noise= as well."
            raise ValueError(msg)
        return None
    matrices = noise
    if hasattr(noise, "precision") and hasattr(noise, "covariance"):  # what noise_precision gives
        kind, matrices = "covariance", noise.covariance
        if noise.folds is not None:
            matrices = dict(zip(noise.folds, matrices, strict=True))
    method, shrinkage = _estimate(noise, kind)
    found = _matrices(matrices, folds)
    if isinstance(found, list):
        covariances = [check_matrix(f"noise[{i}]", one, kind, n_channels) for i, one in enumerate(found)]
        if kind == "precision":
            covariances = [inverse(f"noise[{i}]", one) for i, one in enumerate(covariances)]
        else:
            for i, one in enumerate(covariances):
                inverse(f"noise[{i}]", one)
        return Noise(f"{method} per fold", covariances=np.stack(covariances), shrinkage=shrinkage)
    matrix = check_matrix("noise", found, kind, n_channels)
    root = root_of_precision(matrix) if kind == "precision" else _root_of_inverse("noise", matrix)
    return Noise(method, root=root, shrinkage=shrinkage)


def _estimate(noise: Any, kind: str) -> tuple[str, tuple[float, ...]]:
    """Return how the noise was estimated, else what it is, and the weights that shrank it."""
    method: str = getattr(noise, "method", kind)
    weights = np.atleast_1d(noise.shrinkage).tolist() if method.startswith("shrinkage") else []
    return method, tuple(weights)


def _matrices(noise: Any, folds: Sequence[str] | None) -> Any:
    """Return one matrix, or a list of one per fold."""
    if isinstance(noise, Mapping):
        noise = _by_name(noise, folds)
    several = isinstance(noise, list | tuple) and len(noise) > 0 and np.ndim(noise[0]) == 2
    if not several:
        array = as_float_array("noise", as_host(noise))
        if array.ndim == 2:
            return array
        if array.ndim != 3:
            msg = f"noise must have shape (channels, channels), or (folds, channels, channels); got {array.shape}."
            raise ValueError(msg)
        noise = list(array)
    if folds is None:
        msg = "one noise matrix per fold is for cross-validated metrics; give one matrix."
        raise ValueError(msg)
    if len(noise) != len(folds):
        msg = f"noise must hold one matrix per fold: expected {len(folds)} ({join_names(folds)}), got {len(noise)}."
        raise ValueError(msg)
    return [as_float_array(f"noise[{i}]", as_host(one)) for i, one in enumerate(noise)]


def _by_name(noise: Mapping[Any, Any], folds: Sequence[str] | None) -> list[Any]:
    # names are written as those of the folds are
    named = dict(zip(as_labels("the keys of noise", list(noise)), noise.values(), strict=True))
    wanted = [] if folds is None else list(folds)
    missing = [name for name in wanted if name not in named]
    if missing:
        msg = f"noise has no matrix for the fold(s) {join_names(missing)}; it has {join_names(named)}."
        raise ValueError(msg)
    return [named[name] for name in wanted] if wanted else list(named.values())


def check_matrix(name: str, matrix: FloatArray, kind: str, n_channels: int) -> FloatArray:
    """Return a matrix of the channels, exactly symmetric, or raise where it is none."""
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1:
        msg = f"{name} must be a ({n_channels}, {n_channels}) {kind} matrix; got shape {matrix.shape}. {RESIDUALS}"
        raise ValueError(msg)
    if len(matrix) != n_channels:
        msg = f"{name} is of {len(matrix)} channels and the patterns have {n_channels}; both must be of the same ones."
        raise ValueError(msg)
    check_finite(name, matrix)
    if np.abs(matrix - matrix.T).max() > _RTOL * np.abs(matrix).max():
        other = "is the inverse of the noise covariance" if kind == "precision" else "is a covariance"
        msg = f"{name} must be symmetric: it {other} of the channels."
        raise ValueError(msg)
    return (matrix + matrix.T) / 2


def root_of_precision(precision: FloatArray) -> FloatArray:
    """Return R with R R' = P, or raise unless P is positive semi-definite."""
    try:
        return np.asarray(np.linalg.cholesky(precision), dtype=np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(precision)
    if values[-1] <= 0 or values[0] < -_RTOL * values[-1]:
        msg = (
            f"noise must be positive semi-definite; its eigenvalues lie between {values[0]:.4g} and {values[-1]:.4g}. "
            "A precision is the inverse of a covariance."
        )
        raise ValueError(msg)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _root_of_inverse(name: str, covariance: FloatArray) -> FloatArray:
    """Return R with R R' = inv(C), or raise unless C is positive definite."""
    from scipy.linalg import solve_triangular

    with one_blas_thread():  # scipy has a BLAS of its own
        factor = _cholesky(name, covariance)
        return np.asarray(solve_triangular(factor, np.eye(len(factor)), lower=True)).T


def inverse(name: str, matrix: FloatArray) -> FloatArray:
    """Return the inverse of a symmetric matrix, or raise unless it is positive definite."""
    from scipy.linalg import cho_solve

    with one_blas_thread():
        found = np.asarray(cho_solve((_cholesky(name, matrix), True), np.eye(len(matrix))))
    return (found + found.T) / 2


def _cholesky(name: str, matrix: FloatArray) -> FloatArray:
    # in units of the standard deviations, which may differ by many powers of ten between kinds of sensors
    scale = np.sqrt(np.abs(np.diag(matrix)))
    try:
        factor = np.linalg.cholesky(matrix / (scale[:, None] * scale)) if scale.all() else None
    except np.linalg.LinAlgError:
        factor = None
    # what rounding leaves of a variance of zero
    if factor is None or np.diag(factor).min() ** 2 < 1e-13 * len(matrix):
        msg = f"{name} must be positive definite to be inverted; it is singular or has negative eigenvalues."
        raise ValueError(msg)
    return np.asarray(scale[:, None] * factor)
