"""Trials of one participant: what was shown, in which fold, and how a stretch of their data is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Which condition and which fold each trial belongs to.

    ``condition``, shape (trials,), are positions in ``labels``; ``fold``, shape (trials,), positions in ``folds``, or
    None where there are none.
    """

    condition: IntArray
    labels: tuple[str, ...]
    fold: IntArray | None = None
    folds: tuple[str, ...] = ()

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.condition)

    @property
    def n_conditions(self) -> int:
        """Number of conditions."""
        return len(self.labels)

    @property
    def n_folds(self) -> int:
        """Number of folds; 0 without."""
        return len(self.folds)

    @property
    def counts(self) -> IntArray:
        """Trials of each condition in each fold, shape (folds, conditions); one row without folds."""
        fold = np.zeros_like(self.condition) if self.fold is None else self.fold
        counts = np.zeros((max(1, self.n_folds), self.n_conditions), dtype=np.int64)
        np.add.at(counts, (fold, self.condition), 1)
        return counts


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Trials whose data is read a stretch of time at a time.

    ``read(start, stop)`` returns the samples from ``start`` up to ``stop`` as an array of shape (stop - start, trials,
    channels), C-ordered, float32 or float64, that the caller may overwrite; NaN and infinities are refused where they
    are read. What changes trials (windows, pseudo-trials) takes and returns Trials.

    ``rank`` is the number of independent channels (fewer than channels after signal-space separation, projections or
    an average reference); ``rank_by_type`` the same for each type of sensor. ``info`` is mne's, where there is one.
    ``selection`` says, in JSON's types, what was made of the data on the way (baseline, decimation, crop), ``averages``
    whether they came as averages, ``in_memory`` whether a few samples are read in a few samples' time, and by several
    threads at once. ``n_bytes`` is what one sample of all trials takes.
    """

    design: Design
    times: FloatArray
    channels: tuple[str, ...]
    channel_types: tuple[str, ...]
    read: Callable[[int, int], AnyArray]
    dtype: np.dtype[Any]
    rank: int
    rank_by_type: dict[str, int]
    info: Any = None
    source: str = ""
    selection: dict[str, Any] = dataclasses.field(default_factory=dict)
    averages: bool = False
    in_memory: bool = False

    @property
    def n_times(self) -> int:
        """Number of samples (or windows)."""
        return len(self.times)

    @property
    def n_channels(self) -> int:
        """Number of channels (or features)."""
        return len(self.channels)

    @property
    def n_bytes(self) -> int:
        """Bytes of one sample of all trials."""
        return self.design.n_trials * self.n_channels * self.dtype.itemsize
