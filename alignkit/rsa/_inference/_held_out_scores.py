"""Scores of models that are fitted to some items and subjects and judged on others, beside ceilings on those."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._inference._evaluated_models import parts_of
from alignkit.rsa._inference._fold_grams import columns_of, fold_grams, without_controls
from alignkit.rsa._inference._item_sample import ItemSample, item_sample, whitened_gram
from alignkit.rsa._inference._judges import GramJudge, Judge, RowJudge
from alignkit.rsa._model_fits import Training
from alignkit.rsa._models import Model, SelectedModel
from alignkit.rsa._rank import midranks
from alignkit.rsa._rescale import rescale
from alignkit.rsa._similarity_methods import RANK_METHODS, similarity
from alignkit.rsa._training import lengths, linear_vectors


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Models and data over the same items.

    ``components``, shape (components, pairs), holds those of all models, whose own ones are ``parts``; ``data`` has the
    shape (subjects, pairs), ``controls`` (controls, pairs); ``among`` marks the pairs that count. ``columns`` are all
    rows as :func:`fold_grams` takes them, for the methods that it knows.
    """

    models: tuple[Model, ...]
    components: FloatArray
    parts: tuple[slice, ...]
    data: FloatArray
    controls: FloatArray
    method: str
    among: BoolArray
    columns: FloatArray | None
    sigma_k: FloatArray | None = None

    @property
    def n_items(self) -> int:
        """Number of items."""
        return n_items_of(self.among.size)

    @property
    def ranked(self) -> bool:
        """Whether the method sees ranks only."""
        return self.method in RANK_METHODS


def task_of(
    models: Sequence[Model],
    rows: Sequence[FloatArray],
    data: FloatArray,
    method: str,
    *,
    controls: FloatArray | None = None,
    sigma_k: FloatArray | None = None,
) -> Task:
    """Return the task of models, whose components over the items of the data are ``rows``; NaN pairs leave."""
    parts = parts_of([len(one) for one in rows])
    others = np.zeros((0, data.shape[1])) if controls is None else controls
    among = np.asarray(~np.isnan(np.concatenate([*rows, data, others])).any(axis=0))
    filled = [np.where(among, one, 0.0) for one in (*rows, data, others)]
    # units do not matter, but squares must stay within range; a model's components keep theirs to one another
    components = np.concatenate([rescale(one, (-2, -1))[0] for one in filled[: len(rows)]])
    clean = [components, *(rescale(one, -1)[0] for one in filled[len(rows) :])]
    columns = None
    if method in ("pearson", "cosine"):
        columns = columns_of(np.concatenate(clean), among, centred=method == "pearson")
    return Task(tuple(models), clean[0], parts, clean[1], clean[2], method, among, columns, sigma_k)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Scores on held-out pairs: of models, shape (models, item folds, subjects), and ceilings (item folds, subjects).

    ``thetas`` holds the weights of every model, shape (item folds, subject folds, components).
    """

    scores: FloatArray
    lower: FloatArray
    upper: FloatArray
    thetas: tuple[FloatArray, ...]


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

    A prediction that is zero (or constant) scores 0: it explains nothing. Ceilings are those of the judged subjects:
    their similarity to the mean of those that models are fitted to (of all others where no subjects are held out), and
    to that of all.
    """
    items = np.ones(task.n_items, dtype=np.int64) if item_counts is None else item_counts
    subjects = np.ones(len(task.data), dtype=np.int64) if subject_counts is None else subject_counts
    return score(task, prepare(task, item_folds, items), subject_folds, subjects)


def prepare(task: Task, folds: Sequence[IntArray], counts: IntArray) -> Prepared:
    """Return, for every fold of items, how to fit to all others and how to judge in it; None without two pairs."""
    n, n_controls = len(task.components), len(task.controls)
    if task.columns is None:
        return [_fold(task, counts, fold, alone=len(folds) == 1) for fold in folds]
    grams = fold_grams(task.columns, counts, folds, centred=task.method == "pearson")
    found = ((without_controls(train, n_controls), without_controls(test, n_controls)) for train, test in grams)
    return [(Trainer(train, n, None), _gram_judge(test, n)) for train, test in found]


