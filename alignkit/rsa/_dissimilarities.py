r"""The dissimilarities of :func:`rdm`, one function each; they check nothing.

Each takes :class:`Patterns` without NaN and returns condensed dissimilarities, shape (..., pairs), with the items
for which they are undefined, shape (..., items). Rows and matrices are first multiplied by a power of two, which is
exact, so that squares neither overflow nor vanish whatever the unit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.rsa._rescale import centre, rescale
from alignkit.rsa._ties import restore_ties

#: Squared distances below this part of the squared norms are computed again from the difference.
_CLOSE = 1e-3
_MAX_ELEMENTS = 2**22


@dataclasses.dataclass(frozen=True, slots=True)
class Patterns:
    """What a dissimilarity is computed from.

    ``x`` has shape (..., items, channels), in crossnobis (..., folds, items, channels); ``counts``, shape
    (folds, items), are the rows behind each of its means, and ``precision`` is (channels, channels).
    """

    x: FloatArray
    counts: IntArray | None = None
    precision: FloatArray | None = None


def upper(square: FloatArray) -> FloatArray:
    """Return the upper triangle, row-major, without any check."""
    rows, columns = np.triu_indices(square.shape[-1], k=1)
    return square[..., rows, columns]


def correlation(patterns: Patterns) -> tuple[FloatArray, BoolArray]:
    """Return 1 - r; undefined for constant rows."""
    x = patterns.x
    # exactly: rounding in a mean must not decide this
    constant: BoolArray = np.asarray(x.max(axis=-1) == x.min(axis=-1))
    x, _ = rescale(x, -1)
    return _angular(np.where(constant[..., None], 0.0, centre(x))), constant


def cosine(patterns: Patterns) -> tuple[FloatArray, BoolArray]:
    """Return 1 - cosine; undefined for all-zero rows."""
    x, _ = rescale(patterns.x, -1)
    return _angular(x), np.asarray(~x.any(axis=-1))


def euclidean(patterns: Patterns) -> tuple[FloatArray, BoolArray]:
    """Return the length of the difference."""
    squares, exponent = _squares(patterns.x)
    return _to_scale(np.sqrt(squares), exponent), _nowhere(patterns.x)


def sqeuclidean(patterns: Patterns) -> tuple[FloatArray, BoolArray]:
    """Return the squared length of the difference."""
    squares, exponent = _squares(patterns.x)
    return _to_scale(squares, 2 * exponent), _nowhere(patterns.x)


def crossnobis(patterns: Patterns) -> tuple[FloatArray, BoolArray]:
    """Return the cross-validated squared Mahalanobis distance per channel, averaged over the folds left out."""
    x, exponent = rescale(patterns.x, (-3, -2, -1))
    assert patterns.counts is not None
    counts = patterns.counts[..., None].astype(np.float64)
    x = x - x.mean(axis=(-3, -2), keepdims=True)
    # a condition's training mean is over all rows of the other folds, however many each of them has
    training = _sum_of_others(x * counts) / _sum_of_others(counts)
    # both sides enter as differences of items only: centring changes nothing but the rounding
    training -= training.mean(axis=-2, keepdims=True)
    test = x - x.mean(axis=-2, keepdims=True)
    weighted = training if patterns.precision is None else training @ patterns.precision
    kernel = (weighted @ np.swapaxes(test, -1, -2)).mean(axis=-3) / x.shape[-1]
    own = np.diagonal(kernel, axis1=-2, axis2=-1)
    distances = own[..., :, None] + own[..., None, :] - kernel - np.swapaxes(kernel, -1, -2)
    return _to_scale(upper(distances), 2 * exponent[..., 0]), _nowhere(patterns.x)


def _nowhere(x: FloatArray) -> BoolArray:
    return np.zeros(x.shape[:-1], dtype=bool)


def _to_scale(values: FloatArray, exponent: AnyArray) -> FloatArray:
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(values, exponent[..., 0])


def _angular(x: FloatArray) -> FloatArray:
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    unit = np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)
    values = 1.0 - upper(unit @ np.swapaxes(unit, -1, -2))
    # rounding alone can leave [0, 2]
    return restore_ties(np.clip(values, 0.0, 2.0), absolute=1e-14)


def _squares(x: FloatArray) -> tuple[FloatArray, AnyArray]:
    """Return squared distances of rescaled ``x`` and the exponents, shape (..., 1, 1), taken out of ``x``."""
    x, exponent = rescale(x, (-2, -1))
    # Distances do not change when columns are centred, but the Gram matrix loses far fewer digits.
    centred = x - x.mean(axis=-2, keepdims=True)
    norms = np.einsum("...ik,...ik->...i", centred, centred)
    scale = upper(norms[..., :, None] + norms[..., None, :])
    values = scale - 2.0 * upper(centred @ np.swapaxes(centred, -1, -2))
    # Close rows lose their digits in that difference: take those pairs directly, from the rows as they came.
    close = np.nonzero(values < _CLOSE * scale)
    rows, columns = np.triu_indices(x.shape[-2], k=1)
    step = max(1, _MAX_ELEMENTS // x.shape[-1])
    for start in range(0, len(close[0]), step):
        *leading, pair = where = tuple(index[start : start + step] for index in close)
        difference = x[(*leading, rows[pair])] - x[(*leading, columns[pair])]
        values[where] = np.einsum("ik,ik->i", difference, difference)
    return restore_ties(values, relative=1e-13), exponent


def _sum_of_others(x: FloatArray) -> FloatArray:
    """Return, for every fold (axis -3), the sum over the other folds; nothing is subtracted, so nothing cancels."""
    total = np.zeros_like(x)
    total[..., 1:, :, :] = np.cumsum(x[..., :-1, :, :], axis=-3)
    total[..., :-1, :, :] += np.cumsum(x[..., :0:-1, :, :], axis=-3)[..., ::-1, :, :]
    return total


METRICS: dict[str, Callable[[Patterns], tuple[FloatArray, BoolArray]]] = {
    "correlation": correlation,
    "cosine": cosine,
    "euclidean": euclidean,
    "sqeuclidean": sqeuclidean,
    "crossnobis": crossnobis,
}
#: Why an item's dissimilarities are undefined.
UNDEFINED = {
    "correlation": "items with constant patterns, whose correlation is undefined",
    "cosine": "items with all-zero patterns, whose cosine is undefined",
}
