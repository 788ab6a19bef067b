"""How reliable the mean of repeated responses is, channel by channel, from split halves of the repeats."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._split_half import corrected, splits


def response_reliability(repeats: FloatArray, n_splits: int, rng: np.random.Generator) -> FloatArray:
    """Return the reliability of the mean over repeats, shape (channels,), of responses (repeats, items, channels).

    The correlation over items of the means of two halves, averaged over all splits (or ``n_splits`` random ones) and
    corrected by Spearman and Brown's formula. NaN where a half does not vary.
    """
    n = len(repeats)
    halves, _ = splits(n, n_splits, rng)
    total = repeats.sum(axis=0)
    found = np.zeros(repeats.shape[2])
    for first in halves:
        own = repeats[first].sum(axis=0)
        found += channel_correlations(own, total - own)
    return corrected(found / len(halves), (n // 2, n - n // 2))


def channel_correlations(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the correlation over items of every channel of two arrays, shape (items, channels); NaN where constant."""
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    a[:, x.max(axis=0) == x.min(axis=0)] = 0.0
    b[:, y.max(axis=0) == y.min(axis=0)] = 0.0
    scale = np.sqrt(np.square(a).sum(axis=0) * np.square(b).sum(axis=0))
    return np.asarray(np.clip((a * b).sum(axis=0) / np.where(scale > 0, scale, np.nan), -1.0, 1.0))
