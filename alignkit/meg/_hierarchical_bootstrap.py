"""Resampled group curves: subjects drawn with replacement and, within each draw, that subject's sessions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray, IntArray
from alignkit.meg._bootstrap_interval import Interval, interval_of
from alignkit.meg._curves import GroupCurves

#: Values of resampled curves held at once.
_CHUNK = 1 << 21


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Statistic:
    """What is computed of group curves.

    ``compute(mean, t)`` takes mean curves, shape (n, time), and their t values over subjects (None unless ``needs_t``;
    NaN where they are undefined) and returns shape (n, k). ``of_subject`` does it for single subjects' curves.
    """

    compute: Callable[[FloatArray, FloatArray | None], FloatArray]
    of_subject: Callable[[FloatArray], FloatArray]
    needs_t: bool = False


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """A statistic of the group, of each subject and of the resamples, with its intervals, shape (2, k)."""

    value: FloatArray
    per_subject: FloatArray
    samples: FloatArray
    interval: FloatArray


@one_blas_thread()
def summarise(
    curves: GroupCurves,
    statistic: Statistic,
    *,
    interval: Interval,
    confidence: float,
    n_bootstrap: int,
    rng: np.random.Generator,
    fixed: bool = False,
) -> Summary:
    """Return a statistic of the group's mean curve with its bootstrap interval; ``fixed``: without one."""
    subjects = curves.of_subjects()
    value = statistic.compute(*group(subjects, statistic.needs_t))[0]
    per_subject = statistic.of_subject(subjects)
    samples = resample(curves, statistic, n_bootstrap, rng)
    n_units = 1 if fixed else curves.n_subjects if curves.n_subjects > 1 else int(curves.present.sum())
    left_out = leave_one_out(subjects, statistic) if interval in ("bca", "jackknife") and n_units > 1 else None
    bounds = interval_of(interval, value, samples, left_out, n_units, confidence)
    return Summary(value, per_subject, samples, bounds)


def group(subjects: FloatArray, needs_t: bool) -> tuple[FloatArray, FloatArray | None]:
    """Return the mean curve of subjects, shape (1, time), and its t values where asked for."""
    return _weighted(subjects, np.ones((1, len(subjects))), needs_t)


def leave_one_out(subjects: FloatArray, statistic: Statistic) -> FloatArray | None:
    """Return the statistic of all subjects but one, shape (subject, k); None for one alone."""
    n = len(subjects)
    if n < 2:
        return None
    return statistic.compute(*_weighted(subjects, 1.0 - np.eye(n), statistic.needs_t))


def resample(curves: GroupCurves, statistic: Statistic, n_bootstrap: int, rng: np.random.Generator) -> FloatArray:
    """Return the statistic of resampled groups, shape (n_bootstrap, k)."""
    drawn = _resampled_sessions if curves.n_sessions > 1 else _resampled_subjects
    parts = [statistic.compute(mean, t) for mean, t in drawn(curves, n_bootstrap, statistic.needs_t, rng)]
    k = statistic.of_subject(curves.of_subjects()[:1]).shape[1]
    return np.concatenate(parts) if parts else np.empty((0, k))


def _resampled_subjects(
    curves: GroupCurves, n_bootstrap: int, needs_t: bool, rng: np.random.Generator
) -> Iterator[tuple[FloatArray, FloatArray | None]]:
    subjects = curves.of_subjects()
    n = len(subjects)
    step = max(1, _CHUNK // curves.times.size)
    for start in range(0, n_bootstrap, step):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=min(step, n_bootstrap - start))
        yield _weighted(subjects, counts.astype(np.float64), needs_t)


def _resampled_sessions(
    curves: GroupCurves, n_bootstrap: int, needs_t: bool, rng: np.random.Generator
) -> Iterator[tuple[FloatArray, FloatArray | None]]:
    n, sessions, _ = curves.values.shape
    there = curves.present.sum(axis=1)
    step = max(1, _CHUNK // (n * sessions * curves.times.size))
    for start in range(0, n_bootstrap, step):
        size = min(step, n_bootstrap - start)
        who = rng.integers(n, size=(size, n))
        weights = _session_weights(there[who], sessions, rng)
        copies = np.matmul(weights[:, :, None, :], curves.values[who])[:, :, 0]
        mean = copies.mean(axis=1)
        yield mean, _t_values(mean, (copies**2).mean(axis=1), n, who) if needs_t else None


def _session_weights(there: IntArray, sessions: int, rng: np.random.Generator) -> FloatArray:
    """Return for each drawn subject, with so many sessions, what share of the draws each session has."""
    drawn = (rng.random((*there.shape, sessions)) * there[..., None]).astype(np.int64)
    counts = np.zeros((*there.shape, sessions))
    rows = np.indices(there.shape)
    for draw in range(sessions):  # as many draws as that subject has sessions
        counts[rows[0], rows[1], drawn[..., draw]] += draw < there
    return np.asarray(counts / there[..., None])


def _weighted(subjects: FloatArray, counts: FloatArray, needs_t: bool) -> tuple[FloatArray, FloatArray | None]:
    """Return means (and t values) of subjects drawn so many times, one row of counts each."""
    total = counts.sum(axis=1, keepdims=True)
    mean = (counts @ subjects) / total
    if not needs_t:
        return mean, None
    alone = (counts > 0).sum(axis=1) < 2
    t = _student(mean, (counts @ subjects**2) / total, total)
    t[alone] = np.nan
    return mean, t


def _t_values(mean: FloatArray, square: FloatArray, n: int, who: IntArray) -> FloatArray:
    t = _student(mean, square, np.full((len(mean), 1), float(n)))
    t[(who == who[:, :1]).all(axis=1)] = np.nan
    return t


def _student(mean: FloatArray, square: FloatArray, n: FloatArray) -> FloatArray:
    """Return t from means and mean squares of ``n`` values; NaN without variance."""
    variance = square - mean * mean
    positive = (variance > 0) & (n > 1)
    error = np.sqrt(np.divide(variance, n - 1, out=np.full_like(mean, np.nan), where=positive))
    return np.asarray(mean / error)
