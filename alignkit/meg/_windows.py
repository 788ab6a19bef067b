"""Sliding windows: trials whose samples are means over, or all samples of, a stretch of time."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from alignkit._check import check_choice, check_positive
from alignkit._typing import AnyArray
from alignkit.meg._time_grid import sample_interval
from alignkit.meg._trials import Trials

WindowMode = Literal["mean", "concat"]
_MODES = ("mean", "concat")


def windowed(trials: Trials, /, *, window: float, step: float | None = None, mode: WindowMode = "mean") -> Trials:
    """Return trials with one sample per window, at the centre of the window.

    Windows lie wholly within the data, the first at its start. Reading n windows reads their samples n at a time, so
    that memory holds twice what is returned, at one pass over the file for every n samples.

    Parameters
    ----------
    trials : Trials
        Trials at equal intervals of time.
    window : float
        Length of a window in seconds, rounded to samples: a window of 20 ms at 200 Hz holds 4 of them.
    step : float, optional
        Seconds from window to window, rounded to samples; by default one sample.
    mode : str
        ``"mean"`` averages the samples of a window; ``"concat"`` puts them side by side as features, sample after
        sample, named by their channel and their lag from the centre.

    Returns
    -------
    Trials
        As many channels as before (``"mean"``), or times the samples of a window (``"concat"``).

    Raises
    ------
    ValueError
        A window longer than the data or shorter than a sample, an unknown mode, or times at unequal intervals.
    TypeError
        A window or step that is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit.meg._as_trials import as_trials
    >>> epochs = np.random.default_rng(0).standard_normal((6, 4, 50))
    >>> trials = as_trials(epochs, by=[1, 2] * 3, times=np.arange(50) / 100)
    >>> windowed(trials, window=0.05, step=0.05).times[:3]
    array([0.02, 0.07, 0.12])
    >>> windowed(trials, window=0.03, mode="concat").channels[::4]
    ('0 -10 ms', '0 +0 ms', '0 +10 ms')
    """
    check_choice("mode", mode, _MODES)
    interval = sample_interval(trials.times, "window")
    length = _samples("window", window, interval)
    stride = 1 if step is None else _samples("step", step, interval)
    if length > trials.n_times:
        msg = f"window={window} is longer than the data, which lasts {trials.n_times * interval:g} s."
        raise ValueError(msg)
    firsts = np.arange(0, trials.n_times - length + 1, stride)
    times = (trials.times[firsts] + trials.times[firsts + length - 1]) / 2
    # windows overlap: to read all at once is to read each sample once
    reading = _Windows(trials, length, stride, len(firsts), mode)
    if mode == "mean":
        return dataclasses.replace(trials, times=times, read=reading, in_memory=False)
    lags = (np.arange(length) - (length - 1) / 2) * interval * 1e3
    return dataclasses.replace(
        trials,
        times=times,
        read=reading,
        in_memory=False,
        channels=tuple(f"{name} {lag + 0.0:+.6g} ms" for lag in lags for name in trials.channels),
        channel_types=trials.channel_types * length,
        rank=trials.rank * length,
        rank_by_type={name: rank * length for name, rank in trials.rank_by_type.items()},
        info=None,
    )


def _samples(name: str, seconds: float, interval: float) -> int:
    n = round(check_positive(name, seconds) / interval)
    if n < 1:
        msg = f"{name}={seconds} is shorter than one sample ({interval:g} s)."
        raise ValueError(msg)
    return n


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """What reads windows: window w holds the ``length`` samples from ``stride`` times w."""

    trials: Trials
    length: int
    stride: int
    n_windows: int
    mode: WindowMode

    def __call__(self, start: int, stop: int) -> AnyArray:
        """Return an array of shape (stop - start, trials, channels)."""
        if not 0 <= start < stop <= self.n_windows:
            msg = f"windows {start} to {stop} are not among the {self.n_windows} there are."
            raise ValueError(msg)
        n, concat = stop - start, self.mode == "concat"
        n_trials, n_channels = self.trials.design.n_trials, self.trials.n_channels
        shape = (n, n_trials, self.length, n_channels) if concat else (n, n_trials, n_channels)
        out = np.zeros(shape, self.trials.dtype)
        end = (stop - 1) * self.stride + self.length
        for first in range(start * self.stride, end, n):
            for sample, values in enumerate(self.trials.read(first, min(first + n, end)), first):
                lowest = max(start, -((self.length - 1 - sample) // self.stride))
                highest = min(stop - 1, sample // self.stride)
                if not concat:
                    out[lowest - start : highest - start + 1] += values
                    continue
                for window in range(lowest, highest + 1):
                    out[window - start, :, sample - window * self.stride] = values
        return out.reshape(n, n_trials, -1) if concat else np.divide(out, self.length, out=out)
