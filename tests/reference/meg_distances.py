"""Plain loops: noise covariances of training trials, and cross-validated distances of one time point."""

from __future__ import annotations

import numpy as np
from sklearn.covariance import LedoitWolf


def residuals_of(x, condition):
    """Trials less the mean of their condition; ``x`` has shape (trials, channels)."""
    out = np.empty_like(x)
    for i, row in enumerate(x):
        out[i] = row - np.mean([x[j] for j in range(len(x)) if condition[j] == condition[i]], axis=0)
    return out


def shrunk_covariance(x, condition, shrinkage="ledoit-wolf"):
    """Covariance of residuals over degrees of freedom, shrunk as scikit-learn does."""
    residuals = residuals_of(x, condition)
    dof = len(x) - len(set(condition))
    if shrinkage == "ledoit-wolf":
        return LedoitWolf(assume_centered=True).fit(residuals).covariance_ * len(x) / dof
    sample = residuals.T @ residuals / dof
    weight = 0.0 if shrinkage == "none" else shrinkage
    return (1 - weight) * sample + weight * np.trace(sample) / len(sample) * np.eye(len(sample))


def training_covariance(x, condition, fold, k, shrinkage="ledoit-wolf"):
    """Covariance of the trials outside fold ``k``; None for all trials."""
    keep = np.ones(len(x), dtype=bool) if k is None else np.asarray(fold) != k
    return shrunk_covariance(x[keep], np.asarray(condition)[keep], shrinkage)


def crossnobis_of_trials(x, condition, fold, precisions):
    """Mean over all ordered pairs of trials from different folds, elementwise, of one time; not condensed.

    ``precisions`` holds one matrix per test fold.
    """
    n = max(condition) + 1
    inner = np.full((n, n), np.nan)
    for i in range(n):
        for j in range(n):
            terms = [
                x[a] @ precisions[fold[b]] @ x[b]
                for a in np.flatnonzero(condition == i)
                for b in np.flatnonzero(condition == j)
                if fold[a] != fold[b]
            ]
            if terms:
                inner[i, j] = np.mean(terms)
    inner = (inner + inner.T) / 2
    return (np.diag(inner)[:, None] + np.diag(inner) - 2 * inner) / x.shape[1]


def crossnobis_leave_one_out(x, condition, fold, precisions):
    """Mean over folds of the product of training and test differences; not condensed."""
    n, folds = max(condition) + 1, sorted(set(fold))
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            for k in folds:
                training, test = (
                    x[(condition == i) & mask].mean(axis=0) - x[(condition == j) & mask].mean(axis=0)
                    for mask in (fold != k, fold == k)
                )
                out[i, j] += training @ precisions[k] @ test / len(folds) / x.shape[1]
    return out


def crossnobis_fold_pairs(x, condition, fold, precisions):
    """Mean over ordered pairs of folds that hold both conditions; not condensed."""
    n, folds = max(condition) + 1, sorted(set(fold))
    out = np.full((n, n), np.nan)
    for i in range(n):
        for j in range(n):
            terms = []
            for training in folds:
                for test in folds:
                    parts = [x[(condition == what) & (fold == where)] for what in (i, j) for where in (training, test)]
                    if training != test and all(map(len, parts)):
                        means = [part.mean(axis=0) for part in parts]
                        terms.append((means[0] - means[2]) @ precisions[test] @ (means[1] - means[3]))
            if terms:
                out[i, j] = np.mean(terms) / x.shape[1]
    return out


def correlation_between_folds(x, condition, fold, roots):
    """1 - c_ij / sqrt(c_ii c_jj), c the mean over folds of the covariance of training and test mean; not condensed.

    ``roots`` holds a symmetric whitening matrix per test fold.
    """
    n, folds = max(condition) + 1, sorted(set(fold))
    c = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            for k in folds:
                training = x[(condition == i) & (fold != k)].mean(axis=0) @ roots[k]
                test = x[(condition == j) & (fold == k)].mean(axis=0) @ roots[k]
                c[i, j] += (training - training.mean()) @ (test - test.mean()) / len(folds)
    c = (c + c.T) / 2
    return 1 - c / np.sqrt(np.outer(np.diag(c), np.diag(c)))
