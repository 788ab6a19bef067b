"""Channels that hold the same number throughout: what they are told by, and what they do."""

from __future__ import annotations

import warnings

import numpy as np

from alignkit._check import join_names
from alignkit._typing import IntArray
from alignkit.meg._caller import caller_level
from alignkit.meg._reading import Reading

#: Samples and trials by which other channels are ruled out, so that the whole is read only where one is left.
_LOOKED_AT = 10


def warn_of_flat(reading: Reading) -> None:
    """Warn, naming them, of channels that hold the same value at all samples kept of all trials.

    They carry nothing, yet count as channels: whatever is divided by the number of channels gets smaller. Nothing is
    said where all are flat, which other refusals say.
    """
    flat = _flat(reading)
    n_channels = reading.source.n_channels
    if 0 < len(flat) < n_channels:
        names, are = join_names(reading.channels[i] for i in flat), "channels is" if len(flat) == 1 else "channels are"
        warnings.warn(
            f"{len(flat)} of {n_channels} {are} flat (one value in all trials): {names}; they carry no signal, "
            "and distances per channel (crossnobis) are smaller for them; leave them out (picks=) or mark them bad.",
            RuntimeWarning,
            stacklevel=caller_level(),
        )


def _flat(reading: Reading) -> IntArray:
    """Return the positions of flat channels."""
    trials = _some(len(reading.trials))
    sample = reading.sample(trials, _some(reading.grid.n_times))
    left = np.flatnonzero((sample == sample[0, 0]).all(axis=(0, 1)))
    first, n_times, step = reading.grid.first, reading.grid.n_times, reading.grid.step
    value = sample[0, 0]
    if len(left) in (0, reading.source.n_channels):
        return left
    for _, block in reading.source.blocks(reading.trials, first, first + step * (n_times - 1) + 1, step):
        moves = (block[:, left] != value[left, np.newaxis]).any(axis=(0, 2))
        left = left[~moves]
        if len(left) == 0:
            break
    return left


def _some(n: int) -> IntArray:
    return np.unique(np.linspace(0, n - 1, min(_LOOKED_AT, n)).astype(np.int64))
