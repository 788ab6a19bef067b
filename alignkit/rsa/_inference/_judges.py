"""How predictions, and means of subjects, are scored on the pairs of held-out items."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._rank import midranks
from alignkit.rsa._similarity_methods import similarity
from alignkit.rsa._training import lengths, weighted_sums


class Judges(Protocol):
    """Similarities to subjects on the pairs within the folds of several sets of items.

    A case is a set, ``sets`` (case,), in which every subject has a group, ``groups`` (case, subject); -1: not judged.
    """

    def predictions(self, sets: IntArray, thetas: FloatArray, groups: IntArray) -> FloatArray:
        """Return scores, shape (case, model, fold, subject); 0 for what predicts nothing.

        ``thetas``, shape (case, fold, group, model, component), are weights of all components.
        """

    def means(self, sets: IntArray, weights: FloatArray, groups: IntArray) -> FloatArray:
        """Return the similarity of means of subjects to each subject, shape (case, fold, subject).

        ``weights``, shape (case, group, subject), say how often every subject counts in the mean of a group.
        """


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class GramJudges:
    """Scores from the products of all components and subjects, (set, fold, row, row), where the method is a cosine."""

    grams: FloatArray
    n_components: int

    def predictions(self, sets: IntArray, thetas: FloatArray, groups: IntArray) -> FloatArray:
        """Return scores, shape (case, model, fold, subject); 0 for what predicts nothing."""
        grams, n = self.grams[sets][:, :, None], self.n_components
        own_lengths = lengths(np.diagonal(grams, axis1=-2, axis2=-1)[..., n:])[..., None, :]
        squared = ((thetas @ grams[..., :n, :n]) * thetas).sum(axis=-1)
        nothing = ~(squared > 0) & ~np.isnan(squared)
        scores = thetas @ grams[..., :n, n:] / (lengths(squared)[..., None] * own_lengths)
        scores = np.where(nothing[..., None], np.where(np.isnan(own_lengths), np.nan, 0.0), scores)
        return _of_groups(np.clip(scores.transpose(0, 3, 1, 2, 4), -1.0, 1.0), groups[:, None, None])

    def means(self, sets: IntArray, weights: FloatArray, groups: IntArray) -> FloatArray:
        """Return the similarity of weighted means of the subjects, each at unit length, to each."""
        subjects = self.grams[sets][:, :, self.n_components :, self.n_components :]
        sizes = lengths(np.diagonal(subjects, axis1=-2, axis2=-1))
        units = subjects / sizes[..., :, None] / sizes[..., None, :]
        crossed = weights[:, None] @ units
        squared = (crossed * weights[:, None]).sum(axis=-1)
        return _of_groups(np.clip(crossed / lengths(squared)[..., None], -1.0, 1.0), groups[:, None])


def _of_groups(values: FloatArray, groups: IntArray) -> FloatArray:
    """Return of values, shape (..., group, subject), those of every subject's group; NaN where it has none."""
    where = np.broadcast_to(np.maximum(groups, 0), (*values.shape[:-2], values.shape[-1]))
    chosen = np.take_along_axis(values, where[..., None, :], axis=-2)[..., 0, :]
    return np.where(groups < 0, np.nan, chosen)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RowJudges:
    """Scores of any method of ranks, one fold after the other: every prediction is ranked anew.

    ``samples`` holds, for every set and fold, the components and the subjects over the pairs of its items, or None.
    """

    samples: Sequence[Sequence[tuple[FloatArray, FloatArray] | None]]
    method: str

    def predictions(self, sets: IntArray, thetas: FloatArray, groups: IntArray) -> FloatArray:
        """Return scores, shape (case, model, fold, subject); 0 for what predicts nothing."""
        found = np.full((len(sets), thetas.shape[3], thetas.shape[1], groups.shape[1]), np.nan)
        for case, f, components, data in self._each(sets):
            for group, own in _members(groups[case]):
                found[case, :, f, own] = self._predicted(weighted_sums(thetas[case, f, group], components), data[own]).T
        return found

    def _predicted(self, predicted: FloatArray, data: FloatArray) -> FloatArray:
        scores = np.asarray(similarity(predicted, data, self.method))
        nothing = np.ptp(predicted, axis=1) <= 1e-14 * np.abs(predicted).max(axis=1, initial=0.0)
        scores[nothing] = np.where((np.ptp(data, axis=1) == 0) & np.isnan(scores[nothing]), np.nan, 0.0)
        return scores

    def means(self, sets: IntArray, weights: FloatArray, groups: IntArray) -> FloatArray:
        """Return the similarity of weighted means of the subjects' ranks to each subject."""
        found = np.full((len(sets), len(self.samples[0]), groups.shape[1]), np.nan)
        for case, f, _, data in self._each(sets):
            ranks = midranks(data)
            for group, own in _members(groups[case]):
                pooled = weights[case, group] @ ranks
                found[case, f, own] = similarity(pooled[None], data[own], self.method)[0]
        return found

    def _each(self, sets: IntArray) -> list[tuple[int, int, FloatArray, FloatArray]]:
        given = ((case, f, one) for case, k in enumerate(sets) for f, one in enumerate(self.samples[k]))
        return [(case, f, *one) for case, f, one in given if one is not None]


def _members(groups: IntArray) -> list[tuple[int, IntArray]]:
    return [(int(group), np.flatnonzero(groups == group)) for group in np.unique(groups[groups >= 0])]
