"""Spearman's correlation and rho-a within folds of items: what is fitted, and what is judged."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._training import lengths

if TYPE_CHECKING:
    from alignkit.rsa._kernels._rank_folds_numba import FoldRows, TrainedRanks


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RankJudges:
    """Scores of ranks over the pairs of every fold; see :class:`alignkit.rsa._inference._judges.Judges`."""

    folds: FoldRows
    rho_a: bool

    def predictions(self, sets: IntArray, thetas: FloatArray, groups: IntArray) -> FloatArray:
        """Return scores, shape (case, model, fold, subject); 0 for what predicts nothing."""
        return self._compared(self.folds.components, sets, thetas, groups, of_nothing=0.0)

    def means(self, sets: IntArray, weights: FloatArray, groups: IntArray) -> FloatArray:
        """Return the similarity of weighted means of the subjects' ranks to each subject."""
        n_folds = self.folds.total.shape[1]
        shape = (len(weights), n_folds, *weights.shape[1:])
        coefficients = np.broadcast_to(weights[:, None], shape)[..., None, :]
        return self._compared(self.folds.ranks, sets, coefficients, groups, of_nothing=np.nan)[:, 0]

    def _compared(
        self, rows: FloatArray, sets: IntArray, coefficients: FloatArray, groups: IntArray, *, of_nothing: float
    ) -> FloatArray:
        from alignkit.rsa._kernels._rank_folds_numba import compared_sums

        return compared_sums(self.folds, rows, sets, coefficients, groups, rho_a=self.rho_a, of_nothing=of_nothing)


def rank_products(
    trained: TrainedRanks, gram: FloatArray, ranked: BoolArray, *, rho_a: bool
) -> tuple[FloatArray, FloatArray]:
    """Return the products of components with the subjects' ranks, and the similarities of those that are ranked.

    Both have the shape (set, fold, component, subject); subjects' ranks have unit length; ``gram``, shape (set, fold,
    component, component), says which components do not vary.
    """
    n = gram.shape[-1]
    subjects, components = trained.squares[..., :-n], trained.squares[..., -n:]
    varies = np.diagonal(gram, axis1=-2, axis2=-1) > 0
    crossed = np.where(varies[..., None], trained.crossed, 0.0) / lengths(subjects)[..., None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        if rho_a:
            scores = 3 * trained.ranked / (trained.total**3 - trained.total)[..., None, None]
        else:
            squared = components[..., :, None] * subjects[..., None, :]
            scores = np.clip(trained.ranked / lengths(squared), -1.0, 1.0)
    return crossed, np.where(ranked[:, None], scores, np.nan)
