"""Resamples of items, with all subjects or with subjects drawn as well."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from alignkit._executor import Executor, Threads
from alignkit._typing import AnyArray, FloatArray, IntArray
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


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _WrittenOut:
    """Similarities and ceilings of blocks of resamples, one after the other, for any method."""

    task: Task

    def __call__(self, counts: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return similarities, (resample, subject, model), and mean bounds, (m, resample, 2)."""
        found = [written_out(self.task, own, weights[:, b]) for b, own in enumerate(counts)]
        similarities, bounds = zip(*found, strict=True)
        return np.stack(similarities), np.stack(bounds, axis=1)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """What turns a block of draws into scores, shape (m, resample, model), and ceilings, (m, resample, 2)."""

    engine: Engine
    nbytes: int

    def __call__(self, drawn: tuple[AnyArray, AnyArray]) -> tuple[FloatArray, FloatArray]:
        counts, weights = drawn[0].astype(np.int64), drawn[1].astype(np.float64)
        similarities, bounds = self.engine(counts, weights)
        return np.stack([scores_of(similarities, own) for own in weights]), bounds


def item_resamples(
    task: Task,
    counts: IntArray,
    weights: FloatArray,
    tick: Callable[[int], object] | None = None,
    executor: Executor | None = None,
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
    executor : Executor, optional
        Who computes the blocks; by default threads of this process. What a block holds does not depend on it.
    """
    engine, step = _engine(task, len(counts))
    scores = np.empty((len(weights), len(counts), len(task.models)))
    bounds = np.empty((len(weights), len(counts), 2))
    blocks = _Blocks(engine, task.data.nbytes + task.models.nbytes)
    parts = [slice(start, start + step) for start in range(0, len(counts), step)]
    items, subjects = _narrow(counts), _narrow(weights)
    draws = [(items[part], subjects[:, part]) for part in parts]
    who = executor or Threads(None if task.device is None else 1)
    for part, found in zip(parts, who.map(_call, draws, (blocks,)), strict=True):
        scores[:, part], bounds[:, part] = found
        if tick is not None:
            tick(len(counts[part]))
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
    return _WrittenOut(task), max(1, _BLOCK // task.valid.size)


def _call(blocks: _Blocks, drawn: tuple[AnyArray, AnyArray]) -> tuple[FloatArray, FloatArray]:
    return blocks(drawn)


def _narrow(counts: AnyArray) -> AnyArray:
    """Return how often each was drawn in as few bytes as hold it: it may have far to go."""
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))
