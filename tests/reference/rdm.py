"""Plain-loop definitions of the dissimilarities between independent folds, of counts and of incomplete rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations, permutations

import numpy as np

Products = Callable[[int, int], float]


def cells(x: np.ndarray, labels: Sequence[str], folds: Sequence[object]) -> tuple[list[str], list[object], dict]:
    """Return the names, the folds and the mean row and number of rows of every (fold, name)."""
    names, fold_names = list(dict.fromkeys(labels)), list(dict.fromkeys(folds))
    found = {}
    for name in names:
        for fold in fold_names:
            rows = [row for row, label, f in zip(x, labels, folds, strict=True) if (label, f) == (name, fold)]
            if rows:
                found[fold, name] = (sum(rows) / len(rows), len(rows))
    return names, fold_names, found


def leave_one_fold_out(x, labels, folds, compare) -> np.ndarray:
    """Return the mean over folds of ``compare(train_i, train_j, test_i, test_j)``, condensed."""
    names, fold_names, found = cells(x, labels, folds)

    def train(fold: object, name: str) -> np.ndarray:
        others = [found[other, name] for other in fold_names if other != fold]
        return sum(mean * n for mean, n in others) / sum(n for _, n in others)

    return np.array(
        [
            np.mean([compare(train(f, a), train(f, b), found[f, a][0], found[f, b][0]) for f in fold_names])
            for a, b in combinations(names, 2)
        ]
    )


def fold_pairs(x, labels, folds, compare) -> np.ndarray:
    """Return the mean over ordered pairs of folds with both items of ``compare``; NaN where there are none."""
    names, fold_names, found = cells(x, labels, folds)
    result = []
    for a, b in combinations(names, 2):
        both = [fold for fold in fold_names if (fold, a) in found and (fold, b) in found]
        values = [
            compare(found[f, a][0], found[f, b][0], found[g, a][0], found[g, b][0]) for f, g in permutations(both, 2)
        ]
        result.append(np.mean(values) if values else np.nan)
    return np.array(result)


def observation_pairs(x, labels, folds, precision=None) -> np.ndarray:
    """Return crossnobis from three means of products, each over all pairs of rows from different folds."""
    names = list(dict.fromkeys(labels))
    precision = np.eye(x.shape[1]) if precision is None else precision

    def kernel(a: str, b: str) -> float:
        products = [
            x[k] @ precision @ x[m]
            for k in range(len(x))
            for m in range(len(x))
            if (labels[k], labels[m]) == (a, b) and folds[k] != folds[m]
        ]
        return float(np.mean(products)) if products else math.nan

    return np.array([kernel(a, a) + kernel(b, b) - 2 * kernel(a, b) for a, b in combinations(names, 2)]) / x.shape[1]


def mean_over_items(x: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Return the mean over items of the mean of all their rows."""
    names = list(dict.fromkeys(labels))
    return np.mean([np.mean([row for row, label in zip(x, labels, strict=True) if label == n], 0) for n in names], 0)


def crossvalidated_angle(x, labels, folds, *, centred: bool, floor: float = 0.0) -> np.ndarray:
    """Return 1 - cross-validated correlation (or cosine): covariances averaged over folds, then the ratio."""
    if centred:
        x = x - x.mean(axis=1, keepdims=True)
    names, fold_names, found = cells(x, labels, folds)

    def train(fold: object, name: str) -> np.ndarray:
        others = [found[other, name] for other in fold_names if other != fold]
        return sum(mean * n for mean, n in others) / sum(n for _, n in others)

    def covariance(a: str, b: str) -> float:
        return float(np.mean([train(f, a) @ found[f, b][0] + train(f, b) @ found[f, a][0] for f in fold_names])) / 2

    def variance(a: str) -> float:
        plain = float(np.mean([found[f, a][0] @ found[f, a][0] for f in fold_names]))
        return max(covariance(a, a), floor * plain) if floor else covariance(a, a)

    result = []
    for a, b in combinations(names, 2):
        va, vb = variance(a), variance(b)
        result.append(1 - covariance(a, b) / math.sqrt(va * vb) if va > 0 and vb > 0 else math.nan)
    return np.array(result)


def poisson(a: np.ndarray, b: np.ndarray, prior_lambda: float = 1.0, prior_weight: float = 0.1) -> float:
    """Return the symmetrised divergence of two rows of counts per channel."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        r, s = ((v + prior_lambda * prior_weight) / (1 + prior_weight) for v in (x, y))
        total += (r - s) * (math.log(r) - math.log(s))
    return total / len(a)


def poisson_of_folds(prior_lambda: float = 1.0, prior_weight: float = 0.1):
    """Return the comparison of two items of one fold, as rates, with those of another, as logarithms."""

    def compare(train_a, train_b, test_a, test_b) -> float:
        rates = [(v + prior_lambda * prior_weight) / (1 + prior_weight) for v in (train_a, train_b, test_a, test_b)]
        total = sum(
            (p - q) * (math.log(r) - math.log(s)) for p, q, r, s in zip(*(rate.tolist() for rate in rates), strict=True)
        )
        return total / len(train_a)

    return compare


def over_shared_channels(x: np.ndarray, metric: str) -> np.ndarray:
    """Return dissimilarities of rows over the channels that both have; squared distances times p / shared."""
    result = []
    for a, b in combinations(x.tolist(), 2):
        both = [(p, q) for p, q in zip(a, b, strict=True) if math.isfinite(p) and math.isfinite(q)]
        result.append(_shared(both, len(a), metric))
    return np.array(result)


def _shared(both: list[tuple[float, float]], n_channels: int, metric: str) -> float:
    if not both:
        return math.nan
    if "euclidean" in metric:
        square = math.fsum((p - q) ** 2 for p, q in both) * n_channels / len(both)
        return math.sqrt(square) if metric == "euclidean" else square
    a, b = (list(side) for side in zip(*both, strict=True))
    if metric == "correlation":
        if len(set(a)) == 1 or len(set(b)) == 1:
            return math.nan
        a, b = ([v - math.fsum(side) / len(side) for v in side] for side in (a, b))
    lengths = math.fsum(v * v for v in a) * math.fsum(v * v for v in b)
    return 1 - math.fsum(p * q for p, q in zip(a, b, strict=True)) / math.sqrt(lengths) if lengths else math.nan
