"""Samples are kept as mne keeps them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.epochs import make_epochs
from reference.warned import its_own

from alignkit.meg._time_grid import sample_interval, time_grid, warn_of_aliasing

TIMES = np.arange(-20, 101) / 200


def grid(times=TIMES, *, tmin=None, tmax=None, baseline=None, decim=1):
    return time_grid(times, tmin=tmin, tmax=tmax, baseline=baseline, decim=decim)


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("decim", [1, 2, 3, 7])
@pytest.mark.parametrize(
    ("tmin", "tmax"), [(None, None), (0.0, None), (-0.05, 0.1), (0.013, 0.094), (None, 0.0449), (0.1, 0.17)]
)
def test_crops_and_decimates_as_mne_does(tmin, tmax, decim):
    pytest.importorskip("mne")
    epochs = make_epochs()
    made = grid(epochs.times, tmin=tmin, tmax=tmax, decim=decim)
    expected = epochs.copy().decimate(decim, verbose="error")
    whole = np.isin(epochs.times, expected.times)
    inside = np.isin(epochs.times, epochs.copy().crop(tmin, tmax).times)
    kept = np.flatnonzero(whole & inside)
    np.testing.assert_array_equal(made.first + made.step * np.arange(made.n_times), kept)
    np.testing.assert_array_equal(made.times, epochs.times[kept])


@given(
    start=st.integers(-50, 50),
    n=st.integers(2, 80),
    rate=st.sampled_from([100.0, 128.0, 1000 / 3, 600.61]),
    decim=st.integers(1, 9),
)
def test_decimation_keeps_the_grid_of_time_zero(start, n, rate, decim):
    times = (start + np.arange(n)) / rate
    positions = np.arange(start, start + n)
    if not (positions % decim == 0).any():
        with pytest.raises(ValueError, match="keep no sample"):
            grid(times, decim=decim)
        return
    np.testing.assert_array_equal(grid(times, decim=decim).times, times[positions % decim == 0])


def test_the_baseline_is_looked_up_among_all_samples():
    assert grid().baseline is None
    assert grid(baseline=(None, 0), tmin=0.1, decim=5).baseline == (0, 21)
    assert grid(baseline=(-0.05, -0.02)).baseline == (10, 17)
    assert grid(baseline=(0, None)).baseline == (20, 121)
    assert grid(np.array([0.0, 0.5]), baseline=(0, 0.0)).baseline == (0, 1)


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match=r"tmin=2, tmax=None and decim=1 keep no sample; the data goes from -0.1 to"):
        grid(tmin=2)
    with pytest.raises(ValueError, match=r"tmin must not lie after tmax; got 0.2 and 0.1"):
        grid(tmin=0.2, tmax=0.1)
    with pytest.raises(TypeError, match="tmin must be a number of seconds; got 'a'"):
        grid(tmin="a")
    with pytest.raises(ValueError, match="tmax must be a finite number"):
        grid(tmax=np.nan)
    with pytest.raises(ValueError, match=r"baseline=\(0.011, 0.013\) holds no sample"):
        grid(baseline=(0.011, 0.013))
    for bad in (0, "ab", (1, 2, 3)):
        with pytest.raises(TypeError, match="baseline must be two times in seconds"):
            grid(baseline=bad)
    with pytest.raises(ValueError, match="decim must be at least 1"):
        grid(decim=0)
    with pytest.raises(ValueError, match="decim needs times at equal intervals"):
        grid(np.array([0.0, 0.1, 0.3]), decim=2)


def test_intervals_are_those_of_mne_times():
    assert sample_interval(TIMES, "window") == pytest.approx(1 / 200)
    with pytest.raises(ValueError, match="window needs times at equal intervals"):
        sample_interval(np.array([0.0]), "window")


def test_aliasing_is_told_and_only_where_it_is():
    warn_of_aliasing(1200, 40.0, 6)
    warn_of_aliasing(1200, None, 60)
    warn_of_aliasing(100, 80.0, 1)
    with pytest.warns(
        RuntimeWarning, match=r"decim= \(20\) leaves 60 Hz of data filtered below 40 Hz: what lies above 30 Hz"
    ):
        warn_of_aliasing(1200, 40.0, 20)


def test_both_ends_are_kept_however_they_were_computed():
    times = np.arange(40) * 0.1 - 1.3  # none of them is a decimal number
    for first, last in ((0, 39), (7, 30), (13, 14), (3, 3)):
        made = grid(times, tmin=round(times[first], 3), tmax=round(times[last], 3))
        np.testing.assert_array_equal(made.times, times[first : last + 1])


@pytest.mark.parametrize("baseline", [(-100, 0), (-100, 100), (None, 1), (1, 2), (-0.1051, None)])
def test_a_baseline_outside_the_data_is_refused_as_by_mne(baseline):
    with pytest.raises(ValueError, match=r"lies outside the data, which goes from -0.1 to 0.5 s; times are in seconds"):
        grid(baseline=baseline)
    mne = pytest.importorskip("mne")
    epochs = mne.EpochsArray(np.zeros((1, 1, len(TIMES))), mne.create_info(1, 200.0), tmin=-0.1, verbose="error")
    with pytest.raises(ValueError, match="outside of epochs data"):
        epochs.apply_baseline(baseline)


def test_a_baseline_may_reach_a_sample_further():
    assert grid(baseline=(-0.105, 0)).baseline == (0, 21)
    assert grid(baseline=(0, 0.505)).baseline == (20, 121)


@pytest.mark.parametrize(
    ("tmin", "tmax", "said"),
    [(-100, 500, r"tmin= and tmax= \(-100, 500 s\)"), (-0.2, None, r"tmin= \(-0.2 s\)"), (0, 500, r"tmax= \(500 s\)")],
)
def test_what_lies_beyond_the_data_is_told_once(tmin, tmax, said):
    with pytest.warns(RuntimeWarning, match=f"{said} lies? beyond the data, which goes from -0.1 to 0.5 s") as told:
        made = grid(tmin=tmin, tmax=tmax)
    told = its_own(told)
    assert len(told) == 1
    assert told[0].filename == __file__
    np.testing.assert_array_equal(made.times, TIMES[tmin <= TIMES])
    assert grid(tmin=-0.105, tmax=0.505).n_times == len(TIMES)
