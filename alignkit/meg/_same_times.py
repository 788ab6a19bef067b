"""Time courses in which a model that unfolds over time is followed at its own time, beside models that do not."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import check_not_negative, join_names, shown
from alignkit._typing import FloatArray
from alignkit.meg._slices import check_same_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alignkit.meg._timecourse_result import TimeCourse

#: What results note where models were followed at their own times.
SAME_TIMES = "models with a time axis of their own are taken at the time of the data"
#: What must be the same in time courses that stand in one.
_SHARED = (
    *("subjects", "n_items", "metric", "method", "controls", "partial", "nan_policy", "pooling"),
    *("confidence", "n_bootstrap"),
)
#: Seconds that rounding may part the same times by.
_SLACK = 1e-9


def at_same_times(course: TimeCourse, tolerance: float) -> TimeCourse:
    """Return the time course of models that are each taken at the time of the data.

    Raises
    ------
    ValueError
        Times of models and data that differ by more than ``tolerance`` (seconds).
    """
    check_not_negative("tolerance", tolerance)
    own = course.model_times
    if own is None:
        return course
    check_same_times(
        ("the axis of the models", own, len(own)), ("that of the data", course.times, len(course.times)), tolerance
    )
    return dataclasses.replace(
        course,
        similarity=_diagonal(course.similarity),
        mean=_diagonal(course.mean),
        interval=_diagonal(course.interval),
        model_times=None,
        note="; ".join(filter(None, (course.note, SAME_TIMES))),
    )


def join_courses(courses: Sequence[TimeCourse]) -> TimeCourse:
    """Return one time course of the models of several, which were compared with the same data in the same way.

    Raises
    ------
    ValueError
        Models with a time axis of their own, other data or another way to compare, or the same name twice.
    """
    first, *others = courses
    for course in courses:
        if course.model_times is not None:
            msg = (
                "models with a time axis of their own stand beside others once they are followed with at_same_times()."
            )
            raise ValueError(msg)
    for other in others:
        _check_same(first, other)
    names = [name for course in courses for name in course.models]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        msg = f"models must have different names; repeated: {join_names(repeated)}."
        raise ValueError(msg)
    bounded = next((course for course in courses if course.pooling), first)
    notes = dict.fromkeys(note for course in courses for note in course.note.split("; ") if note)
    return dataclasses.replace(
        bounded,
        similarity=np.concatenate([course.similarity for course in courses]),
        mean=np.concatenate([course.mean for course in courses]),
        interval=np.concatenate([course.interval for course in courses], axis=1),
        models=tuple(names),
        n_pairs=min(course.n_pairs for course in courses),
        note="; ".join(notes),
    )


def _diagonal(values: FloatArray) -> FloatArray:
    return np.diagonal(values, axis1=-2, axis2=-1).copy()


def _check_same(first: TimeCourse, other: TimeCourse) -> None:
    check_same_times(
        ("one time course", first.times, len(first.times)), ("the other", other.times, len(other.times)), _SLACK
    )
    for name in _SHARED:
        a, b = getattr(first, name), getattr(other, name)
        if a != b and not (name == "pooling" and not (a and b)):
            msg = f"time courses are joined that agree in {name}; got {shown(a)} and {shown(b)}."
            raise ValueError(msg)
