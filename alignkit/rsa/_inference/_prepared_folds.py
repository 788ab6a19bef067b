"""Folds of several sets of items, ready to fit models to all but one of them and to judge in it."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._inference._fitted_task import Task
from alignkit.rsa._inference._fold_grams import fold_grams, without_controls
from alignkit.rsa._inference._item_sample import ItemSample, item_sample, whitened_gram
from alignkit.rsa._inference._judges import GramJudges, Judges, RowJudges
from alignkit.rsa._inference._rank_folds import RankJudges, rank_products
from alignkit.rsa._inference._whitened_folds import whitened_grams
from alignkit.rsa._matrix_methods import WHITENED
from alignkit.rsa._model_fits import Training
from alignkit.rsa._rank import midranks
from alignkit.rsa._similarity_methods import similarity
from alignkit.rsa._training import lengths, linear_vectors


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PreparedFolds:
    """What fits need over the pairs within all other folds, and what judges in each.

    ``gram``, shape (set, fold, component, component), ``crossed`` and ``scores``, shape (set, fold, component,
    subject): products of components, with subjects at unit length, and similarities. NaN without two pairs.
    """

    gram: FloatArray
    crossed: FloatArray
    scores: FloatArray
    judges: Judges

    def training(self, sets: IntArray, weights: FloatArray) -> Training:
        """Return what fits need where subjects count ``weights`` times, shape (case, group, subject).

        What comes before the components has the shape (case, fold, group).
        """
        with np.errstate(invalid="ignore"):
            shares = weights / weights.sum(axis=-1, keepdims=True)
        target, scores = (_means(values[sets], shares) for values in (self.crossed, self.scores))
        return Training(self.gram[sets][:, :, None], target, scores)


def _means(values: FloatArray, shares: FloatArray) -> FloatArray:
    """Return means over subjects, (case, fold, group, component); NaN where one of them is."""
    missing, each = np.isnan(values), shares[:, None].swapaxes(-1, -2)
    sums, gone = np.where(missing, 0.0, values) @ each, missing.astype(np.float64) @ (each > 0)
    return np.asarray(np.where(gone > 0, np.nan, sums).swapaxes(-1, -2))


def prepared_folds(task: Task, counts: IntArray, labels: IntArray, n_folds: int) -> PreparedFolds:
    """Return the folds of sets of items, ``labels``, drawn ``counts`` times, both of shape (set, items).

    Items of no fold have the label -1. One fold alone is its own training.
    """
    n = len(task.components)
    plain = not task.ranked and task.method not in WHITENED
    if task.method in ("spearman", "rho-a") and not len(task.controls):
        return _of_ranks(task, counts, labels, n_folds)
    if task.ranked and not len(task.controls):
        return _of_rows(task, counts, labels, n_folds)
    if plain:
        found = fold_grams(task.columns, counts, labels, n_folds, centred=task.method == "pearson")
        train, test = (without_controls(gram, len(task.controls)) for gram in found)
    elif not task.ranked and task.among.all() and (task.sigma_k is None or task.sigma_k.ndim == 1):
        rows, centred = np.concatenate([task.components, task.data]), WHITENED[task.method] == "pearson"
        train, test = whitened_grams(rows, counts, labels, n_folds, task.sigma_k, centred=centred)
    else:
        train, test = _written_out(task, counts, labels, n_folds)
    gram, crossed = train[..., :n, :n], train[..., :n, n:]
    squares = np.diagonal(train, axis1=-2, axis2=-1)
    crossed = crossed / lengths(squares[..., n:])[..., None, :]
    return PreparedFolds(gram, crossed, crossed / lengths(squares[..., :n])[..., None], GramJudges(test, n))


def _of_ranks(task: Task, counts: IntArray, labels: IntArray, n_folds: int) -> PreparedFolds:
    from alignkit.rsa._kernels._rank_folds_numba import fold_rows, trained_ranks

    n, rho_a = len(task.components), task.method == "rho-a"
    gram = fold_grams(task.columns, counts, labels, n_folds, centred=True)[0]
    values = np.ascontiguousarray(task.columns[:, :n].T)
    trained = trained_ranks(task.sorted_rows, values, task.chosen, counts, labels, n_folds)
    crossed, scores = rank_products(trained, gram, task.chosen, rho_a=rho_a)
    few = trained.total < 2
    rows = fold_rows(task.sorted_rows, task.components, counts, labels, n_folds)
    rows = rows._replace(total=np.where(few, 0.0, rows.total))
    return PreparedFolds(gram, np.where(few[..., None, None], np.nan, crossed), scores, RankJudges(rows, rho_a))


def _of_rows(task: Task, counts: IntArray, labels: IntArray, n_folds: int) -> PreparedFolds:
    """Return the folds for any method of ranks, one after the other."""
    n, n_subjects, shape = len(task.components), len(task.data), (len(counts), n_folds)
    gram, crossed = np.full((*shape, n, n), np.nan), np.full((*shape, n, n_subjects), np.nan)
    scores = np.full((*shape, n, n_subjects), np.nan)
    samples: list[list[tuple[FloatArray, FloatArray] | None]] = [[None] * n_folds for _ in counts]
    for b, f, train, test in _samples(task, counts, labels, n_folds):
        components, data = (np.take(x, train.copies, axis=1) for x in (task.components, task.data))
        rows = linear_vectors(np.concatenate([components, midranks(data)]), "pearson", task.among, None)
        products = rows @ rows.T
        gram[b, f] = products[:n, :n]
        crossed[b, f] = products[:n, n:] / lengths(np.diagonal(products)[n:])
        if task.chosen.any():
            scores[b, f, task.chosen] = similarity(components[task.chosen], data, task.method)
        samples[b][f] = np.take(task.components, test.copies, axis=1), np.take(task.data, test.copies, axis=1)
    return PreparedFolds(gram, crossed, scores, RowJudges(samples, task.method))


def _written_out(task: Task, counts: IntArray, labels: IntArray, n_folds: int) -> tuple[FloatArray, FloatArray]:
    """Return products within all other folds and within each, pair by pair."""
    rows, n_controls = np.concatenate([task.components, task.data, task.controls]), len(task.controls)
    size = len(rows) - n_controls
    found = np.full((2, len(counts), n_folds, size, size), np.nan)
    for b, f, train, test in _samples(task, counts, labels, n_folds):
        if task.ranked:
            # components that are not mixed: nothing is fitted
            ranks = midranks(np.take(rows, test.copies, axis=1))
            vectors = linear_vectors(ranks, "pearson", task.among, None)
            found[:, b, f] = without_controls(vectors @ vectors.T, n_controls)
        else:
            found[:, b, f] = [whitened_gram(rows, one, task.method, task.sigma_k) for one in (train, test)]
    return found[0], found[1]


def _samples(
    task: Task, counts: IntArray, labels: IntArray, n_folds: int
) -> list[tuple[int, int, ItemSample, ItemSample]]:
    """Return, for every set and fold, the pairs to fit and to judge, where there are two of each."""
    found = []
    for b, f in np.ndindex(len(counts), n_folds):
        own = labels[b] == f
        test = item_sample(counts[b] * own, task.among)
        train = test if n_folds == 1 else item_sample(counts[b] * (~own & (labels[b] >= 0)), task.among)
        if min(len(test.copies), len(train.copies)) > 1:
            found.append((b, f, train, test))
    return found
