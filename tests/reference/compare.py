"""Dense and looped definitions of the comparisons that the package computes in closed form: small sizes only."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy import linalg
from scipy.optimize import nnls
from scipy.stats import rankdata


def covariance_of_pairs(n_items: int, sigma_k: np.ndarray | None = None) -> np.ndarray:
    """Return V, one entry for every two pairs of items, by loops."""
    sigma = np.eye(n_items) if sigma_k is None else np.asarray(sigma_k, dtype=float)
    sigma = np.diag(sigma) if sigma.ndim == 1 else sigma
    pairs = list(combinations(range(n_items), 2))
    v = np.empty((len(pairs), len(pairs)))
    for p, (i, j) in enumerate(pairs):
        for q, (k, m) in enumerate(pairs):
            v[p, q] = (sigma[i, k] - sigma[i, m] - sigma[j, k] + sigma[j, m]) ** 2
    return v


def whitened(d: np.ndarray, e: np.ndarray, sigma_k: np.ndarray | None = None, *, centred: bool = False) -> float:
    """Return the whitened cosine, or correlation, over the pairs without NaN in both."""
    n_items = round((1 + np.sqrt(1 + 8 * d.size)) / 2)
    known = ~np.isnan(d) & ~np.isnan(e)
    v = covariance_of_pairs(n_items, sigma_k)[np.ix_(known, known)]
    x, y = d[known], e[known]
    if centred:
        x, y = x - x.mean(), y - y.mean()
    xy, xx, yy = (left @ linalg.solve(v, right, assume_a="pos") for left, right in ((x, y), (x, x), (y, y)))
    return float(xy / np.sqrt(xx * yy))


def second_moments(d: np.ndarray) -> np.ndarray:
    """Return -HDH/2 with its negative eigenvalues set to zero."""
    n = round((1 + np.sqrt(1 + 8 * d.size)) / 2)
    square = np.zeros((n, n))
    for value, (i, j) in zip(d, combinations(range(n), 2), strict=True):
        square[i, j] = square[j, i] = value
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-0.5 * centring @ square @ centring)
    return (vectors * np.maximum(values, 0)) @ vectors.T


def fidelity(a: np.ndarray, b: np.ndarray) -> float:
    """Return the trace of the root of A^½ B A^½."""
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum())


def bures(d: np.ndarray, e: np.ndarray) -> float:
    a, b = second_moments(d), second_moments(e)
    return fidelity(a, b) / np.sqrt(np.trace(a) * np.trace(b))


def bures_metric(d: np.ndarray, e: np.ndarray) -> float:
    a, b = second_moments(d), second_moments(e)
    return float(np.sqrt(max(0.0, np.trace(a) + np.trace(b) - 2 * fidelity(a, b))))


def partial(d: np.ndarray, e: np.ndarray, controls: np.ndarray, method: str, side: str) -> float:
    """Return the partial correlation by the inverse correlation matrix; semi-partial by its textbook ratio."""
    rows = np.vstack([d, e, controls])
    if method == "spearman":
        rows = np.stack([rankdata(row) for row in rows])
    inverse = np.linalg.pinv(np.corrcoef(rows))
    value = -inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
    if side == "both":
        return float(value)
    # of the side that keeps its variance, the controls leave the share 1 / (its diagonal without the other side)
    kept = 1 if side == "first" else 0
    alone = np.linalg.pinv(np.corrcoef(np.delete(rows, 1 - kept, axis=0)))
    return float(value / np.sqrt(alone[0, 0]))


def residual(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return what a fit with a constant leaves of ``y``."""
    design = np.vstack([np.ones_like(y), x]).T
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


def fit(y: np.ndarray, models: np.ndarray, method: str, *, intercept: bool) -> tuple[np.ndarray, float]:
    """Return weights and constant of one data RDM."""
    if method == "ols":
        design = np.vstack([np.ones_like(y), models]).T if intercept else models.T
        found = np.linalg.lstsq(design, y, rcond=None)[0]
        return (found[1:], float(found[0])) if intercept else (found, 0.0)
    # a constant of either sign is the difference of two that are not negative
    design = np.vstack([models, np.ones_like(y), -np.ones_like(y)]).T if intercept else models.T
    found = nnls(design, y)[0]
    return (found[: len(models)], float(found[-2] - found[-1])) if intercept else (found, 0.0)


def squared_errors(
    y_fit: np.ndarray, x_fit: np.ndarray, y: np.ndarray, x: np.ndarray, method: str, *, intercept: bool
) -> tuple[float, float]:
    """Return the squared error of a fit on other pairs, and that of their mean (or of zero)."""
    weights, constant = fit(y_fit, x_fit, method, intercept=intercept)
    centre = y.mean() if intercept else 0.0
    return float(((y - constant - weights @ x) ** 2).sum()), float(((y - centre) ** 2).sum())


def r2_of_held_out_items(
    y_fit: np.ndarray,
    y: np.ndarray,
    models: np.ndarray,
    folds: list[np.ndarray],
    method: str,
    *,
    intercept: bool = True,
) -> float:
    """Return 1 - error / variance, summed over folds: fitted within the other items, judged within the fold."""
    n = round((1 + np.sqrt(1 + 8 * y.size)) / 2)
    error = total = 0.0
    for fold in folds:
        inside = np.array([i in fold and j in fold for i, j in combinations(range(n), 2)])
        outside = np.array([i not in fold and j not in fold for i, j in combinations(range(n), 2)])
        e, t = squared_errors(
            y_fit[outside], models[:, outside], y[inside], models[:, inside], method, intercept=intercept
        )
        error, total = error + e, total + t
    return 1 - error / total
