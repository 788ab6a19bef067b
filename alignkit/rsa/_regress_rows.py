"""Fits of many data RDMs, those with the same missing pairs together."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._check import NanPolicy
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._held_out import errors
from alignkit.rsa._least_squares import RegressionMethod, redundant_models, solve, system
from alignkit.rsa._masks import masked_groups, part_of


@dataclasses.dataclass(slots=True, eq=False)
class Fit:
    """Weights, shape (data RDMs, models), and what they explain of the pairs that they were fitted to."""

    weights: FloatArray
    intercept: FloatArray
    r2: FloatArray
    unique: FloatArray
    relative_size: FloatArray
    n_pairs: IntArray
    redundant: set[int]

    def standardized(self) -> FloatArray:
        """Return the weights in standard deviations of model and data."""
        return self.weights * self.relative_size


def fit_rows(
    rows: FloatArray, models: FloatArray, method: RegressionMethod, nan_policy: NanPolicy, *, intercept: bool
) -> Fit:
    """Fit every row as a sum of ``models``; what cannot be fitted is NaN."""
    shape = (len(rows), len(models))
    fit = Fit(
        weights=np.full(shape, np.nan),
        intercept=np.full(len(rows), np.nan),
        r2=np.full(len(rows), np.nan),
        unique=np.full(shape, np.nan),
        relative_size=np.full(shape, np.nan),
        n_pairs=np.zeros(len(rows), dtype=np.int64),
        redundant=set(),
    )
    every = np.arange(len(models))
    for own, valid in masked_groups(rows, nan_policy, np.asarray(~np.isnan(models).any(axis=0))):
        fit.n_pairs[own] = valid.sum()
        if valid.sum() < len(models) + intercept:
            continue
        given = system(part_of(models, every, valid), part_of(rows, own, valid), intercept=intercept)
        weights, found = solve(given, method), errors(given, given, method)
        fit.weights[own], fit.intercept[own] = weights.T, given.intercepts(weights)
        fit.r2[own], fit.unique[own] = found.r2, found.unique.T
        sizes = np.sqrt(np.where(given.total > 0, given.total, np.nan))
        fit.relative_size[own] = np.linalg.norm(given.root, axis=0) / sizes[:, None]
        fit.redundant |= set(np.flatnonzero(redundant_models(given.root, given.n_pairs)).tolist())
    return fit
