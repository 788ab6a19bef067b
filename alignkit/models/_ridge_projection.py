"""Ridge regression of dimensions on image embeddings, and the projection whose prompt cosines approximate it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from alignkit._check import as_float_array, check_not_negative
from alignkit._typing import FloatArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A linear prediction, ``features @ coefficients.T + intercept``.

    Parameters
    ----------
    coefficients : ndarray, shape (dimensions, channels)
    intercept : ndarray, shape (dimensions,)
    """

    coefficients: FloatArray
    intercept: FloatArray

    def predict(self, features: FloatArray, /) -> FloatArray:
        """Return the predicted targets, shape (items, dimensions)."""
        predicted: FloatArray = features @ self.coefficients.T + self.intercept
        return predicted


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RidgeProjection:
    """Where a pair's projection starts.

    Parameters
    ----------
    weight : ndarray, shape (width of the texts' space, channels)
    bias : ndarray, shape (width of the texts' space,)
    log_scale : float
        Logarithm of the factor on cosines that brings them nearest to the targets.
    ridge : Ridge
        The regression itself.
    """

    weight: FloatArray
    bias: FloatArray
    log_scale: float
    ridge: Ridge


def fit_ridge(features: FloatArray, targets: FloatArray, /, *, penalty: float) -> Ridge:
    r"""Return the ridge regression of targets on features, with an intercept that is not penalised.

    .. math:: \min_{W,b} \sum_i \lVert W x_i + b - y_i \rVert^2 + \lambda \lVert W \rVert^2

    Parameters
    ----------
    features : ndarray, shape (items, channels)
    targets : ndarray, shape (items, dimensions)
    penalty : float
        The penalty; at 0 the solution of least norm.

    Raises
    ------
    ValueError
        Different numbers of items, or values that are not finite.

    References
    ----------
    Hoerl and Kennard (1970), doi:10.1080/00401706.1970.10488634.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(6.0).reshape(3, 2)
    >>> fit_ridge(x, 2.0 * x[:, :1] + 1.0, penalty=0.0).predict(x).round(6).ravel().tolist()
    [1.0, 5.0, 9.0]
    """
    x, y = as_float_array("features", features, ndim=2), as_float_array("targets", targets, ndim=2)
    check_not_negative("penalty", penalty)
    _check_rows(x, y)
    mean_x, mean_y = x.mean(0), y.mean(0)
    u, s, vt = np.linalg.svd(x - mean_x, full_matrices=False)
    kept = s > s.max(initial=0.0) * max(x.shape) * np.finfo(float).eps  # the others are rounding errors
    u, s, vt = u[:, kept], s[kept], vt[kept]
    coefficients = ((u.T @ (y - mean_y)) * (s / (s**2 + penalty))[:, None]).T @ vt
    return Ridge(coefficients, mean_y - coefficients @ mean_x)


def ridge_projection(
    features: FloatArray, targets: FloatArray, text_features: FloatArray, /, *, penalty: float
) -> RidgeProjection:
    r"""Return the projection with which scaled cosines with the prompts come from a ridge regression.

    With the prompts' embeddings as rows of T, and W and b of the regression, it is the least-norm solution of
    :math:`T P = W, \; T c = b`. Prompts times projected image are then the ridge predictions exactly (as long as the
    prompts are linearly independent); cosines differ by the length of the projected image, one number per image, and
    by one factor for all, which is chosen by least squares.

    Parameters
    ----------
    features : ndarray, shape (items, channels)
        Image embeddings (:meth:`PromptModel.embed`).
    targets : ndarray, shape (items, dimensions)
        On the scale from 0 to 100.
    text_features : ndarray, shape (dimensions, width)
        Embeddings of the prompts, of length 1 (:meth:`PromptModel.features`).
    penalty : float
        Of the regression.

    Raises
    ------
    ValueError
        As :func:`fit_ridge`; not one prompt per dimension; or targets that no positive factor brings cosines near to.
    """
    t = as_float_array("text_features", text_features, ndim=2)
    y = as_float_array("targets", targets, ndim=2)
    if len(t) != y.shape[1]:
        msg = f"there are {len(t)} prompts for {y.shape[1]} dimensions; give one per dimension."
        raise ValueError(msg)
    ridge = fit_ridge(features, y, penalty=penalty)
    inverse = np.linalg.pinv(t)
    weight, bias = inverse @ ridge.coefficients, inverse @ ridge.intercept
    projected = np.asarray(features, dtype=np.float64) @ weight.T + bias
    cosines = projected @ t.T / np.linalg.norm(projected, axis=1, keepdims=True)
    factor = float((cosines * y).sum() / (cosines**2).sum())
    if not factor > 0.0:
        msg = "the targets cannot be told from zeros by the features, so that cosines have no scale; check both."
        raise ValueError(msg)
    return RidgeProjection(weight, bias, math.log(factor), ridge)


def _check_rows(x: FloatArray, y: FloatArray) -> None:
    if len(x) != len(y) or not len(x):
        msg = f"features and targets must have one row per item each, at least one; got {len(x)} and {len(y)}."
        raise ValueError(msg)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        msg = "features and targets must be finite; leave items with missing values out."
        raise ValueError(msg)
