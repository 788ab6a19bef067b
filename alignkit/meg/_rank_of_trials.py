"""How many channels are independent: as mne's info tells, and as a sample of the data shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._check import require
from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray, IntArray
from alignkit.meg._reading import Reading

#: Singular values below this share of the largest are rounding: sensors in single precision leave about 1e-7.
_TOLERANCE = 1e-5
#: What is left of a constant channel less its mean, as a share of it.
_ROUNDING = 1e-12
#: Samples looked at, per channel; fewer than half of it show nothing.
_PER_CHANNEL = 4
_SAMPLES_PER_TRIAL = 10


def rank_by_type(reading: Reading, types: Sequence[str], info: Any) -> dict[str, int]:
    """Return the number of independent channels of each type of sensor.

    Magnetometers and gradiometers count together, as ``meg``, where there are both. mne's info knows of signal-space
    separation and of projectors; a sample of the data shows what it does not: an average reference, components taken
    out, bridged and interpolated channels. The smaller number holds. The sample is of several trials: one average, a
    smooth curve, would seem to be of lower rank than its channels are.
    """
    groups = _groups(types)
    known = {} if info is None else _ranks_of_info(info)
    sample = _sample(reading)
    ranks = {}
    for name, members in groups.items():
        ranks[name] = min(known.get(name, len(members)), len(members))
        if len(sample) >= _PER_CHANNEL // 2 * len(members):
            ranks[name] = min(ranks[name], _rank_of_sample(sample[:, members]))
    return ranks


def _groups(types: Sequence[str]) -> dict[str, IntArray]:
    both = {"mag", "grad"} <= set(types)
    names = ["meg" if both and kind in ("mag", "grad") else kind for kind in types]
    return {name: np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)}


def _ranks_of_info(info: Any) -> dict[str, int]:
    mne = require("mne", "meg")
    probe = mne.EvokedArray(np.zeros((len(info["ch_names"]), 1)), info, verbose="error")
    probe.info["bads"] = []
    if not {"mag", "grad", "eeg", "seeg", "ecog", "dbs", "hbo", "hbr"} & set(probe.get_channel_types()):
        return {}
    ranks = mne.compute_rank(probe, rank="info", verbose="error")
    kinds = set(probe.get_channel_types()) & {"mag", "grad"}
    if "meg" in ranks and len(kinds) == 1:  # mne calls one type by both names
        ranks[kinds.pop()] = ranks.pop("meg")
    return {str(name): int(rank) for name, rank in ranks.items()}


def _sample(reading: Reading) -> FloatArray:
    """Return samples of trials from all of the recording, shape (samples, channels), unscaled."""
    n_channels, n_trials = reading.source.n_channels, len(reading.trials)
    times = np.linspace(0, reading.grid.n_times - 1, min(_SAMPLES_PER_TRIAL, reading.grid.n_times)).astype(np.int64)
    wanted = -(-_PER_CHANNEL * n_channels // len(times))
    trials = np.unique(np.linspace(0, n_trials - 1, min(wanted, n_trials)).astype(np.int64))
    return reading.sample(trials, times).reshape(-1, n_channels).astype(np.float64)


# a BLAS that has used its threads keeps them looking for work, on the processors that those of each() need next
@one_blas_thread()
def _rank_of_sample(sample: FloatArray) -> int:
    """Return the number of singular values that are not rounding, each channel taken as equally large.

    What a channel holds throughout is no part of it: offsets of amplifiers are many times what they ride on, and would
    make all the rest look like rounding.
    """
    level = np.linalg.norm(sample, axis=0)
    sample = sample - sample.mean(axis=0)
    length = np.linalg.norm(sample, axis=0)
    moving = length > _ROUNDING * level
    scaled = sample[:, moving] / length[moving]
    if scaled.shape[1] == 0:
        return 0
    power = np.linalg.eigvalsh(scaled.T @ scaled)
    return int((power > _TOLERANCE**2 * power[-1]).sum())
