"""Peaks are found where they were planted, with their height."""

from __future__ import annotations

import numpy as np
import pytest
from reference.group_curves import HEIGHT, PEAK, TIMES, group_curves

from alignkit.meg import onset, peak


def test_a_planted_peak_is_found_within_one_sample_at_high_snr(rng):
    found = peak(group_curves(rng, 16, spread=0.0, sd=0.001), times=TIMES, rng=0)
    assert abs(found.value - PEAK) <= 0.0051
    assert found.amplitude == pytest.approx(HEIGHT, abs=0.05)
    assert found.interval[0] <= PEAK + 1e-9
    assert found.interval[1] >= PEAK - 1e-9
    assert found.amplitude_interval[0] < found.amplitude < found.amplitude_interval[1]


def test_each_subjects_peak_is_that_of_its_own_curve(rng):
    curves = group_curves(rng, 7)
    found = peak(curves, times=TIMES, tmin=0.05, tmax=0.3, n_bootstrap=0)
    inside = (TIMES > 0.049) & (TIMES < 0.301)
    np.testing.assert_array_equal(found.per_subject, TIMES[inside][curves[:, inside].argmax(axis=1)])
    np.testing.assert_array_equal(found.per_subject_amplitude, curves[:, inside].max(axis=1))
    assert found.amplitude == pytest.approx(curves.mean(axis=0)[inside].max())


def test_the_height_has_the_unit_of_the_curves(rng):
    found = peak(group_curves(rng, 5), times=TIMES, unit="µV", n_bootstrap=0)
    assert found.unit == "µV"
    assert " µV;" in repr(found)
    with pytest.raises(ValueError, match="unit must be a name"):
        peak(group_curves(rng, 5), times=TIMES, unit=" ")


@pytest.mark.parametrize("uneven", [False, True])
def test_a_parabola_is_refined_to_its_vertex(uneven):
    times = np.array([-0.1, 0.0, 0.05, 0.12, 0.2, 0.25]) if uneven else np.arange(-2, 6) * 0.05
    curve = 3.0 - (times - 0.13) ** 2
    found = peak(curve, times=times, interpolate=True, n_bootstrap=0)
    assert found.value == pytest.approx(0.13)
    assert found.amplitude == pytest.approx(3.0)


def test_a_plateau_is_not_refined():
    found = peak([0.0, 0.0, 1.0, 1.0, 1.0, 0.0], times=np.arange(-1, 5) * 0.1, interpolate=True, n_bootstrap=0)
    assert found.value == pytest.approx(0.15)  # the parabola through 0, 1, 1
    flat = peak([0.0, 0.5, 1.0, 1.0, 1.0, 0.0], times=np.arange(-1, 5) * 0.1, interpolate=True, n_bootstrap=0)
    assert flat.value == pytest.approx(0.15)  # the first of the highest samples, and its neighbours


def test_the_highest_sample_at_the_edge_of_the_search_is_not_refined():
    times = np.arange(-2, 9) * 0.05
    curve = 3.0 - (times - 0.33) ** 2
    with pytest.warns(RuntimeWarning, match="highest at the last sample searched"):
        found = peak(curve, times=times, tmax=0.2, interpolate=True, n_bootstrap=0)
    assert found.value == pytest.approx(0.2)
    assert found.amplitude == pytest.approx(3.0 - 0.13**2)


def test_the_search_begins_after_the_stimulus():
    curve = np.array([5.0, 9.0, 1.0, 2.0, 1.0])
    assert peak(curve, times=np.arange(-1, 4) * 0.1, n_bootstrap=0).value == pytest.approx(0.2)


@pytest.mark.parametrize("interpolate", [False, True])
def test_a_flat_curve_has_no_peak(interpolate):
    curves = np.zeros((3, 9))
    curves[0, 6] = 1.0  # one person has one
    times = np.arange(-2, 7) * 0.1
    with pytest.warns(RuntimeWarning, match="the mean curve has no peak") as caught:
        found = peak(np.full((3, 9), 0.2), times=times, interpolate=interpolate, rng=0)
    assert len(caught) == 1
    assert np.isnan(found.value)
    assert np.isnan(found.interval).all()
    assert found.amplitude == pytest.approx(0.2)
    some = peak(curves, times=times, interpolate=interpolate, rng=0)
    assert some.value == pytest.approx(0.4)
    np.testing.assert_allclose(some.per_subject, [0.4, np.nan, np.nan])
    assert some.n_undefined > 0  # resamples without that person


def test_a_maximum_at_the_edge_is_told():
    rising = np.linspace(0, 1, 10)
    with pytest.warns(RuntimeWarning, match="highest at the last sample searched"):
        peak(rising, times=np.arange(-2, 8) * 0.1, n_bootstrap=0)


def test_options_that_make_no_sense_are_refused(rng):
    with pytest.raises(ValueError, match="holds no sample"):
        peak(group_curves(rng, 4), times=TIMES, tmin=2.0)
    with pytest.raises(ValueError, match="interval must be one of"):
        peak(group_curves(rng, 4), times=TIMES, interval="t")


def test_the_p3_of_five_people_peaks_late(shared_data):
    mne = pytest.importorskip("mne")
    files = [shared_data("meg", "mne_misc", f"sub-0{i}_ses-P3_task-P3_ave.fif") for i in range(15, 20)]
    # target minus non-target is the third of each file
    differences = [mne.read_evokeds(file, verbose="error")[2] for file in files]
    curves = np.array([1e6 * one.get_data(picks=["Pz"])[0] for one in differences])
    times = differences[0].times
    found = peak(curves, times=times, tmin=0.2, rng=0)
    assert 0.3 < found.value < 0.6
    assert found.amplitude > 2.0
    rise = onset(curves, times=times, interpolate=True, rng=0)
    assert 0.1 < rise.value < found.value
