"""Cross-validation within every resample of items and subjects, and the variance that it would have without end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from alignkit._threads import each, one_blas_thread
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._held_out import MIN_FOLD
from alignkit.rsa._inference._held_out_scores import HeldOut, Task, prepare, score
from alignkit.rsa._inference._random_folds import folds_of

#: Resamples between two steps of a progress bar.
_STEP = 16


def mean_scores(held_out: HeldOut, subject_counts: IntArray) -> FloatArray:
    """Return the scores of the models and the two ceilings, averaged over folds of items and over subjects."""
    bounds = np.stack([held_out.lower, held_out.upper])
    drawn = np.flatnonzero(subject_counts)
    values = np.concatenate([held_out.scores, bounds])[..., drawn].mean(axis=1)
    return np.asarray(values @ (subject_counts[drawn] / subject_counts.sum()))


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
    generator and its position alone.
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
    everything = (np.ones(task.n_items, dtype=np.int64), np.ones(len(task.data), dtype=np.int64))

    def one(b: int) -> None:
        for repeat in range(n_cv):
            for kinds_of_items in (("items", "both"), ("subjects",)):
                kinds = [kind for kind in kinds_of_items if kind in wanted]
                items = everything[0] if item_counts is None or "subjects" in kinds else item_counts[b]
                subjects = [
                    everything[1] if subject_counts is None or k == "items" else subject_counts[b] for k in kinds
                ]
                for kind, values in zip(
                    kinds, cross_validated(task, items, subjects, n_folds, children[b]), strict=True
                ):
                    found[kind][b, repeat] = values

    for start in range(0, n_resamples, _STEP):
        block = range(start, min(start + _STEP, n_resamples))
        each(one, block)
        if tick is not None:
            tick(len(block))
    return found


def cross_validated(
    task: Task, items: IntArray, subjects: Sequence[IntArray], n_folds: tuple[int, int], rng: np.random.Generator
) -> list[FloatArray]:
    """Return mean scores and ceilings in random folds, for several samples of subjects; NaN where there are no folds.

    All samples of subjects are scored in the same folds of items.
    """
    nothing = np.full(len(task.models) + 2, np.nan)
    item_folds = folds_of(items, n_folds[0], MIN_FOLD, rng)
    if item_folds is None or not subjects:
        return [nothing for _ in subjects]
    prepared = prepare(task, item_folds, items)
    found = []
    for counts in subjects:
        subject_folds = folds_of(counts, n_folds[1], 1, rng)
        found.append(
            nothing if subject_folds is None else mean_scores(score(task, prepared, subject_folds, counts), counts)
        )
    return found


def corrected_covariance(values: FloatArray) -> FloatArray:
    """Return the covariance over resamples of what all assignments to folds would average to.

    ``values`` has the shape (resamples, n_cv, quantities); resamples with NaN are left out. The mean of ``n_cv``
    assignments varies by what the resample does and by a share 1/n_cv of what the assignment does: with the covariances
    of the means and of single assignments, (n_cv V_mean - V_1) / (n_cv - 1), as in rsatoolbox.
    """
    complete = values[~np.isnan(values).any(axis=(1, 2))]
    n_cv = values.shape[1]
    of_means = np.atleast_2d(np.cov(complete.mean(axis=1).T))
    if n_cv == 1:
        return of_means
    single = np.mean([np.atleast_2d(np.cov(complete[:, k].T)) for k in range(n_cv)], axis=0)
    return np.asarray((n_cv * of_means - single) / (n_cv - 1))
