"""How times are told: in seconds, or by the numbers of samples where the data has no times."""

from __future__ import annotations

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
