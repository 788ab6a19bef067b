"""R² of every subset of models on items that they were not fitted to."""

from __future__ import annotations

import numpy as np

from alignkit._check import NanPolicy
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._held_out import error_of, pair_splits
from alignkit.rsa._least_squares import system
from alignkit.rsa._masks import masked_groups, part_of
from alignkit.rsa._rank import midranks
from alignkit.rsa._shares import subsets_of


def held_out_subsets(
    models: FloatArray, rows: FloatArray, folds: list[IntArray], method: str, nan_policy: NanPolicy
) -> FloatArray:
    """Return R², shape (subsets, rows): one less squared error over variance, both summed over folds of items.

    NaN without folds, and where too few pairs are left. Ranks are taken within the pairs that are fitted and within
    those that are judged, as shares of their number, so that neither sees the other.
    """
    n_subsets = 2 ** len(models) - 1
    r2 = np.full((n_subsets, len(rows)), np.nan)
    if not folds:
        return r2
    for own, valid in masked_groups(rows, nan_policy, np.asarray(~np.isnan(models).any(axis=0))):
        found = _summed(models, rows[own], valid, folds, method)
        if found is not None:
            errors, total = found
            with np.errstate(invalid="ignore", divide="ignore"):
                r2[:, own] = 1 - errors / np.where(total > 0, total, np.nan)
    return r2


def _summed(
    models: FloatArray, rows: FloatArray, valid: BoolArray, folds: list[IntArray], method: str
) -> tuple[FloatArray, FloatArray] | None:
    """Return the squared errors of every subset, shape (subsets, rows), and the variance, summed over folds."""
    subsets = [np.array(subset) for subset in subsets_of(len(models))]
    errors, total = np.zeros((len(subsets), len(rows))), np.zeros(len(rows))
    every_model, every_row = np.arange(len(models)), np.arange(len(rows))
    for train_pairs, test_pairs in pair_splits(valid, folds):
        if train_pairs.sum() < len(models) + 2 or test_pairs.sum() < 2:
            return None
        train, test = (
            system(
                _scaled(part_of(models, every_model, pairs), method),
                _scaled(part_of(rows, every_row, pairs), method),
                intercept=True,
            )
            for pairs in (train_pairs, test_pairs)
        )
        total += test.total
        for k, subset in enumerate(subsets):
            errors[k] += error_of(train.only(subset), test.only(subset), "ols")
    return errors, total


def _scaled(rows: FloatArray, method: str) -> FloatArray:
    return np.asarray(midranks(rows) / rows.shape[1]) if method == "spearman" else rows
