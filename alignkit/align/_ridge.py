"""Ridge regression from features to dimensions."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._check import as_float_array, check_finite, check_positive
from alignkit._typing import FloatArray

#: Penalties to choose among, for features of unit variance.
PENALTIES = tuple(10.0**k for k in np.arange(-1.0, 6.5, 0.5))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A linear map from features to dimensions.

    Parameters
    ----------
    weight : ndarray, shape (dimensions, channels)
        Slopes, for features as they come.
    bias : ndarray, shape (dimensions,)
        Offsets.
    penalty : float
        What it was fitted with.
    """

    weight: FloatArray
    bias: FloatArray
    penalty: float

    def predict(self, features: object, /) -> FloatArray:
        """Return the dimensions of each row of features."""
        values: FloatArray = as_float_array("features", features, ndim=2) @ self.weight.T + self.bias
        return values


def fit_ridge(
    features: object, targets: object, /, *, penalty: float | None = None, val: tuple[object, object] | None = None
) -> Ridge:
    r"""Fit :math:`\min_{W,b} |Y - Z W' - b|^2 + \lambda |W|^2`, where Z are features scaled to unit variance.

    Parameters
    ----------
    features : array_like, shape (objects, channels)
        A channel that does not vary gets no weight.
    targets : array_like, shape (objects, dimensions)
        What to predict.
    penalty : float, optional
        :math:`\lambda`; by default that of ``PENALTIES`` with the smallest squared error on ``val``.
    val : (features, targets), optional
        Other objects, to choose the penalty on.

    Returns
    -------
    Ridge

    Raises
    ------
    ValueError
        NaN, different numbers of rows, or neither a penalty nor objects to choose it on.

    References
    ----------
    Hoerl & Kennard (1970), https://doi.org/10.1080/00401706.1970.10488634

    Examples
    --------
    >>> ridge = fit_ridge([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], penalty=1e-9)
    >>> ridge.predict([[3.0]]).round(6)
    array([[7.]])
    """
    x, y = _checked(features, targets)
    if penalty is not None:
        return ridge_path(x, y, (check_positive("penalty", penalty),))[0]
    if val is None:
        msg = "give a penalty, or objects to choose it on (val)."
        raise ValueError(msg)
    x_val, y_val = _checked(*val)
    return min(ridge_path(x, y, PENALTIES), key=lambda fit: float(((fit.predict(x_val) - y_val) ** 2).mean()))


def ridge_path(x: FloatArray, y: FloatArray, penalties: tuple[float, ...], /) -> list[Ridge]:
    """Return the fit with each penalty, from one decomposition."""
    mean_x, mean_y, spread = x.mean(axis=0), y.mean(axis=0), x.std(axis=0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    u, s, vt = np.linalg.svd((x - mean_x) * scale, full_matrices=False)
    rotated = u.T @ (y - mean_y)

    def solve(value: float) -> Ridge:
        shrunk = np.divide(s, s**2 + value)[:, None] * rotated
        weight = (vt.T @ shrunk).T * scale
        return Ridge(weight, mean_y - weight @ mean_x, value)

    return [solve(value) for value in penalties]


def _checked(features: object, targets: object) -> tuple[FloatArray, FloatArray]:
    x, y = as_float_array("features", features, ndim=2), as_float_array("targets", targets, ndim=2)
    if len(x) != len(y) or not len(x):
        msg = f"features and targets must have one row per object; got {len(x)} and {len(y)}."
        raise ValueError(msg)
    check_finite("features", x)
    check_finite("targets", y)
    return x, y
