"""Fewer times of RDMs that lie somewhere: means over samples in a row, and a stretch of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._check import counted
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.meg._rdm_store import positions_within
from alignkit.meg._slices import Read, Source

#: Samples of the 118 images, and how many CLIP-HBA-MEG averages, the first apart.
_CICHY = (1101, 5)


def sample_times(source: Source, /, *, size: int, tmin: float | None, tmax: float | None) -> Source:
    """Return a source of fewer times, each the mean of ``size`` samples in a row; nothing is read yet.

    Means are taken from the first sample on, whatever ``tmin`` is, have the mean time of their samples, and samples at
    the end that make no whole mean are left out. The 1,101 samples of the 118 images, averaged by five, become the 221
    times of CLIP-HBA-MEG instead: the first sample is kept as it is, and a mean has the time of its last sample (-100
    to 1000 ms in steps of 5), as :func:`alignkit.meg.average_times` with ``keep_first=True, stamp="last"``. A pair
    that is NaN at one sample is NaN in the mean.

    Parameters
    ----------
    source : Source
        With times.
    size : int
        Samples in each mean.
    tmin, tmax : float or None
        Keep the means from the one up to the other, in seconds, both included.

    Raises
    ------
    ValueError
        Fewer samples than a mean takes, or none between ``tmin`` and ``tmax``.
    """
    assert source.times is not None
    start, times = _means(source, source.times, size)
    kept = positions_within(source.called, times, tmin, tmax)
    # sums of steps leave residues, by which a picture would come before or after time 0
    start, times = start[kept[0] : kept[-1] + 2], times[kept].round(9)

    def shifted(read: Read) -> Read:
        return lambda first, last: read(int(start[first]), int(start[last]))

    def averaged(first: int, last: int) -> AnyArray:
        # one mean after the other: several times as many samples are not held
        parts = [_mean(source.read(int(start[k]), int(start[k + 1]))) for k in range(first, last)]
        return np.stack(parts, axis=1)

    plain = size == 1
    counts = shifted(source.read_counts) if plain and source.read_counts is not None else None
    read = shifted(source.read) if plain else averaged
    return dataclasses.replace(source, times=times, n_times=len(times), read=read, read_counts=counts)


def _means(source: Source, times: FloatArray, size: int) -> tuple[IntArray, FloatArray]:
    """Return where each mean starts, with one past the last, and their times."""
    n = len(times)
    if (n, size) == _CICHY:
        return np.concatenate([[0], np.arange(1, n + 1, size)]), times[::size]
    if n < size:
        msg = f"{source.called} has {counted(n, 'time')}, too few to average {size} at a time; set average."
        raise ValueError(msg)
    whole = n // size
    return np.arange(0, (whole + 1) * size, size), times[: whole * size].reshape(-1, size).mean(axis=1)


def _mean(values: AnyArray) -> AnyArray:
    means: AnyArray = values.mean(axis=1, dtype=np.float64)
    return means.astype(values.dtype, copy=False)
