"""Curves over time as an Evoked of MNE, at the very times they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import require
from alignkit._typing import FloatArray

if TYPE_CHECKING:
    import mne


def sampling_rate(times: FloatArray) -> float:
    """Return the samples per second of evenly spaced times.

    Raises
    ------
    ValueError
        Fewer than two samples, or samples that are not evenly spaced.
    """
    steps = np.diff(times)
    if not steps.size or not np.allclose(steps, steps.mean(), rtol=1e-3, atol=0.0):
        msg = "an Evoked needs two or more evenly spaced samples; these are not; use to_xarray()."
        raise ValueError(msg)
    return float(1.0 / steps.mean())


def as_evoked(values: FloatArray, info: mne.Info, times: FloatArray, *, nave: int, comment: str) -> mne.EvokedArray:
    """Return an Evoked of ``values``, shape (channel, time), whose first time is that of ``times``."""
    mne = require("mne", "meg")
    evoked = mne.EvokedArray(values, info, nave=nave, comment=comment, verbose="error")
    # EvokedArray(tmin=) rounds to a whole number of samples from 0 s, which centres of windows are not
    evoked.shift_time(float(times[0]), relative=False)
    return evoked
