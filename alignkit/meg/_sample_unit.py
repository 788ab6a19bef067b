"""How times are told and drawn: in seconds, or by the numbers of samples where the data has no times."""

from __future__ import annotations

import numpy as np

from alignkit._check import counted
from alignkit._typing import FloatArray

#: What results note where times are numbers of samples.
UNTIMED = "the data has no times: samples are numbered from 0"


def at_time(time: float, *, timed: bool) -> str:
    """Return what to call a time in a sentence."""
    return f"{time:g} s" if timed else f"sample {time:g}"


def span_of(times: FloatArray, *, timed: bool) -> str:
    """Return how many samples there are, and from when to when."""
    n = counted(len(times), "sample")
    return f"{n} from {times[0]:g} to {times[-1]:g} s" if timed else n


def time_scale(times: FloatArray) -> tuple[float, str]:
    """Return what to multiply seconds by to show them, and the unit that gives."""
    return (1000.0, "ms") if np.abs(times).max(initial=0.0) < 10 else (1.0, "s")


def time_axis(times: FloatArray, *, timed: bool | None = None) -> tuple[float, str]:
    """Return what to multiply times by in a figure, and what its axis is called.

    Where it is not known whether there are times, 0, 1, 2 ... are numbers of samples.
    """
    if timed is None:
        timed = not np.array_equal(times, np.arange(len(times)))
    scale, unit = time_scale(times)
    return (scale, f"time ({unit})") if timed else (1.0, "sample")
