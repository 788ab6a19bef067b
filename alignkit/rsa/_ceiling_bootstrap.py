"""Intervals of noise ceilings: subjects drawn with replacement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._pools import Pool, in_parts


def bootstrap_bounds(
    pool: Pool, n_subjects: int, n_bootstrap: int, rng: np.random.Generator, tick: Callable[[int], object]
) -> FloatArray:
    """Return the mean (lower, upper) of resampled subjects, shape (n_bootstrap, 2); NaN for one subject alone.

    Copies of one subject leave together, and count once in the mean over subjects. Resamples that hold the same
    subjects equally often are computed once. ``tick`` is told how many resamples are done.
    """
    draws = rng.integers(n_subjects, size=(n_bootstrap, n_subjects))
    counts = np.zeros((n_bootstrap, n_subjects), dtype=np.int64)
    np.add.at(counts, (np.arange(n_bootstrap)[:, None], draws), 1)
    distinct, which = np.unique(counts, axis=0, return_inverse=True)
    drawn = distinct > 0
    means = np.full((len(distinct), 2), np.nan)
    several = np.flatnonzero(drawn.sum(axis=1) > 1)
    if several.size:
        bounds = in_parts(pool.bounds, distinct[several].astype(np.float64), pool, tick)
        bounds[np.broadcast_to(~drawn[several, None], bounds.shape)] = 0.0
        means[several] = bounds.sum(axis=-1) / drawn[several].sum(axis=1, keepdims=True)
    tick(n_bootstrap - len(several))
    return means[which.reshape(-1)]


def shifted_intervals(means: FloatArray, bounds: FloatArray, confidence: float) -> FloatArray:
    """Return percentile intervals, shape (2, 2), around the (lower, upper) ``bounds``; NaN where none is defined.

    A resample holds fewer different subjects, which lowers one bound and raises the other: that shift is taken out.
    """
    if not np.isfinite(means).any(axis=0).all():
        return np.full((2, 2), np.nan)
    tail = (1 - confidence) / 2
    shift = bounds - np.nanmean(means, axis=0)
    return np.asarray((np.nanquantile(means, [tail, 1 - tail], axis=0) + shift).T)
