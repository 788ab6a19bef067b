"""Plain-loop definitions of decoding every pair of conditions, one pair, fold and test trial at a time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

#: (training trials of i, training trials of j, test trial) -> decision value, positive for i.
Decide = Callable[[np.ndarray, np.ndarray, np.ndarray, int], float]


def pair_decisions(x, condition, fold, i, j, decide: Decide, minimum=1) -> tuple[list[float], list[float]]:
    """Return the decision values, positive where right, of all test trials of i and of j; x is (trials, channels)."""
    found: tuple[list[float], list[float]] = ([], [])
    for k in np.unique(fold):
        train_i, train_j = (x[(condition == c) & (fold != k)] for c in (i, j))
        if min(len(train_i), len(train_j)) < minimum:
            continue
        found[0].extend(decide(train_i, train_j, trial, k) for trial in x[(condition == i) & (fold == k)])
        found[1].extend(-decide(train_i, train_j, trial, k) for trial in x[(condition == j) & (fold == k)])
    return found


def decode_loop(x, condition, fold, n, decide: Decide, *, minimum=1, weighted=False, tie=0.0) -> np.ndarray:
    """Return, for x (times, trials, channels), the balanced accuracies of all pairs, or mean decision values."""

    def score(values: list[float]) -> float:
        if not values:
            return np.nan
        return float(np.mean([v if weighted else 0.5 if abs(v) <= tie else float(v > 0) for v in values]))

    out = np.empty((len(x), n * (n - 1) // 2))
    for t, rows in enumerate(x.astype(np.float64)):
        for p, (i, j) in enumerate(combinations(range(n), 2)):
            out[t, p] = np.mean([score(v) for v in pair_decisions(rows, condition, fold, i, j, decide, minimum)])
    return out


def nearest_mean(whitening: Callable[[int], np.ndarray] | None, *, scaled: bool = False) -> Decide:
    """Return the rule that compares the distances to both training means after whitening.

    ``scaled`` divides by the distance of the means: the distance from the boundary.
    """

    def decide(train_i, train_j, trial, k):
        w = np.eye(len(trial)) if whitening is None else whitening(k)
        a, b = train_i.mean(axis=0) @ w, train_j.mean(axis=0) @ w
        value = 0.5 * (np.sum((trial @ w - b) ** 2) - np.sum((trial @ w - a) ** 2))
        return value / np.linalg.norm(a - b) if scaled else value

    return decide


def pooled_lda(ridge: float) -> Decide:
    """Return linear discriminant analysis with the two classes' pooled covariance and a ridge of its mean variance."""

    def decide(train_i, train_j, trial, k):
        a, b = train_i.mean(axis=0), train_j.mean(axis=0)
        covariance = np.zeros((len(trial), len(trial)))
        for train, mean in ((train_i, a), (train_j, b)):
            for row in train:
                covariance += np.outer(row - mean, row - mean)
        covariance /= len(train_i) + len(train_j)
        covariance += ridge * np.mean(np.diag(covariance)) * np.eye(len(trial))
        return np.linalg.solve(covariance, a - b) @ (trial - (a + b) / 2)

    return decide
