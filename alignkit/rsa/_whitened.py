"""Whitened cosine and correlation of RDMs: dissimilarities that share an item are not independent, and weigh so.

With ``C`` the contrasts of all pairs of items and ``sigma_k`` the covariance of the items' pattern estimates,
``V = (C sigma_k C') ** 2`` (entry by entry) is, but for a factor, the covariance of the dissimilarities; the whitened
cosine of d and e is ``d'V⁻¹e / √(d'V⁻¹d · e'V⁻¹e)``. V has n⁴/4 entries and is never formed:

- ``d'V⁻¹e`` is proportional to ``tr(S⁺ G_d S⁺ G_e)`` with ``G = -HDH/2``, ``S = H sigma_k H`` and H the centring
  matrix: with equal variances, linear CKA. :class:`CovarianceWhitening` does that.
- ``tr(S⁺ G S⁺ G)`` is the rest of a least-squares fit of ``a_i + a_j`` to the entries of ``-D/2``. A diagonal
  ``sigma_k`` weighs each entry by itself, and d'V⁻¹d over the pairs that are there is the least it can be whatever
  stands in the others: they leave the fit. :class:`DiagonalWhitening` solves for the n unknowns ``a``, whichever pairs
  are missing.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np

from alignkit._threads import each
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._complete import complete
from alignkit.rsa._condensed import n_items_of, squareform, upper_triangle
from alignkit.rsa._dispatch import Backend
from alignkit.rsa._namespace import like, namespace, widen
from alignkit.rsa._rescale import rescale
from alignkit.rsa._sigma_k import contrast_root
from alignkit.rsa._similarity_methods import METHODS, Similarity


def whitened(valid: BoolArray, sigma_k: FloatArray | None = None, *, centred: bool = False) -> Similarity:
    """Return the whitened cosine (correlation where ``centred``) of rows that hold the ``valid`` pairs alone."""
    whitening = whitening_of(valid, sigma_k)

    def prepare(rows: Any, _: Backend) -> Any:
        return _unit(rows, whitening, centred=centred)

    # vectors of unit norm are compared as those of any cosine
    return Similarity(prepare, METHODS["cosine"].product)


def whitening_of(valid: BoolArray, sigma_k: FloatArray | None = None) -> DiagonalWhitening | CovarianceWhitening:
    """Return the whitening of rows that hold the ``valid`` pairs alone."""
    if sigma_k is None or sigma_k.ndim == 1:
        return DiagonalWhitening(valid, sigma_k)
    return CovarianceWhitening(valid, sigma_k)


def _unit(rows: Any, whitening: DiagonalWhitening | CovarianceWhitening, *, centred: bool) -> Any:
    """Return whitened vectors of unit norm, shape (rows, pairs + items); NaN where they are undefined."""
    xp = namespace(rows)
    low, high = xp.amin(rows, -1), xp.amax(rows, -1)
    undefined = low == high if centred else (low == 0) & (high == 0)
    vectors = whitened_vectors(rescale(widen(rows), -1)[0], whitening, centred=centred)
    norms = xp.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / xp.where(undefined[..., None], np.nan, norms)


def whitened_vectors(rows: Any, whitening: DiagonalWhitening | CovarianceWhitening, *, centred: bool) -> Any:
    """Return vectors, shape (rows, pairs + items), whose products are the whitened products of ``rows``."""
    means = rows.mean(axis=-1, keepdims=True)
    # an offset shared by all pairs is the same as its opposite on the diagonal, and costs no digits there
    return whitening(rows - means, 0.0 * means if centred else -means)


@dataclasses.dataclass(frozen=True)
class DiagonalWhitening:
    """Whitening of the pairs marked in ``valid``, any pattern, for items whose errors are independent.

    ``variances``, shape (items,), are those of the items' pattern estimates; by default all equal.
    """

    valid: BoolArray
    variances: FloatArray | None = None

    def __call__(self, pairs: Any, diagonal: Any) -> Any:
        """Return whitened vectors, shape (rows, pairs + items), of ``pairs`` and one ``diagonal`` value per row."""
        first, second = (like(items, pairs) for items in self.items)
        precision = like(self.precision, pairs)
        fitted = self._fit(self._sums(pairs) + precision**2 * diagonal)
        rest = pairs - fitted[:, first] - fitted[:, second]
        if self.variances is not None:
            rest = rest * like(np.sqrt(self.weights), pairs)
        ends = precision * (diagonal - 2 * fitted)
        return namespace(pairs).concatenate([rest * 2**0.5, ends], axis=1)

    @cached_property
    def items(self) -> tuple[IntArray, IntArray]:
        """First and second item of every pair that is there."""
        first, second = np.triu_indices(n_items_of(self.valid.size), k=1)
        return (first, second) if self.valid.all() else (first[self.valid], second[self.valid])

    @cached_property
    def precision(self) -> FloatArray:
        """Inverse variance of every item, in units of their mean."""
        if self.variances is None:
            return np.ones(n_items_of(self.valid.size))
        relative: FloatArray = self.variances / self.variances.mean()
        return 1.0 / relative

    @cached_property
    def weights(self) -> FloatArray:
        """Weight of every pair that is there."""
        first, second = self.items
        return self.precision[first] * self.precision[second]

    @cached_property
    def normal_matrix(self) -> FloatArray:
        """Matrix of the normal equations: a signless Laplacian plus a diagonal, positive definite."""
        first, second = self.items
        matrix = np.zeros((self.precision.size, self.precision.size))
        matrix[first, second] = matrix[second, first] = self.weights
        matrix[np.diag_indices_from(matrix)] = matrix.sum(axis=0) + 2 * np.square(self.precision)
        return matrix

    def _fit(self, sums: Any) -> Any:
        """Return the solutions of the normal equations, shape (rows, items)."""
        if not self.valid.all():
            return namespace(sums).linalg.solve(like(self.normal_matrix, sums), sums.T).T
        # of complete RDMs the matrix is a diagonal and a product of the precisions (Sherman and Morrison)
        total = self.precision.sum()
        return sums / (like(self.precision, sums) * total) - sums.sum(-1)[:, None] / (2 * total**2)

    def _sums(self, pairs: Any) -> Any:
        """Return the weighted sum over every item's pairs, shape (rows, items)."""
        if self.variances is not None:
            pairs = pairs * like(self.weights, pairs)
        n = self.precision.size
        if isinstance(pairs, np.ndarray):
            return np.stack([sum(np.bincount(items, row, n) for items in self.items) for row in pairs])
        zeros = pairs.new_zeros((len(pairs), n))
        return sum(zeros.index_add(1, like(items, pairs), pairs) for items in self.items)


