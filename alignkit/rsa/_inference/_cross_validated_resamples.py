"""Cross-validation within every resample of items and subjects."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from alignkit._threads import each, one_blas_thread
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._held_out import MIN_FOLD
from alignkit.rsa._inference._held_out_scores import HeldOut, Prepared, Task, prepare, score
from alignkit.rsa._inference._random_folds import folds_of

#: Resamples between two steps of a progress bar.
_STEP = 16


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
    wanted = [kind for kind in kinds if given[kind]]
    n_resamples = len(subject_counts if item_counts is None else item_counts)  # type: ignore[arg-type]
    children = rng.spawn(n_resamples)
    found = {kind: np.full((n_resamples, n_cv, len(task.models) + 2), np.nan) for kind in wanted}
    every_item, every_subject = np.ones(task.n_items, dtype=np.int64), np.ones(len(task.data), dtype=np.int64)
    over_items = [kind for kind in wanted if kind != "subjects"]

    def one(b: int) -> None:
        own = every_subject if subject_counts is None else subject_counts[b]
        for repeat in range(n_cv):
            if item_counts is not None and over_items:
                prepared = _prepared(task, item_counts[b], n_folds[0], children[b])
                for kind in over_items:
                    counts = every_subject if kind == "items" else own
                    found[kind][b, repeat] = _scored(task, prepared, counts, n_folds[1], children[b])
            if "subjects" in wanted:
                prepared = _prepared(task, every_item, n_folds[0], children[b])
                found["subjects"][b, repeat] = _scored(task, prepared, own, n_folds[1], children[b])

    for start in range(0, n_resamples, _STEP):
        block = range(start, min(start + _STEP, n_resamples))
        each(one, block)
        if tick is not None:
            tick(len(block))
    return found


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
