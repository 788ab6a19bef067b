"""Plain-loop power: draw experiments, test them, count."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import stats


def widened(scores: np.ndarray) -> np.ndarray:
    """Return scores, shape (tests, subjects), whose variance over subjects (divided by n) is the unbiased one."""
    n = scores.shape[1]
    return np.array([[row.mean() + (x - row.mean()) * np.sqrt(n / (n - 1)) for x in row] for row in scores])


def rejects(x: Sequence[float], alpha: float, *, two_sided: bool) -> bool:
    if len(set(x)) == 1:
        return False
    return bool(stats.ttest_1samp(x, 0, alternative="two-sided" if two_sided else "greater").pvalue < alpha)


def flips_reject(x: Sequence[float], alpha: float, *, two_sided: bool) -> bool:
    """Return whether at most a share ``alpha`` of all sign flips have as large a sum."""
    if len(set(x)) == 1:
        return False
    size = abs if two_sided else float
    sums = [
        size(sum(s * v for s, v in zip(signs, x, strict=True))) for signs in itertools.product((1, -1), repeat=len(x))
    ]
    return sum(value >= sums[0] - 1e-12 for value in sums) / len(sums) <= alpha
