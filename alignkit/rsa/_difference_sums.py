r"""Least squares on the squared differences of single features, without a row for every pair of items.

The predictor of feature a is its RDM, :math:`r_a(i,j)=(x_{ia}-x_{ja})^2`. With centred features, over n items,

.. math::
    \sum_{i<j}r_a=n s_a,\quad s_a=\sum_i x_{ia}^2,\qquad
    \sum_{i<j}r_a r_b=n\sum_i x_{ia}^2x_{ib}^2+s_as_b+2\Big(\sum_i x_{ia}x_{ib}\Big)^2,

and with dissimilarities D, :math:`\sum_{i<j}r_ad=\sum_i x_{ia}^2 D_{i\cdot}-x_a'Dx_a`: products of the features alone.
A prediction :math:`\sum_a w_ar_a` is a weighted squared Euclidean RDM.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._condensed import squareform, upper_triangle


@dataclasses.dataclass(frozen=True, eq=False)
class DifferenceSums:
    """Sums over pairs, less the products of their means: those of the predictors and theirs with the targets.

    ``gram`` has the shape (features, features), ``crossed`` (features, targets).
    """

    gram: FloatArray
    crossed: FloatArray

    @cached_property
    def _axes(self) -> tuple[FloatArray, FloatArray]:
        values, vectors = np.linalg.eigh(self.gram)
        return np.maximum(values, 0.0), vectors

    def weights(self, penalty: float, *, nonnegative: bool) -> FloatArray:
        """Return ridge weights, shape (features, targets).

        ``penalty``, above 0, is in units of the predictors' mean squared length.
        """
        values, vectors = self._axes
        size = values.mean()
        if size == 0:
            return np.zeros_like(self.crossed)
        shrunk = values + penalty * size
        along = vectors.T @ self.crossed
        weights = vectors @ (along / shrunk[:, None])
        if nonnegative:
            root, goals = np.sqrt(shrunk)[:, None] * vectors.T, along / np.sqrt(shrunk)[:, None]
            for t in np.flatnonzero((weights < 0).any(axis=0)):
                weights[:, t] = _nonnegative(root, goals[:, t])
        return np.asarray(weights)


def _nonnegative(root: FloatArray, goal: FloatArray) -> FloatArray:
    from scipy.optimize import nnls

    norms, size = np.linalg.norm(root, axis=0), np.linalg.norm(goal)
    if size == 0:
        return np.zeros(len(norms))
    norms = np.where(norms > 0, norms, 1.0)
    return np.asarray(nnls(root / norms, goal / size, maxiter=10 * len(norms))[0] * size / norms)


def difference_sums(features: FloatArray, targets: FloatArray) -> DifferenceSums:
    """Return the sums of centred features, shape (items, features), and of condensed targets, (targets, pairs)."""
    n = len(features)
    squares = features**2
    sums = squares.sum(axis=0)
    # n(n-1)/2 pairs: the product of two sums over them, n² s s', over their number
    gram = n * (squares.T @ squares) + (1 - 2 * n / (n - 1)) * np.outer(sums, sums) + 2 * (features.T @ features) ** 2
    crossed = np.empty((features.shape[1], len(targets)))
    for t, target in enumerate(targets):
        square = squareform(target - target.mean())  # whose sum over pairs is zero
        crossed[:, t] = squares.T @ square.sum(axis=1) - np.einsum("ia,ia->a", features, square @ features)
    return DifferenceSums((gram + gram.T) / 2, crossed)


def predicted(features: FloatArray, weights: FloatArray) -> FloatArray:
    """Return weighted sums of squared differences, shape (targets, pairs), for weights of shape (features, targets)."""
    rows = []
    for own in weights.T:
        weighted = features * own
        ends = np.einsum("ia,ia->i", weighted, features)
        rows.append(upper_triangle(ends[:, None] + ends - 2 * weighted @ features.T))
    return np.stack(rows)
