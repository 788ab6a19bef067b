"""Covariance of noise, shrunk towards something that can be inverted; residuals have mean zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from alignkit._typing import FloatArray

Shrinkage = Literal["shrinkage_eye", "shrinkage_diag", "diag", "full"]


def shrink_to_identity(residuals: FloatArray, dof: int) -> tuple[FloatArray, float]:
    """Return the Ledoit-Wolf covariance (times n / dof) and its weight of the identity."""
    n, p = residuals.shape
    sample = residuals.T @ residuals / n
    level = np.trace(sample) / p
    distance = float(np.sum((sample - level * np.eye(p)) ** 2))
    lengths = np.einsum("ij,ij->i", residuals, residuals)
    error = float(np.mean(lengths**2) - np.sum(sample**2)) / n
    weight = min(error, distance) / distance if error > 0 and distance > 0 else 0.0
    shrunk = (1 - weight) * sample + weight * level * np.eye(p)
    return shrunk * (n / dof), weight


def shrink_to_diagonal(residuals: FloatArray, dof: int) -> tuple[FloatArray, float]:
    """Return the Schaefer-Strimmer covariance and its weight of the diagonal."""
    n, p = residuals.shape
    sample = residuals.T @ residuals / dof
    variance = np.diag(sample)
    standard = residuals / np.sqrt(variance)
    mean = standard.T @ standard / (n - 1)
    mean_of_squares = (standard**2).T @ (standard**2) / (n - 1)
    error = n / dof**2 * (mean_of_squares - mean**2)
    off = ~np.eye(p, dtype=bool)
    size = float(np.sum(mean[off] ** 2))
    weight = float(np.clip(np.sum(error[off]) / size, 0.0, 1.0)) if size > 0 else 0.0
    return np.where(off, (1 - weight) * sample, sample), weight


def only_variances(residuals: FloatArray, dof: int) -> tuple[FloatArray, float]:
    """Return the variances on the diagonal of a matrix that is zero elsewhere."""
    return np.diag(np.einsum("ij,ij->j", residuals, residuals) / dof), 1.0


def not_shrunk(residuals: FloatArray, dof: int) -> tuple[FloatArray, float]:
    """Return the sample covariance."""
    return residuals.T @ residuals / dof, 0.0


METHODS: dict[str, Callable[[FloatArray, int], tuple[FloatArray, float]]] = {
    "shrinkage_eye": shrink_to_identity,
    "shrinkage_diag": shrink_to_diagonal,
    "diag": only_variances,
    "full": not_shrunk,
}
SENTENCE = {
    "shrinkage_eye": "the sample covariance shrunk towards a multiple of the identity (Ledoit & Wolf, 2004)",
    "shrinkage_diag": "the sample covariance shrunk towards its diagonal (Schaefer & Strimmer, 2005)",
    "diag": "the variances of the channels alone",
    "full": "the sample covariance",
}
