"""Cross-validation within every resample of items and subjects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from alignkit._executor import Executor, Threads
from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._held_out import MIN_FOLD
from alignkit.rsa._inference._held_out_scores import HeldOut, Prepared, Task, prepare, score
from alignkit.rsa._inference._random_folds import folds_of

#: Resamples that one thread takes in one go.
_STEP = 4
#: Random generator of a resample, and how often items and subjects were drawn in it, or None.
_Draw = tuple[np.random.Generator, IntArray | None, IntArray | None]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Resamples:
    """What cross-validates within resamples, for every one of the ``wanted`` kinds."""

    task: Task
    n_folds: tuple[int, int]
    n_cv: int
    wanted: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes that go to the workers of a cluster."""
        return self.task.components.nbytes + self.task.data.nbytes + self.task.controls.nbytes

    def __call__(self, draws: Sequence[_Draw]) -> FloatArray:
        """Return scores and ceilings, shape (resample, kind, n_cv, models + 2)."""
        return np.stack([np.stack([self._scores(*one) for _ in range(self.n_cv)], axis=1) for one in draws])

    def _scores(self, rng: np.random.Generator, items: IntArray | None, subjects: IntArray | None) -> FloatArray:
        task, (item_folds, subject_folds) = self.task, self.n_folds
        every_item, every_subject = np.ones(task.n_items, dtype=np.int64), np.ones(len(task.data), dtype=np.int64)
        own = every_subject if subjects is None else subjects
        found = np.full((len(self.wanted), len(task.models) + 2), np.nan)
        over_items = [k for k, kind in enumerate(self.wanted) if kind != "subjects"]
        if items is not None and over_items:
            prepared = _prepared(task, items, item_folds, rng)
            for k in over_items:
                counts = every_subject if self.wanted[k] == "items" else own
                found[k] = _scored(task, prepared, counts, subject_folds, rng)
        if "subjects" in self.wanted:
            prepared = _prepared(task, every_item, item_folds, rng)
            found[self.wanted.index("subjects")] = _scored(task, prepared, own, subject_folds, rng)
        return found


def mean_scores(held_out: HeldOut, subject_counts: IntArray, *, whole: bool) -> FloatArray:
    """Return the scores of the models and the two ceilings, averaged over folds of items and over subjects.

    Copies of subjects count as often as they were drawn; in ceilings that leave out one subject after the other, where
    the subjects are ``whole`` and not in folds, they count once, as in rsatoolbox's ``boot_noise_ceiling``.
    """
    drawn = np.flatnonzero(subject_counts)
    bounds = np.stack([held_out.lower, held_out.upper])
    scores, bounds = (values[..., drawn].mean(axis=1) for values in (held_out.scores, bounds))
    shares = subject_counts[drawn] / subject_counts.sum()
    return np.concatenate([scores @ shares, bounds.mean(axis=1) if whole else bounds @ shares])


@one_blas_thread()
def cross_validated_resamples(
    task: Task,
    n_folds: tuple[int, int],
    n_cv: int,
    rng: np.random.Generator,
    *,
    item_counts: IntArray | None = None,
    subject_counts: IntArray | None = None,
    kinds: tuple[str, ...] = ("items", "subjects", "both"),
    tick: Callable[[int], object] | None = None,
    executor: Executor | None = None,
) -> dict[str, FloatArray]:
    """Return, for every kind of resample, scores and ceilings, shape (resamples, n_cv, models + 2).

    ``kinds`` that the counts, shapes (resamples, items) and (resamples, subjects), do not allow are left out. Resamples
    with fewer than three different items per fold, or one subject, are NaN. The folds of every resample follow from the
    generator and its position alone. Every resample has its own folds of items, also where subjects alone were drawn:
    how much assignments add to the variance is known the better the more of them there are.
    """
    given: Mapping[str, bool] = {
        "items": item_counts is not None,
        "subjects": subject_counts is not None,
        "both": item_counts is not None and subject_counts is not None,
    }
    wanted = tuple(kind for kind in kinds if given[kind])
    n_resamples = len(subject_counts if item_counts is None else item_counts)  # type: ignore[arg-type]
    children = rng.spawn(n_resamples)
    drawn = ([None] * n_resamples if counts is None else list(counts) for counts in (item_counts, subject_counts))
    draws: list[_Draw] = list(zip(children, *drawn, strict=True))
    parts = [draws[start : start + _STEP] for start in range(0, n_resamples, _STEP)]
    resamples = _Resamples(task, n_folds, n_cv, wanted)
    found = []
    for part in (executor or Threads()).map(_call, parts, (resamples,)):
        found.append(part)
        if tick is not None:
            tick(len(part))
    return dict(zip(wanted, np.concatenate(found).swapaxes(0, 1), strict=True))


def _call(resamples: _Resamples, draws: Sequence[_Draw]) -> FloatArray:
    return resamples(draws)


def _prepared(task: Task, counts: IntArray, n_folds: int, rng: np.random.Generator) -> Prepared | None:
    """Return random folds of items, ready to fit and to judge; None where too few different ones were drawn."""
    folds = folds_of(counts, n_folds, MIN_FOLD, rng)
    return None if folds is None else prepare(task, folds, counts)


def _scored(
    task: Task, prepared: Prepared | None, counts: IntArray, n_folds: int, rng: np.random.Generator
) -> FloatArray:
    """Return mean scores and ceilings in random folds of subjects; NaN where there are none."""
    folds = folds_of(counts, n_folds, 1, rng)
    if prepared is None or folds is None:
        return np.full(len(task.models) + 2, np.nan)
    return mean_scores(score(task, prepared, folds, counts), counts, whole=len(folds) == 1)
