"""A stretch of time of all trials: the numbers of the source, its baseline subtracted, none missing."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg._reading import Reading
from alignkit.meg._sources import ArraySource
from alignkit.meg._time_grid import TimeGrid


def reading(data, *, trials=None, first=0, step=1, n=None, baseline=None):
    times = np.arange(data.shape[2]) / 100
    kept = times[first::step][:n]
    chosen = np.arange(len(data)) if trials is None else np.asarray(trials)
    channels = np.arange(data.shape[1])
    names = tuple(f"EEG {i}" for i in channels)
    return Reading(ArraySource(data, channels), chosen, TimeGrid(kept, first, step, baseline), names)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reads_times_by_trials_by_channels(rng, readonly, dtype):
    data = readonly(rng.standard_normal((9, 4, 30)).astype(dtype))
    read = reading(data, trials=[1, 2, 7], first=3, step=4, n=6)
    got = read(1, 4)
    assert got.dtype == dtype
    assert got.flags.c_contiguous
    assert got.flags.writeable
    np.testing.assert_array_equal(got, data[[1, 2, 7]][:, :, [7, 11, 15]].transpose(2, 0, 1))
    got[...] = 0  # the caller may overwrite what it got
    np.testing.assert_array_equal(read(0, 6), data[[1, 2, 7]][:, :, 3:24:4].transpose(2, 0, 1))


def test_subtracts_the_mean_over_the_baseline(rng, readonly):
    data = readonly(rng.standard_normal((5, 3, 20)))
    expected = data - data[:, :, 2:8].mean(axis=2, keepdims=True)
    got = reading(data, first=10, baseline=(2, 8))(0, 10)
    np.testing.assert_allclose(got, expected[:, :, 10:].transpose(2, 0, 1), atol=1e-15)


def test_gives_a_sample_of_the_data(rng):
    data = rng.standard_normal((9, 4, 30))
    read = reading(data, trials=[0, 2, 4, 6, 8], first=1, step=2)
    got = read.sample(np.array([0, 3]), np.array([0, 4, 5]))
    np.testing.assert_array_equal(got, data[[0, 6]][:, :, [1, 9, 11]].transpose(2, 0, 1))


def test_only_samples_that_are_there():
    read = reading(np.zeros((2, 2, 5)))
    for start, stop in ((0, 6), (-1, 2), (2, 2), (3, 1)):
        with pytest.raises(ValueError, match=f"samples {start} to {stop} are not among the 5 there are"):
            read(start, stop)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_missing_numbers_are_refused_where_they_are_read(value):
    data = np.zeros((6, 3, 8))
    data[4, 1, 5] = value
    read = reading(data, trials=[0, 4, 5])
    assert read(0, 5).shape == (5, 3, 3)
    with pytest.raises(
        ValueError, match=r"the first in channel 'EEG 1' of trial 4 at 0.05 s; leave out or interpolate"
    ):
        read(3, 8)


def test_large_numbers_are_not_missing():
    data = np.full((2, 2, 4), 3e38, dtype=np.float32)  # their sum is infinite
    np.testing.assert_array_equal(reading(data)(0, 4), data.transpose(2, 0, 1))


def test_a_gap_in_the_baseline_alone_is_said_to_be_there(rng):
    data = rng.standard_normal((3, 2, 10))
    data[2, 1, 0] = np.nan
    with pytest.raises(ValueError, match="first in channel 'EEG 1' of trial 2 in the baseline; leave out"):
        reading(data, first=5, baseline=(0, 3))(0, 2)


def test_the_baseline_of_single_precision_is_a_mean_of_double(rng):
    data = (1e4 + rng.standard_normal((2, 3, 5000))).astype(np.float32)
    got = reading(data, baseline=(0, 5000))(0, 1)
    expected = data[:, :, 0] - data.mean(axis=2, dtype=np.float64).astype(np.float32)
    np.testing.assert_array_equal(got[0], expected)
