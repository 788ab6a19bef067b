"""Blocks of trials put together: a stretch of time of all trials, its baseline subtracted, its numbers checked."""

from __future__ import annotations

import dataclasses
import functools
from typing import NoReturn

import numpy as np

from alignkit._typing import AnyArray, IntArray
from alignkit.meg._sources import Source
from alignkit.meg._time_grid import TimeGrid


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """What reads trials: called with the first and one past the last of the samples kept.

    A call passes over all trials once, whatever the stretch, and holds no more than the stretch and a block of trials.
    """

    source: Source
    trials: IntArray
    grid: TimeGrid
    channels: tuple[str, ...]

    def __call__(self, start: int, stop: int) -> AnyArray:
        """Return an array of shape (stop - start, trials, channels)."""
        if not 0 <= start < stop <= self.grid.n_times:
            msg = f"samples {start} to {stop} are not among the {self.grid.n_times} there are."
            raise ValueError(msg)
        first, last = (self.grid.first + self.grid.step * i for i in (start, stop - 1))
        baseline = self._baseline
        out = np.empty((stop - start, len(self.trials), self.source.n_channels), self.source.dtype)
        finite = True
        for rows, block in self.source.blocks(self.trials, first, last + 1, self.grid.step):
            values = block if baseline is None else block - baseline[rows, :, np.newaxis]
            out[:, rows] = values.transpose(2, 0, 1)
            finite = finite and _has_finite_sum(out[:, rows])
        if not finite:
            self._check(out, start)
        return out

    def sample(self, trials: IntArray, samples: IntArray) -> AnyArray:
        """Return some samples of some of the trials, shape (samples, those trials, channels), no baseline subtracted.

        ``trials`` are positions among the trials that are read, ascending; ``samples`` positions among those kept.
        """
        positions = self.grid.first + self.grid.step * samples
        first, last = int(positions[0]), int(positions[-1]) + 1
        out = np.empty((len(samples), len(trials), self.source.n_channels), self.source.dtype)
        for rows, block in self.source.blocks(self.trials[trials], first, last, 1):
            out[:, rows] = block[:, :, positions - first].transpose(2, 0, 1)
        return out

    @functools.cached_property
    def _baseline(self) -> AnyArray | None:
        """The mean of each trial and channel over the baseline, shape (trials, channels), read once."""
        if self.grid.baseline is None:
            return None
        mean = np.empty((len(self.trials), self.source.n_channels), self.source.dtype)
        for rows, block in self.source.blocks(self.trials, *self.grid.baseline, 1):
            mean[rows] = block.mean(axis=-1, dtype=np.float64)
        if not np.isfinite(mean).all():
            trial, channel = (int(i) for i in np.argwhere(~np.isfinite(mean))[0])
            self._refuse(trial, channel, "in the baseline")
        return mean

    def _check(self, values: AnyArray, start: int) -> None:
        bad = ~np.isfinite(values)
        if bad.any():
            sample, trial, channel = (int(i) for i in np.argwhere(bad)[0])
            self._refuse(trial, channel, f"at {self.grid.times[start + sample]:g} s")

    def _refuse(self, trial: int, channel: int, where: str) -> NoReturn:
        msg = (
            f"the data holds NaN or infinite values, the first in channel {self.channels[channel]!r} of trial "
            f"{int(self.trials[trial])} {where}; leave out or interpolate them."
        )
        raise ValueError(msg)


def _has_finite_sum(values: AnyArray) -> bool:
    """Return whether the sum is finite, as it is not where a number is not; it may overflow without one."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))
