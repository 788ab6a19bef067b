"""Cross-validation within every resample of items and subjects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from alignkit._executor import Executor, Threads
from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._held_out import MIN_FOLD
from alignkit.rsa._inference._fitted_task import Task
from alignkit.rsa._inference._held_out_scores import Cases, HeldOut, score
from alignkit.rsa._inference._prepared_folds import prepared_folds
from alignkit.rsa._inference._random_folds import fold_labels

#: Values that one thread holds at a time, and resamples at most that it takes in one go.
_BLOCK, _MOST = 1 << 23, 16
#: Random generator of a resample, and how often items and subjects were drawn in it, or None.
_Draw = tuple[np.random.Generator, IntArray | None, IntArray | None]


class _Folds:
    """Folds of items and of subjects in a block of resamples, as they are drawn."""

    def __init__(self, n_folds: tuple[int, int]) -> None:
        self.n_folds = n_folds
        self.items: list[tuple[IntArray, IntArray]] = []
        self.subjects: list[tuple[int, IntArray, IntArray]] = []
        self.places: list[tuple[int, ...]] = []

    def draw_items(self, counts: IntArray, rng: np.random.Generator) -> bool:
        """Draw folds of items; whether enough different ones were there."""
        labels = fold_labels(counts, self.n_folds[0], MIN_FOLD, rng)
        if labels is not None:
            self.items.append((counts, labels))
        return labels is not None

    def draw_subjects(self, counts: IntArray, rng: np.random.Generator, *place: int, known: bool) -> None:
        """Draw folds of subjects that go with the last folds of items, if these are known."""
        labels = fold_labels(counts, self.n_folds[1], 1, rng)
        if labels is not None and known:
            self.subjects.append((len(self.items) - 1, counts, labels))
            self.places.append(place)


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

    @property
    def n_together(self) -> int:
        """Number of resamples that one thread takes in one go."""
        n = len(self.task.components) + len(self.task.data) + len(self.task.controls)
        held = n * self.task.data.shape[1] // self.n_folds[0] if self.task.ranked else n * (n + self.task.n_items)
        return int(np.clip(_BLOCK // (2 * self.n_cv * self.n_folds[0] * (held + n * n)), 1, _MOST))

    def __call__(self, draws: Sequence[_Draw]) -> FloatArray:
        """Return scores and ceilings, shape (resample, kind, n_cv, models + 2)."""
        found = np.full((len(draws), len(self.wanted), self.n_cv, len(self.task.models) + 2), np.nan)
        folds = _Folds(self.n_folds)
        for b, draw in enumerate(draws):
            for repeat in range(self.n_cv):
                self._draw_folds(folds, draw, b, repeat)
        if folds.subjects:
            counts, labels = (np.stack(own) for own in zip(*folds.items, strict=True))
            prepared = prepared_folds(self.task, counts, labels, self.n_folds[0])
            sets, drawn, own = (np.array(one) for one in zip(*folds.subjects, strict=True))
            scored = score(self.task, prepared, Cases(sets, drawn, own, self.n_folds[1]))
            found[tuple(np.transpose(folds.places))] = mean_scores(scored, drawn, whole=self.n_folds[1] == 1)
        return found

    def _draw_folds(self, folds: _Folds, draw: _Draw, b: int, repeat: int) -> None:
        rng, items, subjects = draw
        every_item = np.ones(self.task.n_items, dtype=np.int64)
        every_subject = np.ones(len(self.task.data), dtype=np.int64)
        own = every_subject if subjects is None else subjects
        over_items = [k for k, kind in enumerate(self.wanted) if kind != "subjects"]
        if items is not None and over_items:
            known = folds.draw_items(items, rng)
            for k in over_items:
                counts = every_subject if self.wanted[k] == "items" else own
                folds.draw_subjects(counts, rng, b, k, repeat, known=known)
        if "subjects" in self.wanted:
            known = folds.draw_items(every_item, rng)
            folds.draw_subjects(own, rng, b, self.wanted.index("subjects"), repeat, known=known)


def mean_scores(held_out: HeldOut, subject_counts: IntArray, *, whole: bool) -> FloatArray:
    """Return the scores of the models and the two ceilings, averaged over folds of items and over subjects.

    Copies of subjects count as often as they were drawn; in ceilings that leave out one subject after the other, where
    the subjects are ``whole`` and not in folds, they count once, as in rsatoolbox's ``boot_noise_ceiling``. All may
    have a first axis more, for cases.
    """
    drawn = subject_counts > 0
    shares = subject_counts / subject_counts.sum(axis=-1, keepdims=True)
    once = drawn / drawn.sum(axis=-1, keepdims=True) if whole else shares
    bounds = np.stack([held_out.lower, held_out.upper], axis=-3)
    means = []
    for values, weights in ((held_out.scores, shares), (bounds, once)):
        there = np.where(drawn[..., None, :], values.mean(axis=-2), 0.0)
        means.append((there * weights[..., None, :]).sum(axis=-1))
    return np.concatenate(means, axis=-1)


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
    resamples = _Resamples(task, n_folds, n_cv, wanted)
    step = resamples.n_together
    parts = [draws[start : start + step] for start in range(0, n_resamples, step)]
    found = []
    for part in (executor or Threads()).map(_call, parts, (resamples,)):
        found.append(part)
        if tick is not None:
            tick(len(part))
    return dict(zip(wanted, np.concatenate(found).swapaxes(0, 1), strict=True))


def _call(resamples: _Resamples, draws: Sequence[_Draw]) -> FloatArray:
    return resamples(draws)
