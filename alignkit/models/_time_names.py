"""Names of times, as layers of a model and files have them: ``170ms``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from alignkit._check import as_float_array, join_names
from alignkit._typing import FloatArray

_NAME = re.compile(r"(-?\d+)(ms|us)")
_PER_SECOND = {"ms": 1e3, "us": 1e6}


def time_names(times: object, /) -> tuple[str, ...]:
    """Return a name for each time: whole milliseconds where all are, else microseconds.

    Parameters
    ----------
    times : array_like, shape (T,)
        In seconds.

    Raises
    ------
    ValueError
        Times that are not finite, or no microsecond apart.

    Examples
    --------
    >>> time_names([-0.1, 0.0, 0.17])
    ('-100ms', '0ms', '170ms')
    >>> time_names([0.0, 1 / 128])
    ('0us', '7812us')
    """
    seconds = as_float_array("times", times, ndim=1)
    if not np.isfinite(seconds).all():
        msg = f"times must be finite, in seconds; got {join_names(map(str, seconds[~np.isfinite(seconds)]))}."
        raise ValueError(msg)
    whole = np.abs(seconds * 1e3 - np.round(seconds * 1e3)) < 1e-3
    unit = "ms" if whole.all() else "us"
    names = tuple(f"{round(float(time) * _PER_SECOND[unit])}{unit}" for time in seconds)
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        msg = f"times must be at least a microsecond apart; {join_names(twice)} came more than once."
        raise ValueError(msg)
    return names


def named_times(names: Iterable[str], /) -> FloatArray | None:
    """Return the times, in seconds, that names stand for; None where one is no time's name.

    Examples
    --------
    >>> named_times(["-100ms", "7812us"]).tolist()
    [-0.1, 0.007812]
    >>> named_times(["170ms", "output"])
    """
    found = [_NAME.fullmatch(name) for name in names]
    matches = [match for match in found if match is not None]
    if len(matches) < len(found):
        return None
    return np.array([int(match[1]) / _PER_SECOND[match[2]] for match in matches])


def is_after_onset(times: Sequence[float], /) -> list[bool]:
    """Return which times a mean over the response covers: those from 0 on, or all where there are none."""
    late = [time >= 0 for time in times]
    return late if any(late) else [True] * len(times)
