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
        Pairs that are NaN in ``target`` do not count at that time; those of which ``rdms`` alone has no number count as
        ones of which it says nothing.
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


def _spearman(mine: AnyArray, theirs: AnyArray) -> float:
    used = ~np.isnan(theirs)
    known = ~np.isnan(mine[used])
    if known.sum() < 3:
        return math.nan
    # a model gains nothing by having no number for pairs that were measured: they stand at the mean rank
    x, y = np.zeros(len(known)), rank(np.asarray(theirs[used], dtype=np.float64))
    x[known] = _centred(rank(np.asarray(mine[used][known], dtype=np.float64)))
    y = _centred(y)
    norm = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / norm if norm > 0 else math.nan


def _centred(ranks: FloatArray) -> FloatArray:
    return np.asarray(ranks - ranks.mean())
