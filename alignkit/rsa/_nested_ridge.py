"""Weights of features' RDMs with the penalty chosen within the training items, judged on pairs of held-out items."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._container import pair_index
from alignkit.rsa._difference_sums import DifferenceSums, difference_sums, predicted
from alignkit.rsa._held_out import item_folds
from alignkit.rsa._pooling import pools
from alignkit.rsa._pools import Pool
from alignkit.rsa._rank import midranks
from alignkit.rsa._similarity_methods import standardise


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Reweighting:
    """Features, shape (items, features), complete RDMs, shape (subjects, pairs), and how they are fitted to these.

    ``penalties`` run from the largest to the smallest.
    """

    features: FloatArray
    rdms: FloatArray
    penalties: FloatArray
    method: str
    nonnegative: bool
    standardize: bool
    n_inner: int

    def nested(
        self, n_folds: int, rng: np.random.Generator, tick: Callable[[], object]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return held-out scores, those of equal weights, and ceilings, of subjects, averaged over random folds.

        Shapes (subjects,), (subjects,) and (2, subjects).
        """
        n_items = len(self.features)
        found = []
        for test in item_folds(n_items, n_folds, rng):
            train = np.setdiff1d(np.arange(n_items), test)
            chosen = self.chosen(train, rng)
            weights = self.fitted(train, chosen)
            x, target = self._scaled(train, test), self._pairs(test)
            equal = predicted(x, np.ones((x.shape[1], 1)))
            found.append(
                np.stack(
                    [
                        paired_scores(predicted(x, weights), target, self.method),
                        paired_scores(np.broadcast_to(equal, target.shape), target, self.method),
                        *_bounds(target, self.method),
                    ]
                )
            )
            tick()
        mean = np.mean(found, axis=0)
        return mean[0], mean[1], mean[2:]

    def chosen(self, items: IntArray, rng: np.random.Generator) -> IntArray:
        """Return the position of the penalty that predicts every subject best on folds within ``items``."""
        table = np.zeros((len(self.penalties), len(self.rdms)))
        for fold in item_folds(len(items), self.n_inner, rng):
            test, train = items[fold], np.delete(items, fold)
            sums, x, target = self._sums(train), self._scaled(train, test), self._pairs(test)
            for k, penalty in enumerate(self.penalties):
                weights = sums.weights(penalty, nonnegative=self.nonnegative)
                table[k] += np.nan_to_num(paired_scores(predicted(x, weights), target, self.method))
        return np.asarray(table.argmax(axis=0))

    def fitted(self, items: IntArray, chosen: IntArray) -> FloatArray:
        """Return weights for features on the scale of ``items``, shape (features, subjects)."""
        sums = self._sums(items)
        weights = np.empty((self.features.shape[1], len(self.rdms)))
        for k in np.unique(chosen):
            own = chosen == k
            part = DifferenceSums(sums.gram, sums.crossed[:, own])
            weights[:, own] = part.weights(self.penalties[k], nonnegative=self.nonnegative)
        return weights

    def _sums(self, items: IntArray) -> DifferenceSums:
        return difference_sums(self._scaled(items, items), self._pairs(items))

    def scales(self, items: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return what is taken off features and what they are multiplied by; 0 for those that are constant."""
        x = self.features[items]
        spread = x.std(axis=0)
        constant = x.max(axis=0) == x.min(axis=0)
        size = np.where(constant, 1.0, spread) if self.standardize else np.ones(x.shape[1])
        return x.mean(axis=0), np.where(constant, 0.0, 1 / size)

    def _scaled(self, items: IntArray, others: IntArray) -> FloatArray:
        """Return the features of ``others`` on the scale of ``items``."""
        mean, factor = self.scales(items)
        return np.asarray((self.features[others] - mean) * factor)

    def _pairs(self, items: IntArray) -> FloatArray:
        first, second = np.triu_indices(len(items), k=1)
        return self.rdms[:, pair_index(items[first], items[second], len(self.features))]


def paired_scores(prediction: FloatArray, target: FloatArray, method: str) -> FloatArray:
    """Return the correlation of every row with the row beside it; 0 for a prediction that is constant."""
    sides = (prediction, target) if method == "pearson" else (midranks(prediction), midranks(target))
    x, y = (np.asarray(standardise(np.asarray(side))) for side in sides)
    nothing = np.isnan(x[:, 0]) & ~np.isnan(y[:, 0])
    scores = np.einsum("sp,sp->s", x, y)
    scores[nothing] = 0.0
    return np.clip(scores, -1.0, 1.0)


def _bounds(rdms: FloatArray, method: str) -> FloatArray:
    """Return the lower and upper noise ceiling of every subject on some pairs; NaN for one subject."""
    if len(rdms) < 2:
        return np.full((2, len(rdms)), np.nan)
    pool: Pool = pools(rdms[:, None], method, "rank", np.ones(rdms.shape[1], dtype=bool))[0]
    return pool.bounds(np.ones((1, len(rdms))))[0]
