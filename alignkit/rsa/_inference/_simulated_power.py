"""How often t tests reject in experiments that are drawn from pilot data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from alignkit._random import spawn
from alignkit._threads import one_blas_thread
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._container import pair_index

#: Experiments drawn by one child of a seed.
_BLOCK = 64


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Experiments:
    """Experiments like a pilot's.

    ``data`` has shape (subject, pairs), ``models`` (model, pairs), ``contrasts`` (tests, models) and ``two_sided``
    (tests,). ``n_items`` is at most the number of items of the pilot.
    """

    data: FloatArray
    models: FloatArray
    contrasts: FloatArray
    two_sided: BoolArray
    method: str
    alpha: float
    n_items: int


@one_blas_thread()
def rejections(
    study: Experiments,
    n_subjects: Sequence[int],
    n_simulations: int,
    rng: np.random.Generator,
    tick: Callable[[int], object],
) -> FloatArray:
    """Return how many of ``n_simulations`` experiments reject, shape (tests, n_subjects).

    Subjects are drawn with replacement, their deviations from the pilot's mean widened by sqrt(S/(S-1)), as a
    pilot's own variance is too small by that; fewer items than the pilot's are drawn without replacement, since
    copies of an item would tell nothing new.
    """
    from scipy.stats import t as student

    two_sided, alpha = study.two_sided, study.alpha
    count = np.zeros((len(two_sided), len(n_subjects)))
    limits = [student.isf(np.where(two_sided, alpha / 2, alpha), n - 1) for n in n_subjects]
    n_pilot = n_items_of(study.data.shape[1])
    whole = _scores(study.data, study.models, study)
    for block, own in enumerate(spawn(rng, -(-n_simulations // _BLOCK))):
        size = min(_BLOCK, n_simulations - block * _BLOCK)
        for _ in range(size):
            scores = whole
            if study.n_items < n_pilot:
                pairs = _pairs_of(np.sort(own.permutation(n_pilot)[: study.n_items]), n_pilot)
                scores = _scores(study.data[:, pairs], study.models[:, pairs], study)
            for k, n in enumerate(n_subjects):
                t = _t(scores[:, own.integers(scores.shape[1], size=n)])
                count[:, k] += np.where(two_sided, np.abs(t), t) > limits[k]
        tick(size)
    return count


def _scores(data: FloatArray, models: FloatArray, study: Experiments) -> FloatArray:
    """Return what is tested of every subject, shape (tests, subjects), with the variance of the population."""
    found = study.contrasts @ np.asarray(compare_rows(models, data, Options(study.method)).values)
    mean = found.mean(axis=1, keepdims=True)
    widened: FloatArray = mean + (found - mean) * np.sqrt(len(data) / (len(data) - 1))
    return widened


def _pairs_of(items: IntArray, n_items: int) -> IntArray:
    rows, columns = np.triu_indices(len(items), k=1)
    return np.asarray(pair_index(items[rows], items[columns], n_items))


def _t(x: FloatArray) -> FloatArray:
    mean = x.mean(axis=1)
    error = x.std(axis=1, ddof=1) / np.sqrt(x.shape[1])
    # one subject drawn n times has no variance, and no test
    flat = x.max(axis=1) == x.min(axis=1)
    return np.divide(mean, error, out=np.zeros_like(mean), where=~flat & (error > 0))
