"""Whitened cosine and correlation in resamples of items: quadratic forms, and a fit with as many unknowns as items.

A product of RDMs after whitening is what is left of their product when ``a_i + a_j`` is fitted to the entries of both
(see :mod:`alignkit.rsa._whitened`). Copies of an item have the same entries, and the fit is unique: they share their
unknown, and pairs weigh ``u_i u_j`` with ``u_i = w_i p_i``, ``w_i`` the number of copies and ``p_i`` the precision
of item i. With ``e`` the value that an RDM, around a point of its own, has on the diagonal, the normal equations are

    (D_i a_i + Σ_j u_j a_j) = b_i,    D_i = Σ_j u_j - 2 u_i + 2 p_i,    b_i = Σ_{j≠i} u_j x_ij + p_i e,

a diagonal and a product of two vectors: Sherman and Morrison's formula solves them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._condensed import as_host, squareform
from alignkit.rsa._inference._forms import Forms, nowhere_defined, outcomes
from alignkit.rsa._inference._moments import Block, Moments, around_their_means, moments_of
from alignkit.rsa._inference._pair_sums import LANES, filled_up
from alignkit.rsa._inference._task import Task
from alignkit.rsa._matrix_methods import WHITENED
from alignkit.rsa._namespace import like, namespace

#: Values of square matrices that are kept between blocks of resamples.
_KEPT = 1 << 25
#: Resamples that are taken together at most, and values of an RDM's sums that are.
_MOST, _BLOCK = 192, 1 << 22
#: Smaller pivots than this, in units of the largest they can be, cost digits.
_SMALL = 1e-3


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class WhitenedResamples:
    """Similarities and ceilings of blocks of resamples, for the whitened methods; RDMs are complete."""

    task: Task
    moments: Moments
    squares: Any
    #: What was taken out of every RDM, in its unit of :class:`Moments`: (subject + model,).
    means: FloatArray
    precision: FloatArray | None
    nowhere: BoolArray

    @property
    def n_together(self) -> int:
        """Number of resamples that are best taken together."""
        return max(LANES, min(_MOST, _BLOCK // (len(self.moments.rows) * self.task.n_items) // LANES * LANES))

    @classmethod
    def of(cls, task: Task) -> WhitenedResamples:
        """Return what computes the resamples of a task."""
        rows, means = around_their_means(task)
        moments = moments_of(task, rows)
        squares = squareform(moments.rows) if len(rows) * task.n_items**2 <= _KEPT else None
        precision = None if task.sigma_k is None else task.sigma_k.mean() / task.sigma_k
        return cls(task, moments, squares, np.ldexp(means, -moments.exponents)[:, 0], precision, nowhere_defined(task))

    def __call__(self, counts: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return similarities, (resample, subject, model), and mean bounds, (m, resample, 2)."""
        return outcomes(self.task, counts, weights, self._forms(counts))

    def _forms(self, counts: IntArray) -> Forms:
        n = len(self.task.data)
        centred = WHITENED[self.task.method] == "pearson"
        block = self.moments(counts, self.precision)
        with np.errstate(invalid="ignore", divide="ignore"):
            missed = block.sums / block.total[:, None]
        # an offset shared by all pairs is the same as its opposite on the diagonal
        ends = missed if centred else np.broadcast_to(-self.means, missed.shape)
        precision = np.ones(counts.shape[1]) if self.precision is None else self.precision
        fitted, small = self._fitted(counts, precision, ends)
        on_diagonal = (counts * precision**2).sum(axis=1)[:, None, None]
        whole = on_diagonal * ends[:, :, None] * ends[:, None, :] - fitted
        own = 2 * block.squares + np.diagonal(whole, axis1=1, axis2=2)
        data = 2 * block.data + whole[:, :n, :n]
        crossed = 2 * block.crossed + whole[:, :n, n:]
        return Forms(
            data, crossed, own[:, n:], 2 * block.squares, self._scales(block, own, missed), self.nowhere, small
        )

    def _scales(self, block: Block, own: FloatArray, missed: FloatArray) -> FloatArray:
        n = len(self.task.data)
        if self.task.pooling == "raw":
            return np.ones((len(own), n))
        if self.task.pooling == "rank":
            return np.sqrt(np.maximum(own[:, :n], 0.0))
        # rsatoolbox averages without whitening
        total = block.total[:, None]
        spread = block.plain_squares / total - missed[:, :n] ** 2
        if WHITENED[self.task.method] == "cosine":
            spread = spread + (missed[:, :n] + self.means[:n]) ** 2
        return np.sqrt(np.maximum(spread, 0.0))

    def _fitted(self, counts: IntArray, precision: FloatArray, ends: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return what the fits take away from products, (resample, row, row), and where they may be inexact."""
        u = filled_up(counts) * precision
        there = like(u, self.moments.rows)
        sums = namespace(there).stack([(there @ square)[: len(counts)] for square in self._squares()], axis=1)
        u = u[: len(counts)]
        sums += like(precision * ends[:, :, None], sums)
        total = u.sum(axis=1, keepdims=True)
        pivots = total - 2 * u + 2 * precision
        with np.errstate(invalid="ignore", divide="ignore"):
            share = u / pivots
            common = 1 + share.sum(axis=1)
            weighted = sums * like(share, sums)[:, None]
            first, products = (as_host(x) for x in (weighted.sum(axis=2), weighted @ sums.swapaxes(1, 2)))
            products = products - first[:, :, None] * (first / common[:, None])[:, None]
        small = (np.abs(pivots) < _SMALL * total).any(axis=1) | (np.abs(common) < _SMALL)
        return 2 * products, small

    def _squares(self) -> Iterable[Any]:
        return self.squares if self.squares is not None else map(squareform, self.moments.rows)
