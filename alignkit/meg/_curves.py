"""GroupCurves over time, one per subject (and session): the one door of all summaries."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._check import as_float_array, check_finite, join_names, shown
from alignkit._typing import BoolArray, FloatArray
from alignkit.meg._timecourse_result import TimeCourse

#: Methods whose values are correlations, and so called r.
_CORRELATIONS = frozenset({"spearman", "pearson", "rho-a", "whitened-pearson"})


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class GroupCurves:
    """GroupCurves of one model or condition.

    ``values``, shape (subject, session, time), are zero where a session is missing; ``present``, shape (subject,
    session), says which are there, the first ones of each subject. ``lower`` and ``upper``, shape (time,), are the
    noise ceiling's bounds, where there is one, and ``lower_per_subject``, shape (subject, time), each subject's.
    """

    values: FloatArray
    present: BoolArray
    times: FloatArray
    subjects: tuple[str, ...]
    named: bool
    unit: str
    name: str = ""
    lower: FloatArray | None = None
    upper: FloatArray | None = None
    lower_per_subject: FloatArray | None = None

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return self.values.shape[0]

    @property
    def n_sessions(self) -> int:
        """Largest number of sessions of a subject; 1 where there are none."""
        return self.values.shape[1]

    @property
    def resolution(self) -> float:
        """Seconds from one sample to the next (the median)."""
        return float(np.median(np.diff(self.times)))

    def of_subjects(self) -> FloatArray:
        """Return each subject's mean over sessions, shape (subject, time)."""
        return np.asarray(self.values.sum(axis=1) / self.present.sum(axis=1, keepdims=True))


def as_curves(
    curves: object, times: object, model: object, *, name: str = "curves", unit: str | None = None
) -> GroupCurves:
    """Return curves, given as an array with its times or as a time course of models, in a unit of that name.

    Raises
    ------
    ValueError
        A wrong number of axes, no times or times that do not fit or do not rise, NaN (but whole missing sessions),
        models with a time axis of their own, methods that give distances, or a unit that is no name.
    TypeError
        What does not hold real numbers.
    """
    if unit is not None and not (isinstance(unit, str) and unit.strip()):
        msg = f"unit must be a name, such as 'r' or 'accuracy'; got {shown(unit)}."
        raise ValueError(msg)
    if isinstance(curves, TimeCourse):
        found = _from_timecourse(curves, times, model, name)
        return found if unit is None else dataclasses.replace(found, unit=unit)
    values = as_float_array(name, curves)
    if model is not None:
        msg = f"model chooses from a time course of several models; {name} came as an array."
        raise ValueError(msg)
    if values.ndim not in (1, 2, 3) or values.size == 0:
        msg = f"{name} must have the axes (subject, time) or (subject, session, time); got shape {values.shape}."
        raise ValueError(msg)
    values = values[None, None] if values.ndim == 1 else values[:, None] if values.ndim == 2 else values
    subjects = tuple(str(i) for i in range(1, len(values) + 1))
    values, present = _sessions(name, values)
    where = _times(name, times, values.shape[-1])
    return GroupCurves(values, present, where, subjects, named=False, unit="r" if unit is None else unit)


def _from_timecourse(course: TimeCourse, times: object, model: object, name: str) -> GroupCurves:
    if times is not None:
        msg = f"{name} came as a time course, which knows its times; leave times out."
        raise ValueError(msg)
    if course.model_times is not None:
        msg = f"{name} has curves for each time of the model; choose one, and pass its curves as an array with times."
        raise ValueError(msg)
    if course.quantity == "distance":
        msg = (
            f"{name} holds distances ({course.method}), which are lowest where models fit best; pass their negative "
            "as an array with times."
        )
        raise ValueError(msg)
    position = course.position(model)  # type: ignore[arg-type]
    values, present = _sessions(name, course.similarity[position][:, None])
    bounds = (course.lower, course.upper, course.lower_per_subject) if course.pooling else (None, None, None)
    unit = "r" if course.method in _CORRELATIONS else course.method
    where = _times(name, course.times, values.shape[-1])
    return GroupCurves(values, present, where, course.subjects, True, unit, course.models[position], *bounds)


def _times(name: str, times: object, n: int) -> FloatArray:
    if times is None:
        msg = f"{name} came as an array: pass times=, the seconds of its {n} samples."
        raise ValueError(msg)
    where = as_float_array("times", times, ndim=1)
    check_finite("times", where)
    if len(where) != n:
        msg = f"times must hold the seconds of each of the {n} samples of {name}; got {len(where)}."
        raise ValueError(msg)
    if n < 3 or bool((np.diff(where) <= 0).any()):
        msg = f"times must hold three or more samples, each later than the one before; got {shown(where.tolist())}."
        raise ValueError(msg)
    return where


def _sessions(name: str, values: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return values whose missing sessions are zero and stand last, and which are present."""
    undefined = np.isnan(values)
    present: BoolArray = ~np.asarray(undefined.all(axis=-1))
    partly = np.flatnonzero((undefined.any(axis=-1) & present).any(axis=1) | ~present.any(axis=1))
    if partly.size:
        msg = (
            f"{name} holds NaN for subject(s) {join_names(partly + 1)} (counted from 1): leave them or those samples "
            "out. Only whole sessions may be missing."
        )
        raise ValueError(msg)
    if present.all():
        check_finite(name, values)
        return values, present
    order = np.argsort(~present, axis=1, kind="stable")
    ordered = np.take_along_axis(present, order, axis=1)
    moved = np.where(ordered[..., None], np.take_along_axis(values, order[..., None], axis=1), 0.0)
    check_finite(name, moved)
    return moved, ordered


def stretch(times: FloatArray, tmin: float | None, tmax: float | None, name: str) -> slice:
    """Return the samples from ``tmin`` to ``tmax``, both included; None is the first or the last sample.

    Raises
    ------
    ValueError
        Bounds that are no finite numbers, or hold no sample between them.
    """
    slack = 1e-3 * float(np.diff(times).min())  # 0.15 may be 0.15000000000000002
    low, high = _bound(times[0], tmin, name), _bound(times[-1], tmax, name)
    start = int(np.searchsorted(times, low - slack))
    stop = int(np.searchsorted(times, high + slack, side="right"))
    if stop <= start:
        msg = f"{name} from {low:g} to {high:g} s holds no sample; the curves run from {times[0]:g} to {times[-1]:g} s."
        raise ValueError(msg)
    return slice(start, stop)


def _bound(default: float, value: object, name: str) -> float:
    if value is None:
        return float(default)
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        msg = f"{name} must be given in seconds, or None; got {shown(value)}."
        raise TypeError(msg)
    if not np.isfinite(value):
        msg = f"{name} must be given in finite seconds, or None; got {value}."
        raise ValueError(msg)
    return float(value)


def baseline_stretch(times: FloatArray, baseline: object) -> slice:
    """Return the samples of a baseline given as (start, end) in seconds, both included, as in MNE.

    Raises
    ------
    ValueError
        What is no pair, or holds no sample.
    """
    if not isinstance(baseline, tuple | list) or len(baseline) != 2:
        msg = f"baseline must be a pair (start, end) in seconds, None for the first or last; got {shown(baseline)}."
        raise ValueError(msg)
    return stretch(times, baseline[0], baseline[1], "baseline")
