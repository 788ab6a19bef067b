"""Windows are means over, or all of, the samples they hold, read by whatever stretches."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.meg._as_trials import as_trials
from alignkit.meg._windows import windowed


def trials_of(data, times=None):
    times = np.arange(-5, data.shape[2] - 5) / 100 if times is None else times
    return as_trials(data, by=np.arange(len(data)) % 3, times=times)


def reference_windows(data, length, stride, concat):
    """Return what windows hold, window by window in plain loops."""
    out = []
    for first in range(0, data.shape[2] - length + 1, stride):
        samples = data[:, :, first : first + length]
        rows = [samples[:, :, i] for i in range(length)]
        out.append(np.concatenate(rows, axis=1) if concat else sum(rows) / length)
    return np.stack(out)


@given(
    n=st.integers(1, 30),
    length=st.integers(1, 12),
    stride=st.integers(1, 15),
    chunk=st.integers(1, 9),
    concat=st.booleans(),
)
def test_windows_are_what_plain_loops_give(n, length, stride, chunk, concat):
    data = np.random.default_rng(n * length + stride).standard_normal((4, 3, n))
    trials = trials_of(data)
    options = dict(window=length / 100, step=stride / 100, mode="concat" if concat else "mean")
    if n < 2 or length > n:
        with pytest.raises(ValueError, match="window"):
            windowed(trials, **options)
        return
    made = windowed(trials, **options)
    expected = reference_windows(data, length, stride, concat)
    assert made.n_times == len(expected)
    got = [made.read(start, min(start + chunk, made.n_times)) for start in range(0, made.n_times, chunk)]
    np.testing.assert_allclose(np.concatenate(got), expected, atol=1e-12)
    assert got[0].flags.c_contiguous
    centres = [trials.times[i : i + length].mean() for i in range(0, n - length + 1, stride)]
    np.testing.assert_allclose(made.times, centres, atol=1e-12)


def test_a_window_never_holds_more_samples_than_it_returns(rng):
    trials = trials_of(rng.standard_normal((4, 3, 60)))
    asked = []

    def read(start, stop):
        asked.append(stop - start)
        return trials.read(start, stop)

    made = windowed(dataclasses.replace(trials, read=read), window=0.2, step=0.2)
    made.read(0, 2)
    assert max(asked) == 2
    assert sum(asked) == 40


def test_samples_side_by_side_are_named_by_their_lag(rng):
    data = rng.standard_normal((4, 2, 20)).astype(np.float32)
    trials = as_trials(data, by=[1, 2, 3, 4], times=np.arange(20) / 200, ch_types=["mag", "eeg"])
    made = windowed(trials, window=0.01, mode="concat")
    assert made.channels == ("0 -2.5 ms", "1 -2.5 ms", "0 +2.5 ms", "1 +2.5 ms")
    assert made.channel_types == ("mag", "eeg", "mag", "eeg")
    assert made.read(0, 3).shape == (3, 4, 4)
    assert (made.dtype, made.read(0, 3).dtype) == (np.float32, np.float32)
    assert (made.n_channels, made.rank) == (4, 2 * trials.rank)
    assert made.info is None


def test_a_mean_keeps_channels_and_type_of_number(rng):
    trials = trials_of(rng.standard_normal((4, 3, 60)).astype(np.float32))
    made = windowed(trials, window=0.02)
    assert (made.channels, made.rank, made.read(0, 1).dtype) == (trials.channels, trials.rank, np.float32)
    assert made.n_times == 59  # from sample to sample by default
    with pytest.raises(ValueError, match="windows 58 to 60 are not among the 59 there are"):
        made.read(58, 60)


def test_seconds_are_rounded_to_samples(rng):
    trials = trials_of(rng.standard_normal((4, 3, 60)))
    assert windowed(trials, window=0.024, step=0.016).n_times == len(range(0, 59, 2))
    with pytest.raises(ValueError, match=r"window=0.004 is shorter than one sample \(0.01 s\)"):
        windowed(trials, window=0.004)
    with pytest.raises(ValueError, match=r"step=0.001 is shorter than one sample"):
        windowed(trials, window=0.05, step=0.001)
    with pytest.raises(ValueError, match=r"window=0.7 is longer than the data, which lasts 0.6 s"):
        windowed(trials, window=0.7)
    with pytest.raises(ValueError, match="mode must be one of 'mean', 'concat'"):
        windowed(trials, window=0.05, mode="sum")
    with pytest.raises(ValueError, match="window must be a finite number above 0"):
        windowed(trials, window=0)
    with pytest.raises(TypeError, match="step must be a number"):
        windowed(trials, window=0.05, step="1")
    with pytest.raises(ValueError, match="window needs times at equal intervals"):
        windowed(trials_of(rng.standard_normal((4, 3, 3)), [0.0, 0.1, 0.5]), window=0.1)
