"""How models with several component RDMs are fitted: weights from the products of components and data."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray

#: Directions of components (of unit length) that are shorter than this are the rounding of their products.
_ROUNDING = 1e-13
#: Components up to which a compiled solver of small systems is the faster one.
_FEW = 16


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What fits need to know of the components and of the RDMs that they are fitted to, for any number of fits.

    In the space where the method is a cosine, ``gram``, shape (..., components, components), holds the components'
    products, and ``target``, shape (..., components), those with the mean of the data at unit length. ``scores``, of
    the same shape, are the components' mean similarities to the data under the method itself; NaN for components that
    have none. What comes before the components is broadcast.
    """

    gram: FloatArray
    target: FloatArray
    scores: FloatArray

    def part(self, own: IntArray) -> Training:
        """Return what concerns some of the components alone."""
        return Training(self.gram[..., own[:, None], own], self.target[..., own], self.scores[..., own])

    @property
    def undefined(self) -> BoolArray:
        """Which of the data have no similarity to anything, shape (...)."""
        missing = np.isnan(self.target)
        some = np.diagonal(self.gram, axis1=-2, axis2=-1) > 0
        return np.asarray(missing.all(axis=-1) | (missing & some).any(axis=-1))


def fit_selected(training: Training) -> FloatArray:
    """Return 1 for the component that is most like the data (the first of equals), else 0."""
    missing = np.isnan(training.scores)
    best = np.where(missing, -np.inf, training.scores).argmax(axis=-1)
    return (np.arange(missing.shape[-1]) == best[..., None]) * ~missing.all(axis=-1, keepdims=True) * 1.0


def fit_weighted(training: Training, *, nonnegative: bool, penalty: float) -> FloatArray:
    """Return least-squares weights of unit length; zeros where no component helps.

    ``penalty`` times the mean squared length of the components is added to their squared lengths.
    """
    gram = training.gram
    if penalty:
        sizes = np.diagonal(gram, axis1=-2, axis2=-1).mean(axis=-1)
        gram = gram + penalty * sizes[..., None, None] * np.eye(gram.shape[-1])
    theta = _all_least_squares(gram, training.target, nonnegative=nonnegative)
    length = np.linalg.norm(theta, axis=-1, keepdims=True)
    return np.asarray(theta / np.where(length > 0, length, 1.0))


def _all_least_squares(gram: FloatArray, target: FloatArray, *, nonnegative: bool) -> FloatArray:
    """Return what :func:`_least_squares` does, of many systems."""
    n = target.shape[-1]
    grams = np.broadcast_to(gram, (*target.shape, n)).reshape(-1, n, n)
    targets = target.reshape(-1, n)
    if n <= _FEW:
        from alignkit.rsa._kernels._small_fits_numba import small_fits

        weights, left = small_fits(grams, targets, nonnegative=nonnegative)
    else:
        weights, left = np.empty(targets.shape), np.ones(len(targets), dtype=bool)
    for b in np.flatnonzero(left):
        weights[b] = _least_squares(grams[b], targets[b], nonnegative=nonnegative)
    return weights.reshape(target.shape)


def _least_squares(gram: FloatArray, target: FloatArray, *, nonnegative: bool) -> FloatArray:
    """Return the weights w with the least ``w'gram w - 2 target'w``, the smallest where they are not unique."""
    from scipy.optimize import nnls

    sizes = np.sqrt(np.diagonal(gram))
    sizes = np.where(sizes > 0, sizes, 1.0)
    # in units of the components' own size, large and small ones are weighed alike
    values, vectors = np.linalg.eigh(gram / sizes / sizes[:, None])
    kept = values > _ROUNDING * len(gram) * max(values[-1], 0.0)
    roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
    goals = vectors.T @ (target / sizes) / roots
    weights = vectors @ (goals / roots)
    if nonnegative and (not kept.all() or (weights < 0).any()):
        size = np.linalg.norm(goals)
        weights = nnls(roots[:, None] * vectors.T, goals / size)[0] if size > 0 else np.zeros(len(gram))
    return np.asarray(weights / sizes)


def fit_interpolated(training: Training) -> FloatArray:
    """Return the mixture (1 - t, t) of two consecutive components that is most like the data.

    On a segment ``target'u / √(u'gram u)`` has one maximum: where its gradient vanishes, if that lies within, else at
    an end.
    """
    gram, target = training.gram, training.target
    n = target.shape[-1]
    squared = np.diagonal(gram, axis1=-2, axis2=-1)
    crossed = np.diagonal(gram, offset=1, axis1=-2, axis2=-1)
    first, second = squared[..., :-1], squared[..., 1:]
    # the direction of the inverse of a 2 x 2 matrix, times its determinant
    left = second * target[..., :-1] - crossed * target[..., 1:]
    right = first * target[..., 1:] - crossed * target[..., :-1]
    within = (first * second - crossed**2 > _ROUNDING * first * second) & (left > 0) & (right > 0)
    left, right = np.where(within, left, 1.0), np.where(within, right, 1.0)
    left, right = left / (left + right), right / (left + right)
    mixed = left**2 * first + 2 * left * right * crossed + right**2 * second
    ends = np.broadcast_to(squared, target.shape)
    # ends by the likeness that mixtures have, not by ``scores``, which may be of ranks or not known
    likeness = np.concatenate(
        [
            _likeness(target, ends, ends > 0),
            _likeness(left * target[..., :-1] + right * target[..., 1:], mixed, within & (mixed > 0)),
        ],
        axis=-1,
    )
    best = likeness.argmax(axis=-1)[..., None]
    theta = (np.arange(n) == best) * 1.0
    inner = np.arange(n - 1) == best - n
    theta[..., :-1] += inner * left
    theta[..., 1:] += inner * right
    return theta * (likeness.max(axis=-1, keepdims=True) > -np.inf)


def _likeness(products: FloatArray, squared: FloatArray, defined: BoolArray) -> FloatArray:
    return np.where(defined, products / np.sqrt(np.where(defined, squared, 1.0)), -np.inf)
