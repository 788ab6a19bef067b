"""Resamples of items, with all subjects or with subjects drawn as well."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alignkit._threads import each_in_turn
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._inference._linear_resamples import LinearResamples
from alignkit.rsa._inference._rank_resamples import RankResamples
from alignkit.rsa._inference._resampled import Resampled
from alignkit.rsa._inference._subject_means import scores_of
from alignkit.rsa._inference._task import Task
from alignkit.rsa._inference._whitened_resamples import WhitenedResamples
from alignkit.rsa._inference._written_out import written_out
from alignkit.rsa._matrix_methods import WHITENED

#: Pairs of items that one thread takes in one go where they are written out.
_BLOCK = 1 << 17
#: Resamples that one thread, or torch, takes in one go where sums over pairs do for all of them.
_MANY, _MANY_BY_TORCH = 192, 960
#: Fewer different items have no more than one pair.
_FEWEST = 3
#: (counts of items, weights of subjects) to similarities, shape (resample, subject, model), and the mean lower and
#: upper ceilings by every row of weights, shape (m, resample, 2).
Engine = Callable[[IntArray, FloatArray], tuple[FloatArray, FloatArray]]


def item_resamples(
    task: Task, counts: IntArray, weights: FloatArray, tick: Callable[[int], object] | None = None
) -> list[Resampled]:
    """Return the scores and ceilings of resamples of items, for each of several weights of the subjects.

    Parameters
    ----------
    task : Task
        What is compared.
    counts : ndarray of int, shape (resample, items)
        How often each item was drawn.
    weights : ndarray, shape (m, resample, subject)
        How often each subject was drawn.
    tick : callable, optional
        Told how many more resamples are done.
    """
    engine, step = _engine(task, len(counts))
    scores = np.empty((len(weights), len(counts), len(task.models)))
    bounds = np.empty((len(weights), len(counts), 2))

    def block(start: int) -> None:
        part = slice(start, start + step)
        similarities, bounds[:, part] = engine(counts[part], weights[:, part])
        for own, drawn in zip(scores, weights, strict=True):
            own[part] = scores_of(similarities, drawn[part])

    starts = range(0, len(counts), step)
    for start, _ in zip(starts, each_in_turn(block, starts, most=None if task.device is None else 1), strict=True):
        if tick is not None:
            tick(min(step, len(counts) - start))
    few = (counts > 0).sum(axis=1) < _FEWEST
    scores[:, few] = np.nan
    bounds[:, few] = np.nan
    return [Resampled(own, *ends.T) for own, ends in zip(scores, bounds, strict=True)]


def _engine(task: Task, n_resamples: int) -> tuple[Engine, int]:
    """Return what computes a block of resamples, and how many of them make one."""
    if task.method in ("pearson", "cosine"):
        return LinearResamples.of(task), _MANY if task.device is None else _MANY_BY_TORCH
    if task.method in ("spearman", "rho-a") and not (task.ceilings and task.pooling == "raw"):
        ranks = RankResamples.of(task, n_resamples)
        return ranks, ranks.n_together
    if task.method in WHITENED and task.valid.all():
        whitened = WhitenedResamples.of(task)
        return whitened, whitened.n_together

    def one_by_one(counts: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        found = [written_out(task, own, weights[:, b]) for b, own in enumerate(counts)]
        similarities, bounds = zip(*found, strict=True)
        return np.stack(similarities), np.stack(bounds, axis=1)

    return one_by_one, max(1, _BLOCK // task.valid.size)
