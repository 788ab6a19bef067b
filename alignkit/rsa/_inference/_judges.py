"""How predictions, and means of subjects, are scored on the pairs of one sample of items."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._rank import midranks
from alignkit.rsa._similarity_methods import similarity
from alignkit.rsa._training import lengths


class Judge(Protocol):
    """Similarities to subjects on the pairs of one sample."""

    def predictions(self, thetas: FloatArray, own: IntArray) -> FloatArray:
        """Return scores, shape (models, own subjects), of weights of all components, shape (models, components)."""

    def means(self, weights: FloatArray, own: IntArray) -> FloatArray:
        """Return the similarity of weighted means of the subjects, shape (means, subjects), to the own ones."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class GramJudge:
    """Scores from the products of all components and subjects, where the method is a cosine."""

    components: FloatArray
    crossed: FloatArray
    subjects: FloatArray

    def predictions(self, thetas: FloatArray, own: IntArray) -> FloatArray:
        """Return scores, shape (models, own subjects); 0 for what predicts nothing."""
        own_lengths = lengths(np.diagonal(self.subjects)[own])
        squared = np.einsum("mc,cd,md->m", thetas, self.components, thetas)
        nothing = ~(squared > 0) & ~np.isnan(squared)
        scores = thetas @ self.crossed[:, own] / (lengths(squared)[:, None] * own_lengths)
        scores[nothing] = np.where(np.isnan(own_lengths), np.nan, 0.0)
        return np.clip(scores, -1.0, 1.0)

    def means(self, weights: FloatArray, own: IntArray) -> FloatArray:
        """Return the similarity of weighted means of the subjects, each at unit length, to the own ones."""
        sizes = lengths(np.diagonal(self.subjects))
        units = self.subjects / sizes / sizes[:, None]
        squared = np.einsum("ms,st,mt->m", weights, units, weights)
        return np.clip(weights @ units[:, own] / lengths(squared)[:, None], -1.0, 1.0)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RowJudge:
    """Scores of methods of ranks, which rank every prediction anew."""

    components: FloatArray
    data: FloatArray
    method: str

    def predictions(self, thetas: FloatArray, own: IntArray) -> FloatArray:
        """Return scores, shape (models, own subjects); 0 for what predicts nothing."""
        predicted = thetas @ self.components
        scores = np.asarray(similarity(predicted, self.data[own], self.method))
        nothing = np.ptp(predicted, axis=1) <= 1e-14 * np.abs(predicted).max(axis=1, initial=0.0)
        scores[nothing] = np.where((np.ptp(self.data[own], axis=1) == 0) & np.isnan(scores[nothing]), np.nan, 0.0)
        return scores

    def means(self, weights: FloatArray, own: IntArray) -> FloatArray:
        """Return the similarity of weighted means of the subjects' ranks to the own ones."""
        pooled = weights @ midranks(self.data)
        return np.asarray(similarity(pooled, self.data[own], self.method))
