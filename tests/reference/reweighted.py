"""Feature-reweighted RSA with one row per pair and one column per feature, written out."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.optimize import nnls
from scipy.stats import pearsonr, spearmanr


def design(x: np.ndarray) -> np.ndarray:
    """Return squared differences, shape (pairs, features)."""
    return np.array([(x[i] - x[j]) ** 2 for i, j in combinations(range(len(x)), 2)])


def part(rdm: np.ndarray, items: np.ndarray, n_items: int) -> np.ndarray:
    """Return the condensed RDM of some items."""
    square = np.zeros((n_items, n_items))
    for value, (i, j) in zip(rdm, combinations(range(n_items), 2), strict=True):
        square[i, j] = square[j, i] = value
    return np.array([square[i, j] for i, j in combinations(items, 2)])


def ridge(r: np.ndarray, y: np.ndarray, penalty: float, *, nonnegative: bool) -> np.ndarray:
    """Return weights of centred columns, the penalty in units of their mean squared length."""
    r, y = r - r.mean(axis=0), y - y.mean()
    p = r.shape[1]
    size = np.square(r).sum(axis=0).mean()
    if not nonnegative:
        return np.linalg.solve(r.T @ r + penalty * size * np.eye(p), r.T @ y)
    return nnls(np.vstack([r, np.sqrt(penalty * size) * np.eye(p)]), np.concatenate([y, np.zeros(p)]))[0]


def correlation(a: np.ndarray, b: np.ndarray, method: str) -> float:
    if np.ptp(a) == 0:
        return 0.0
    return float((pearsonr if method == "pearson" else spearmanr)(a, b).statistic)


def fitted_score(
    x: np.ndarray, rdm: np.ndarray, train: np.ndarray, test: np.ndarray, penalty: float, method: str, **options: bool
) -> float:
    """Fit to pairs within ``train`` and return the correlation over pairs within ``test``."""
    scale = x[train].std(axis=0)
    weights = ridge(design(x[train] / scale), part(rdm, train, len(x)), penalty, **options)
    return correlation(design(x[test] / scale) @ weights, part(rdm, test, len(x)), method)


def best_penalty(
    x: np.ndarray,
    rdm: np.ndarray,
    items: np.ndarray,
    folds: list[np.ndarray],
    penalties: list[float],
    method: str,
    **options: bool,
) -> float:
    """Return the penalty, of those from large to small, with the highest sum of scores over folds within items."""
    sums = [
        sum(fitted_score(x, rdm, np.delete(items, fold), items[fold], penalty, method, **options) for fold in folds)
        for penalty in penalties
    ]
    return penalties[int(np.argmax(sums))]
