"""How models with several component RDMs are fitted: weights from the products of components and data."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import FloatArray

#: Directions of components (of unit length) that are shorter than this are the rounding of their products.
_ROUNDING = 1e-13


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What a fit needs to know of the components and of the RDMs that they are fitted to.

    In the space where the method is a cosine, ``gram``, shape (components, components), holds the components' products,
    and ``target``, shape (components,), those with the mean of the data at unit length. ``scores`` are the
    components' mean similarities to the data under the method itself; NaN for components that have none.
    """

    gram: FloatArray
    target: FloatArray
    scores: FloatArray

    def part(self, own: slice) -> Training:
        """Return what concerns some of the components alone."""
        return Training(self.gram[own, own], self.target[own], self.scores[own])


def fit_selected(training: Training) -> FloatArray:
    """Return 1 for the component that is most like the data (the first of equals), else 0."""
    theta = np.zeros(len(training.scores))
    if np.isnan(training.scores).all():
        return theta
    theta[np.nanargmax(training.scores)] = 1.0
    return theta


def fit_weighted(training: Training, *, nonnegative: bool, penalty: float) -> FloatArray:
    """Return least-squares weights of unit length; zeros where no component helps.

    ``penalty`` times the mean squared length of the components is added to their squared lengths.
    """
    gram = training.gram
    if penalty:
        gram = gram + penalty * np.diagonal(gram).mean() * np.eye(len(gram))
    theta = _least_squares(gram, training.target, nonnegative=nonnegative)
    length = np.linalg.norm(theta)
    return np.asarray(theta / length if length > 0 else theta)


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
    n = len(training.target)
    # ends by the likeness that mixtures have, not by ``scores``, which may be of ranks or not known
    candidates = list(np.eye(n))
    for first in range(n - 1):
        pair = slice(first, first + 2)
        inner = _between(training.gram[pair, pair], training.target[pair])
        if inner is not None:
            theta = np.zeros(n)
            theta[pair] = inner
            candidates.append(theta)
    likeness = np.array([_likeness(training, theta) for theta in candidates])
    return candidates[int(np.argmax(likeness))] if likeness.max() > -np.inf else np.zeros(n)


def _between(gram: FloatArray, target: FloatArray) -> FloatArray | None:
    """Return the inner maximum on a segment; None where there is none."""
    # the direction of the inverse of a 2 x 2 matrix, times its determinant
    inner = np.array(
        [
            gram[1, 1] * target[0] - gram[0, 1] * target[1],
            gram[0, 0] * target[1] - gram[0, 1] * target[0],
        ]
    )
    determinant = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
    if determinant <= _ROUNDING * gram[0, 0] * gram[1, 1] or not (inner > 0).all():
        return None
    return np.asarray(inner / inner.sum())


def _likeness(training: Training, theta: FloatArray) -> float:
    squared = theta @ training.gram @ theta
    return float(theta @ training.target / np.sqrt(squared)) if squared > 0 else -np.inf
