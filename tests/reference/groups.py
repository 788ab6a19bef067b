"""Plain-loop tests of two groups: divide the subjects anew, compute the statistic, count."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

Similarity = Callable[[Sequence[float], Sequence[float]], float]


def every_division(n: int, n_first: int) -> list[tuple[int, ...]]:
    return list(itertools.combinations(range(n), n_first))


def pairs(people: np.ndarray, first: Sequence[int], similarity: Similarity) -> float:
    """Return the mean similarity within groups less that between them."""
    second = [s for s in range(len(people)) if s not in first]
    within = [
        np.mean([similarity(people[s], people[t]) for s, t in itertools.combinations(group, 2)])
        for group in (first, second)
    ]
    between = np.mean([similarity(people[s], people[t]) for s in first for t in second])
    return float(np.mean(within) - between)


def mean_ranks(people: np.ndarray, first: Sequence[int]) -> float:
    """Return 1 less Spearman's correlation of the groups' mean ranks."""
    second = [s for s in range(len(people)) if s not in first]
    ranks = stats.rankdata(people, axis=1)
    return float(1 - stats.spearmanr(ranks[list(first)].mean(axis=0), ranks[second].mean(axis=0)).statistic)


def welch(scores: np.ndarray, first: Sequence[int]) -> tuple[float, float, float]:
    """Return the difference of means, t and the degrees of freedom."""
    one = [scores[s] for s in first]
    two = [x for s, x in enumerate(scores) if s not in first]
    parts = [np.var(x, ddof=1) / len(x) for x in (one, two)]
    difference = float(np.mean(one) - np.mean(two))
    df = sum(parts) ** 2 / sum(v**2 / (len(x) - 1) for v, x in zip(parts, (one, two), strict=True))
    return difference, difference / math.sqrt(sum(parts)), float(df)


def share(values: Sequence[float], observed: float, *, exact: bool) -> float:
    extreme = sum(value >= observed - 1e-10 for value in values)
    return extreme / len(values) if exact else (extreme + 1) / (len(values) + 1)