@dataclasses.dataclass(frozen=True)
class CovarianceWhitening:
    """Whitening of the pairs marked in ``valid`` for items whose errors have a full covariance, (items, items).

    Items without any pair leave. Where single pairs are missing besides, RDMs are completed with the values that
    minimise ``d'V⁻¹d``: that minimum is the form over the pairs that are there (Schur complement).
    """

    valid: BoolArray
    covariance: FloatArray

    def __call__(self, pairs: Any, diagonal: Any) -> Any:
        """Return whitened vectors, shape (rows, pairs + items), of ``pairs`` and one ``diagonal`` value per row."""
        # one RDM after the other (or as many as there are threads): squares are large
        rows = list(zip(pairs, diagonal[:, 0], strict=True))
        whiten = each(self._whitened_row, rows) if isinstance(pairs, np.ndarray) else map(self._whitened_row, rows)
        return namespace(pairs).stack(list(whiten))

    def _whitened_row(self, row: tuple[Any, Any]) -> Any:
        return self._whiten(self._square(*row))

    @cached_property
    def items(self) -> IntArray:
        """Items that have any pair."""
        return np.flatnonzero(squareform(self.valid.astype(np.float64)).any(axis=0))

    @cached_property
    def part(self) -> FloatArray:
        """Covariance of those items."""
        return self.covariance[np.ix_(self.items, self.items)]

    @cached_property
    def root(self) -> FloatArray:
        """Root of that covariance over differences of items."""
        return contrast_root(self.part)

    @cached_property
    def valid_among(self) -> BoolArray:
        """Which pairs of those items are there."""
        square = squareform(self.valid.astype(np.float64))[np.ix_(self.items, self.items)]
        return np.asarray(upper_triangle(square) > 0)

    def _square(self, pairs: Any, diagonal: Any) -> Any:
        if self.valid_among.all():
            square = squareform(pairs)
            return square + diagonal * like(np.eye(len(square)), pairs)
        if not isinstance(pairs, np.ndarray):
            msg = "whitening by a covariance (sigma_k) with single pairs missing takes numpy arrays, no tensors."
            raise TypeError(msg)
        return squareform(complete(pairs - diagonal, self.valid_among, self.part, self.root))

    def _whiten(self, square: Any) -> Any:
        means = square.mean(axis=0)
        centred = square - means[:, None] - means + means.mean()
        inverse = like(self.inverse, square)
        product = inverse @ centred @ inverse.T
        ends = namespace(square).diagonal(product)
        return namespace(square).concatenate([upper_triangle(product) * 2**0.5, ends])

    @cached_property
    def inverse(self) -> FloatArray:
        """Inverse of the root."""
        return np.asarray(np.linalg.inv(self.root), dtype=np.float64)