def score(
    task: Task,
    prepared: Prepared,
    subject_folds: Sequence[IntArray],
    subject_counts: IntArray,
) -> HeldOut:
    """Return what :func:`held_out_scores` does, of folds of items that are prepared."""
    drawn = subject_counts.astype(np.float64)
    folds = _training_weights(subject_folds, drawn)
    shape = (len(prepared), len(task.data))
    scores = np.full((len(task.models), *shape), np.nan)
    lower, upper = np.full(shape, np.nan), np.full(shape, np.nan)
    thetas = [np.full((len(prepared), len(subject_folds), model.n_components), np.nan) for model in task.models]
    for i, pair in enumerate(prepared):
        if pair is None:
            continue
        trainer, judge = pair
        for f, own in enumerate(subject_folds):
            fitted = np.zeros((len(task.models), len(task.components)))
            training = trainer(folds[f])
            for m, (model, part) in enumerate(zip(task.models, task.parts, strict=True)):
                fitted[m, part] = thetas[m][i, f] = model.weights(training.part(part))
            scores[:, i, own] = judge.predictions(fitted, own)
            lower[i, own] = _lower(judge, folds[f], own, alone=len(subject_folds) == 1)
            upper[i, own] = judge.means(drawn[None], own)[0]
    return HeldOut(scores, lower, upper, tuple(thetas))


def _lower(judge: Judge, weights: FloatArray, own: IntArray, *, alone: bool) -> FloatArray:
    """Return the similarity of subjects to the mean of those that models were fitted to, or of all others."""
    if not alone:
        return judge.means(weights[None], own)[0]
    others = np.tile(weights, (len(own), 1))
    others[np.arange(len(own)), own] = 0.0
    return np.diagonal(judge.means(others, own))


def _fold(task: Task, counts: IntArray, fold: IntArray, *, alone: bool) -> tuple[Trainer, Judge] | None:
    inside = np.zeros(task.n_items, dtype=bool)
    inside[fold] = True
    test = item_sample(counts * inside, task.among)
    train = test if alone else item_sample(counts * ~inside, task.among)
    if len(test.copies) < 2 or len(train.copies) < 2:
        return None
    if task.ranked and len(task.controls):
        return _partial_ranks(task, test)
    if task.ranked:
        components, data = (np.take(x, test.copies, axis=1) for x in (task.components, task.data))
        return _trainer_of_ranks(task, train), RowJudge(components, data, task.method)
    n, rows = len(task.components), np.concatenate([task.components, task.data])
    grams = [whitened_gram(rows, sample, task.method, task.sigma_k) for sample in (train, test)]
    return Trainer(grams[0], n, None), _gram_judge(grams[1], n)


def _partial_ranks(task: Task, sample: ItemSample) -> tuple[Trainer, Judge]:
    """Return the products of ranks less what those of the controls explain: for components that are not mixed."""
    rows = np.concatenate([task.components, task.data, task.controls])
    ranks = linear_vectors(midranks(np.take(rows, sample.copies, axis=1)), "pearson", task.among, None)
    gram, n = without_controls(ranks @ ranks.T, len(task.controls)), len(task.components)
    return Trainer(gram, n, None), _gram_judge(gram, n)


def _gram_judge(gram: FloatArray, n: int) -> GramJudge:
    return GramJudge(gram[:n, :n], gram[:n, n:], gram[n:, n:])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Trainer:
    """Products of components and data over the pairs to fit, and the components' scores where those do not say them."""

    gram: FloatArray
    n_components: int
    scores: FloatArray | None

    def __call__(self, weights: FloatArray) -> Training:
        """Return what fits need where subjects count ``weights`` times."""
        n, own = self.n_components, np.flatnonzero(weights)
        shares = weights[own] / weights[own].sum()
        crossed = self.gram[:n, n:][:, own] / lengths(np.diagonal(self.gram)[n:][own])
        products = self.gram[:n, :n]
        scores = crossed / lengths(np.diagonal(products))[:, None] if self.scores is None else self.scores[:, own]
        return Training(products, crossed @ shares, scores @ shares)


def _trainer_of_ranks(task: Task, train: ItemSample) -> Trainer:
    components, data = (np.take(x, train.copies, axis=1) for x in (task.components, task.data))
    rows = np.concatenate([components, midranks(data)])
    rows = linear_vectors(rows, "pearson", task.among, None)
    scores = np.full((len(components), len(data)), np.nan)
    for model, part in zip(task.models, task.parts, strict=True):
        if isinstance(model, SelectedModel):
            scores[part] = similarity(components[part], data, task.method)
    return Trainer(rows @ rows.T, len(components), scores)


def _training_weights(subject_folds: Sequence[IntArray], drawn: FloatArray) -> list[FloatArray]:
    """Return how often every subject counts in the fit of every fold."""
    found = []
    for fold in subject_folds:
        weights = drawn.copy()
        if len(subject_folds) > 1:
            weights[fold] = 0.0
        found.append(weights)
    return found


#: For every fold of items how to fit to all others and how to judge in it; None without two pairs.
Prepared = Sequence[tuple[Trainer, Judge] | None]
