"""Regression of RDMs judged on items, or people, that it was not fitted to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

import numpy as np

from alignkit._check import NanPolicy, check_count
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._least_squares import RegressionMethod, System, solve, system
from alignkit.rsa._masks import masked_groups, part_of

Split = Literal["items", "subjects", "both"]
#: Items in a test fold at least: fewer have a single pair.
MIN_FOLD = 3


@dataclasses.dataclass(slots=True, eq=False)
class Errors:
    """Squared errors of data RDMs, shape (data RDMs,), and without each model, shape (models, data RDMs)."""

    full: FloatArray
    without: FloatArray
    total: FloatArray

    def plus(self, other: Errors) -> Errors:
        """Return the errors on both sets."""
        return Errors(self.full + other.full, self.without + other.without, self.total + other.total)

    @property
    def r2(self) -> FloatArray:
        """Share of the variance that is explained; NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(1 - self.full / np.where(self.total > 0, self.total, np.nan))

    @property
    def unique(self) -> FloatArray:
        """What every model adds to that, shape (models, data RDMs)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.without - self.full) / np.where(self.total > 0, self.total, np.nan))


def errors(train: System, test: System, method: RegressionMethod) -> Errors:
    """Fit ``train``, with all models and without each, and return the errors on ``test``."""
    full = error_of(train, test, method)
    n_models = train.model_means.size
    without = [error_of(train.without(j), test.without(j), method) for j in range(n_models)]
    return Errors(full, np.stack(without), test.total)


def error_of(train: System, test: System, method: RegressionMethod) -> FloatArray:
    """Fit ``train`` and return the squared error on ``test`` of every data RDM."""
    weights = solve(train, method)
    return test.squared_error(weights, train.intercepts(weights))


def default_folds(n_items: int) -> int:
    """Return how many folds of items to make; 0 where two would be too small."""
    if n_items < 2 * MIN_FOLD:
        return 0
    return 2 + sum(n_items >= least for least in (12, 24, 40))


def item_folds(n_items: int, n_folds: int, rng: np.random.Generator) -> list[IntArray]:
    """Return items at random in folds of about equal size."""
    return [np.sort(fold) for fold in np.array_split(rng.permutation(n_items), n_folds)]


def make_folds(n_items: int, n_folds: int | None, rng: np.random.Generator) -> tuple[list[IntArray], str]:
    """Return random folds of items, by default as many as there should be, or none and why.

    Raises
    ------
    ValueError
        More folds than there are items for.
    """
    if n_folds is not None:
        check_count("n_folds", n_folds, minimum=2)
        if n_items < MIN_FOLD * n_folds:
            msg = f"{n_folds} folds of {n_items} items would hold fewer than {MIN_FOLD} items each; lower n_folds."
            raise ValueError(msg)
    number = default_folds(n_items) if n_folds is None else n_folds
    if not number:
        return [], f"{n_items} items are too few to hold any out"
    return item_folds(n_items, number, rng), ""


def held_out_shares(
    rows: FloatArray,
    models: FloatArray,
    cells: IntArray,
    split: str,
    folds: list[IntArray],
    method: RegressionMethod,
    nan_policy: NanPolicy,
    *,
    intercept: bool,
) -> tuple[FloatArray, FloatArray]:
    """Return R² and unique shares, shapes (rows,) and (rows, models), on what was held out; NaN where nothing was.

    ``cells`` holds the positions of rows, shape (subjects, others).
    """
    r2, unique = np.full(len(rows), np.nan), np.full((len(rows), len(models)), np.nan)
    if split == "none" or (split != "subjects" and not folds):
        return r2, unique
    among = np.asarray(~np.isnan(models).any(axis=0))
    if split == "items":
        groups = [(own[None], valid) for own, valid in masked_groups(rows, nan_policy, among)]
    else:
        # subjects are averaged: pairs that one misses are missing for all
        missing = np.isnan(rows[cells]).any(axis=0)
        joint = np.where(missing, np.nan, 0.0)
        groups = [(cells[:, own], valid) for own, valid in masked_groups(joint, nan_policy, among)]
    for own, valid in groups:
        found = _held_out(rows, models, own, valid, folds, method, intercept=intercept)
        if found is not None:
            r2[own.ravel()], unique[own.ravel()] = found.r2, found.unique.T
    return r2, unique


def _held_out(
    rows: FloatArray,
    models: FloatArray,
    cells: IntArray,
    valid: BoolArray,
    folds: list[IntArray],
    method: RegressionMethod,
    *,
    intercept: bool,
) -> Errors | None:
    """Return the errors of the rows at ``cells`` summed over all splits; None where one has too few pairs."""
    sums: Errors | None = None
    every = np.arange(len(models))
    for train, test in pair_splits(valid, folds):
        if train.sum() < len(models) + 2 or test.sum() < 2:
            return None
        fit, judge = (
            system(part_of(models, every, pairs), part_of(rows, cells.ravel(), pairs), intercept=intercept)
            for pairs in (train, test)
        )
        found = errors(fit if len(cells) == 1 else _others_mean(fit, *cells.shape), judge, method)
        sums = found if sums is None else sums.plus(found)
    return sums


def pair_splits(known: BoolArray, folds: list[IntArray]) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Yield the pairs to fit and to judge; those between the two sets of items belong to neither."""
    if not folds:
        yield known, known
        return
    n = n_items_of(known.size)
    first, second = np.triu_indices(n, k=1)
    for fold in folds:
        out = np.zeros(n, dtype=bool)
        out[fold] = True
        yield known & ~out[first] & ~out[second], known & out[first] & out[second]


def _others_mean(fit: System, n_subjects: int, n_others: int) -> System:
    """Return the system whose data are, for every subject, the mean of all other subjects: sums of linear parts."""

    def mean(x: FloatArray) -> FloatArray:
        cells = x.reshape(*x.shape[:-1], n_subjects, n_others)
        return np.asarray(((cells.sum(axis=-2, keepdims=True) - cells) / (n_subjects - 1)).reshape(x.shape))

    return dataclasses.replace(fit, goals=mean(fit.goals), data_means=mean(fit.data_means))
