"""What the simulated lab plants is found again through the whole pipeline."""

from __future__ import annotations

import numpy as np
import pytest
from reference.simulate import onset_and_peak

from alignkit.data import simulate
from alignkit.meg import onset, peak, time_rdms, timecourse
from alignkit.rsa import RDM


def rdms_of(meg, **options):
    """Return everybody's RDMs over time, dims ("subject", "time"), folds from the sessions."""
    names = [meg.labels[c] for c in meg.condition]
    found = [time_rdms(epochs, by=names, folds=meg.session, times=meg.times, **options) for epochs in meg.patterns]
    stack = RDM(
        np.stack([one.values for one in found]),
        found[0].labels,
        dims=("subject", "time"),
        coords={"subject": meg.subjects, "time": meg.times},
        metric=found[0].metric,
    )
    return stack.select(meg.labels)


@pytest.fixture(scope="module")
def lab():
    return simulate(32, individuality=0.0)


@pytest.mark.parametrize(("onset_s", "peak_s", "sfreq"), [(0.08, 0.15, 100.0), (0.06, 0.2, 125.0)])
@pytest.mark.parametrize("noise", ["realistic", "white"])
def test_onset_and_peak_are_found_within_a_sample(lab, onset_s, peak_s, sfreq, noise):
    meg = lab.meg(
        n_subjects=2, snr=3.0, noise=noise, sfreq=sfreq, n_times=int(0.45 * sfreq), onset_s=onset_s, peak_s=peak_s
    )
    curves = rdms_of(meg, metric="crossnobis").values.mean(axis=-1)
    for curve in [*curves, curves.mean(axis=0)]:
        begins, highest = onset_and_peak(curve.tolist(), meg.times.tolist())
        assert abs(begins - onset_s) <= 1 / sfreq + 1e-9
        assert abs(highest - peak_s) <= 1 / sfreq + 1e-9


def test_time_course_of_the_planted_rdm_rises_and_peaks_when_planted(lab):
    meg = lab.meg(n_subjects=4, snr=0.5)
    result = timecourse(meg.planted_at(0.15), rdms_of(meg, metric="crossnobis"))
    curve = np.asarray(result.mean).ravel()
    begins, highest = onset_and_peak(curve.tolist(), meg.times.tolist())
    assert abs(begins - 0.08) <= 0.01 + 1e-9
    assert abs(highest - 0.15) <= 0.01 + 1e-9
    assert curve[25] > 0.85


@pytest.mark.parametrize(("onset_s", "peak_s", "sfreq"), [(0.08, 0.15, 100.0), (0.06, 0.2, 125.0), (0.08, 0.15, 250.0)])
def test_the_default_onset_and_peak_of_a_time_course_are_those_planted(lab, onset_s, peak_s, sfreq):
    meg = lab.meg(n_subjects=5, snr=3.0, sfreq=sfreq, n_times=int(0.45 * sfreq), onset_s=onset_s, peak_s=peak_s)
    course = timecourse(meg.planted_at(peak_s), rdms_of(meg, metric="crossnobis"))
    for find, planted in ((onset, onset_s), (peak, peak_s)):
        found = find(course, rng=0)
        assert abs(found.value - planted) <= 1 / sfreq + 1e-9
        assert np.abs(found.interval - planted).max() <= 2 / sfreq + 1e-9


@pytest.mark.parametrize("rank", [None, 20])
def test_planted_rdm_is_recovered_at_the_peak(lab, rank):
    meg = lab.meg(n_subjects=1, n_sessions=12, snr=1.0, rank=rank)
    found = rdms_of(meg, metric="crossnobis").values[0, 25]
    assert np.corrcoef(found, meg.planted.values[25])[0, 1] > 0.95
    unwhitened = rdms_of(meg, metric="crossnobis", noise=None).values[0, 25]
    slope = unwhitened @ meg.planted.values[25] / (meg.planted.values[25] ** 2).sum()
    assert slope == pytest.approx(1, abs=0.05)  # in the units planted, too


@pytest.mark.parametrize(("metric", "nothing"), [("crossnobis", 0.0), ("decoding", 0.5)])
def test_pure_noise_gives_nothing_within_its_standard_error(metric, nothing):
    meg = simulate(24).meg(n_subjects=24, n_sessions=4, snr=0.0, n_times=30, n_channels=16, session_sd=0.3)
    means = rdms_of(meg, metric=metric).values.mean(axis=(1, 2))  # of people, who are independent
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - nothing) < 3 * error
    assert error < 0.02


def test_files_give_what_arrays_give(lab, tmp_path):
    pytest.importorskip("mne")
    meg = lab.meg(n_subjects=1, n_sessions=3, n_times=30, n_channels=16)
    options = {"metric": "crossnobis"}
    expected = rdms_of(meg, **options).values[0]
    first = meg.write_things(tmp_path, n_test=0, n_catch=0, split_size=150_000)
    found = time_rdms(first, by="things_category_nr", folds="session_nr", **options)
    assert found.labels == tuple(str(number) for number in range(1, 33))
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)
    mixed = meg.write_things(tmp_path, n_test=4, n_catch=4, split_size=150_000)
    other = time_rdms(mixed, by="things_category_nr", folds="session_nr", query="trial_type == 'exp'", **options)
    assert other.labels == found.labels
