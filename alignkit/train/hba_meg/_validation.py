"""What epochs are chosen by: agreement with measured RDMs over time, of items that nothing is fitted to."""

from __future__ import annotations

import math

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._rank import rank
from alignkit.train.hba_meg._data import MIN_ITEMS, HBAMEGData

#: Values of RDMs over time, at most, that each validation ranks.
_MAX_VALUES = 1 << 25


def validation_items(data: HBAMEGData, /, *, seed: int) -> IntArray:
    """Return the items that epochs are chosen on: the validation items, or (where there are too few) training items.

    Of so many that ranking their pairs would take longer than training, some are drawn.
    """
    items = data.val if len(data.val) >= MIN_ITEMS else data.train
    most = int((1 + math.isqrt(1 + 8 * (_MAX_VALUES // len(data.times)))) // 2)
    if len(items) <= most:
        return items
    return np.sort(np.random.default_rng(seed).choice(items, most, replace=False))


def mean_spearman(rdms: AnyArray, target: AnyArray, times: FloatArray, /) -> float:
    """Return the mean over times from 0 on of Spearman's correlation between two movies of RDMs.

    Parameters
    ----------
    rdms, target : ndarray, shape (times, pairs)
        Pairs that are NaN on either side do not count at that time.
    times : ndarray, shape (times,)
        Seconds. Where all are before 0, all count.

    Returns
    -------
    float
        NaN where no time has a correlation.
    """
    counted = times >= 0 if (times >= 0).any() else np.ones(len(times), dtype=bool)
    found = [_spearman(a, b) for a, b in zip(rdms[counted], target[counted], strict=True)]
    defined = [value for value in found if math.isfinite(value)]
    return float(np.mean(defined)) if defined else math.nan


def _spearman(a: AnyArray, b: AnyArray) -> float:
    used = ~(np.isnan(a) | np.isnan(b))
    if used.sum() < 3:
        return math.nan
    x, y = (rank(np.asarray(values[used], dtype=np.float64)) for values in (a, b))
    x, y = x - x.mean(), y - y.mean()
    norm = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / norm if norm > 0 else math.nan
