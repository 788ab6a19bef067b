"""Scores of models that are fitted to some items and subjects and judged on others, beside ceilings on those."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._inference._fitted_task import Task
from alignkit.rsa._inference._judges import Judges
from alignkit.rsa._inference._prepared_folds import PreparedFolds, prepared_folds


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Scores on held-out pairs: of models, shape (models, item folds, subjects), and ceilings (item folds, subjects).

    ``thetas`` holds the weights of every model, shape (item folds, subject folds, components). Of several cases at once
    all have a first axis more.
    """

    scores: FloatArray
    lower: FloatArray
    upper: FloatArray
    thetas: tuple[FloatArray, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Folds of subjects beside folds of items.

    ``sets``, shape (case,), says which set of folds of items belongs to a case; ``counts`` and ``labels``, shape (case,
    subjects), how often every subject was drawn, and in which of ``n_folds`` it is; -1: in none.
    """

    sets: IntArray
    counts: IntArray
    labels: IntArray
    n_folds: int

    @property
    def training(self) -> FloatArray:
        """How often every subject counts in the fit of every fold, shape (case, fold, subject)."""
        drawn = self.counts[:, None].astype(np.float64)
        if self.n_folds == 1:
            return drawn
        return drawn * (self.labels[:, None] != np.arange(self.n_folds)[:, None])


def held_out_scores(
    task: Task,
    item_folds: Sequence[IntArray],
    subject_folds: Sequence[IntArray],
    *,
    item_counts: IntArray | None = None,
    subject_counts: IntArray | None = None,
) -> HeldOut:
    """Fit models to what is in neither fold and judge them in both, for every fold of items and of subjects.

    One fold of items (or of subjects) holds them all, and is fitted to them as well. Only pairs within a fold of items
    are judged, and only pairs within the others are fitted. Copies of items and subjects count several times.

    A prediction that is zero (or constant) scores 0: it explains nothing. A model that is so over all pairs has no
    score, as in :func:`alignkit.rsa.compare`. Ceilings are those of the judged subjects:
    their similarity to the mean of those that models are fitted to (of all others where no subjects are held out), and
    to that of all.
    """
    items = np.ones(task.n_items, dtype=np.int64) if item_counts is None else item_counts
    subjects = np.ones(len(task.data), dtype=np.int64) if subject_counts is None else subject_counts
    labels, own = _labels(item_folds, task.n_items), _labels(subject_folds, len(task.data))
    prepared = prepared_folds(task, items[None], labels[None], len(item_folds))
    found = score(task, prepared, Cases(np.zeros(1, dtype=np.int64), subjects[None], own[None], len(subject_folds)))
    thetas = tuple(theta[0] for theta in found.thetas)
    return HeldOut(found.scores[0], found.lower[0], found.upper[0], thetas)


def _labels(folds: Sequence[IntArray], n: int) -> IntArray:
    labels = np.full(n, -1)
    for f, fold in enumerate(folds):
        labels[fold] = f
    return labels


def score(task: Task, prepared: PreparedFolds, cases: Cases) -> HeldOut:
    """Return what :func:`held_out_scores` does, of many cases at once."""
    weights = cases.training
    training = prepared.training(cases.sets, weights)
    thetas, fitted = [], np.empty((*training.target.shape[:-1], len(task.models), len(task.components)))
    for m, (model, part) in enumerate(zip(task.models, task.parts, strict=True)):
        thetas.append(model.weights(training.part(part)))
        fitted[..., m, :] = thetas[-1] @ (part[:, None] == np.arange(len(task.components)))
    judges, everybody = prepared.judges, cases.counts[:, None].astype(np.float64)
    scores = judges.predictions(cases.sets, fitted, cases.labels)
    scores[:, task.nowhere] = np.nan
    return HeldOut(
        scores,
        _lower(judges, cases, weights),
        judges.means(cases.sets, everybody, np.minimum(cases.labels, 0)),
        tuple(thetas),
    )


def _lower(judges: Judges, cases: Cases, weights: FloatArray) -> FloatArray:
    """Return the similarity of subjects to the mean of those that models were fitted to, or of all others."""
    if cases.n_folds > 1:
        return judges.means(cases.sets, weights, cases.labels)
    n = cases.labels.shape[1]
    groups = np.where(cases.labels < 0, -1, np.arange(n))
    return judges.means(cases.sets, weights * (1 - np.eye(n)), groups)
