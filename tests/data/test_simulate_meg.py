from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from reference.simulate import onset_and_peak, personal_distances, squared_distances
from scipy.stats import spearmanr

from alignkit.data import simulate
from alignkit.data._simulate_meg_recorder import CATCH
from alignkit.rsa import RDM, noise_ceiling, rdm

EXACT = {"noise": "white", "session_sd": 0.0}


@pytest.fixture(scope="module")
def lab():
    return simulate(96)


def signal_of(lab, subject=0, **options):
    """Return a recording less the same recording without signal, one showing, objects in order."""
    options = {"n_subjects": subject + 1, "n_trials": 1, **options}
    loud, silent = lab.meg(**options), lab.meg(**{**options, "snr": 0.0})
    return loud, (next(loud.sessions(subject)) - next(silent.sessions(subject)))[np.argsort(loud.condition)]


# --- one seed, the same bits


def test_meg_is_deterministic_per_person(lab):
    two, three = lab.meg(n_subjects=2, latency_sd_s=0.01), lab.meg(n_subjects=3, latency_sd_s=0.01)
    np.testing.assert_array_equal(two.patterns, three.patterns[:2])
    np.testing.assert_array_equal(two.condition, three.condition)
    np.testing.assert_array_equal(two.peak_s, three.peak_s[:2])
    assert two.patterns.dtype == np.float32
    assert two.patterns.shape == (2, 576, 32, 60)
    assert two.times[0] == -0.1
    assert two.times[10] == 0
    assert two.sfreq == pytest.approx(100)
    for repetition in range(6):
        np.testing.assert_array_equal(np.sort(two.condition[two.repetition == repetition]), np.arange(96))
    assert not np.array_equal(two.patterns[0], two.patterns[1])


def test_trials_are_recorded_once_and_cannot_be_changed():
    meg = simulate(16, n_participants=2).meg(n_subjects=1, n_trials=1)
    assert meg.patterns is meg.patterns
    with pytest.raises(ValueError, match="read-only"):
        meg.patterns[0, 0, 0, 0] = 1


def test_sessions_one_by_one_equal_all_at_once():
    meg = simulate(24, n_participants=3).meg(n_subjects=2, n_sessions=3, n_trials=6)
    assert meg.n_sessions == 3
    np.testing.assert_array_equal(np.bincount(meg.session), [48, 48, 48])
    np.testing.assert_array_equal(np.concatenate(list(meg.sessions(1))), meg.patterns[1])
    np.testing.assert_array_equal(next(meg.sessions(meg.subjects[0])), meg.patterns[0, :48])


def test_more_sessions_leave_the_noise_of_the_first_as_it_is():
    lab = simulate(24, n_participants=3)
    few, many = (lab.meg(n_subjects=1, n_sessions=n, snr=0.0, session_sd=0.0) for n in (2, 5))
    np.testing.assert_array_equal(few.patterns, many.patterns[:, :48])


def test_one_session_of_a_large_recording_takes_little_memory():
    lab = simulate(400, n_participants=2, n_triplets=100, n_held_out=10, n_two_afc=10)
    meg = lab.meg(n_subjects=1, n_sessions=12, n_channels=64, n_times=100, sfreq=200.0)
    session_bytes = 400 * 64 * 100 * 4
    tracemalloc.start()
    first = next(meg.sessions())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first.nbytes == session_bytes
    assert peak < 2.5 * session_bytes  # of 12 sessions


# --- noise


@pytest.mark.parametrize("noise", ["white", "realistic"])
def test_meg_is_pure_noise_before_onset(lab, noise):
    loud, silent = (lab.meg(n_subjects=1, snr=snr, noise=noise, session_sd=0.0) for snr in (5.0, 0.0))
    before = loud.times <= 0.08
    np.testing.assert_array_equal(loud.patterns[..., before], silent.patterns[..., before])
    assert silent.patterns.var() == pytest.approx(1, abs=0.01 if noise == "white" else 0.05)
    means = np.array([silent.patterns[0, silent.condition == c].mean(axis=0) for c in range(96)])
    assert means.var() == pytest.approx(1 / 6, rel=0.03 if noise == "white" else 0.1)
    np.testing.assert_array_equal(loud.planted.values[before], 0)


def test_realistic_noise_is_smooth_in_time_and_space():
    meg = simulate(96).meg(n_subjects=1, snr=0.0, n_channels=128, n_trials=2, n_times=100)
    noise = meg.patterns[0]
    power = (np.abs(np.fft.rfft(noise * np.hanning(100), axis=-1)) ** 2).mean(axis=(0, 1))[5:40]
    slope = np.polyfit(np.log(np.fft.rfftfreq(100, 0.01)[5:40]), np.log(power), 1)[0]
    assert slope == pytest.approx(-1, abs=0.25)
    correlation = np.corrcoef(noise[:, :, ::10].transpose(1, 0, 2).reshape(128, -1))
    distance = np.linalg.norm(meg.positions[:, None] - meg.positions, axis=-1)
    off = ~np.eye(128, dtype=bool)
    near, far = off & (distance < 0.035), distance > 0.15
    assert correlation[near].mean() > 0.4
    assert abs(correlation[far].mean()) < 0.15


@pytest.mark.parametrize("noise", ["white", "realistic"])
@pytest.mark.parametrize("rank", [12, 17, 32])
def test_rank_is_as_asked(lab, noise, rank):
    meg = lab.meg(n_subjects=1, n_trials=2, n_times=30, snr=0.5, noise=noise, rank=rank)
    assert meg.rank == rank
    values = np.linalg.svd(meg.patterns[0].transpose(1, 0, 2).reshape(32, -1).astype(float), compute_uv=False)
    assert (values > 1e-5 * values[0]).sum() == rank
    assert meg.patterns[..., :10].var() == pytest.approx(1, abs=0.1)


def test_sessions_differ_as_asked(lab):
    still, moved = (
        lab.meg(n_subjects=1, n_sessions=40, n_times=30, snr=0.0, noise="white", session_sd=sd) for sd in (0.0, 0.5)
    )
    offsets = (moved.patterns - still.patterns)[0]
    for session in (0, 17):
        rows = offsets[moved.session == session]
        np.testing.assert_allclose(rows, np.broadcast_to(rows[0, :, :1], rows.shape), atol=1e-5)
    assert offsets.std() == pytest.approx(0.5, rel=0.1)


def test_gains_of_sessions_leave_cross_validated_distances_exact(lab):
    options = {"n_subjects": 1, "n_sessions": 4, "session_sd": 0.4, "noise": "white"}
    meg = lab.meg(**options, snr=0.5)
    signal = (meg.patterns - lab.meg(**options, snr=0.0).patterns)[0, ..., 25]
    labels = [meg.labels[c] for c in meg.condition]
    found = rdm(signal, metric="crossnobis", labels=labels, folds=meg.session).select(meg.labels)
    _, once = signal_of(lab, snr=0.5, noise="white")
    np.testing.assert_allclose(found.values, squared_distances(once[..., 25].astype(float).tolist()), rtol=1e-4)
    size = [np.abs(signal[meg.session == k]).mean() for k in range(4)]
    assert max(size) > 1.1 * min(size)


# --- signal


@pytest.mark.parametrize("options", [EXACT, {"rank": 20}, {"n_channels": 100}])
def test_meg_snr_and_planted_distances_are_exact(options):
    lab = simulate(96, individuality=0.0)
    meg, signal = signal_of(lab, snr=0.5, **options)
    at_peak = np.argmin(np.abs(meg.times - 0.15))
    assert signal[..., at_peak].var(axis=0).mean() == pytest.approx(0.5, rel=1e-4)
    expected = squared_distances(signal[..., at_peak].astype(float).tolist())
    np.testing.assert_allclose(expected, meg.planted.values[at_peak], rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(meg.planted_at(0.151).values, meg.planted.values[at_peak])
    assert meg.planted_at(0.15).labels == lab.labels


def test_whitening_keeps_the_planted_geometry():
    lab = simulate(48, individuality=0.0)
    meg, signal = signal_of(lab, snr=0.5)
    noise = lab.meg(n_subjects=1, n_trials=12, snr=0.0, session_sd=0.0).patterns[0].transpose(1, 0, 2).reshape(32, -1)
    precision = np.linalg.inv(np.cov(noise))
    whitened = rdm(signal[..., 25], metric="sqmahalanobis", noise=precision, labels=lab.labels)
    ratio = whitened.values / meg.planted.values[25]
    assert ratio.std() < 0.06 * ratio.mean()  # what is left is the error of the estimated covariance


@pytest.mark.parametrize("noise", ["white", "realistic"])
def test_meg_onset_and_peak_are_recovered(noise):
    lab = simulate(32, n_participants=6)
    for onset, peak, sfreq in ((0.08, 0.15, 100.0), (0.06, 0.2, 200.0)):
        meg = lab.meg(
            n_subjects=2, snr=5.0, noise=noise, sfreq=sfreq, n_times=int(0.5 * sfreq), onset_s=onset, peak_s=peak
        )
        for epochs in meg.patterns:
            means = np.stack([epochs[meg.condition == c].mean(axis=0, dtype=float) for c in range(32)])
            found_onset, found_peak = onset_and_peak(means.var(axis=0).mean(axis=0).tolist(), meg.times.tolist())
            assert abs(found_onset - onset) <= 1 / sfreq + 1e-9
            assert abs(found_peak - peak) <= 1 / sfreq + 1e-9


def test_meg_latencies_of_people_spread_as_asked(lab):
    meg = lab.meg(n_subjects=24, n_trials=1, n_times=40, latency_sd_s=0.01, snr=1.0)
    assert meg.onset_s.std() == pytest.approx(0.01, rel=0.5)
    np.testing.assert_allclose(meg.peak_s - meg.onset_s, 0.07)
    late = int(meg.peak_s.argmax())
    one, signal = signal_of(lab, subject=late, latency_sd_s=0.01, sfreq=500.0, n_times=200, snr=1.0)
    assert one.times[signal.var(axis=0).mean(axis=0).argmax()] == pytest.approx(meg.peak_s[late], abs=0.0021)


def test_meg_shows_low_level_before_high_level_latents(lab):
    meg, signal = signal_of(lab, snr=20.0, n_channels=128)
    region = np.array([name[2] for name in meg.channels])

    def found(seconds):
        pattern = signal[..., np.argmin(np.abs(meg.times - seconds))]
        rhos = [spearmanr(squared_distances(pattern.tolist()), truth.values).statistic for truth in (meg.low, meg.high)]
        size = pattern.var(axis=0)
        return rhos, size[region == "O"].mean() / size[region == "T"].mean()

    (early, occipital), (late, temporal) = found(0.10), found(0.22)
    assert early[0] > 0.8 > early[1]
    assert late[1] > 0.8 > late[0]
    assert occipital > 2
    assert temporal < 0.8


def test_meg_rdm_approaches_the_truth_as_snr_grows():
    lab = simulate(48, individuality=0.0)
    found = []
    for snr in (0.003, 0.03, 0.3, 30.0):
        meg = lab.meg(n_subjects=1, snr=snr)
        at_peak = np.argmin(np.abs(meg.times - 0.15))
        means = np.array([meg.patterns[0, meg.condition == c, :, at_peak].mean(axis=0) for c in range(48)])
        distances = squared_distances(means.tolist())
        found.append(spearmanr(distances, meg.planted.values[at_peak]).statistic)
    assert np.all(np.diff(found) > 0), found
    assert found[-1] > 0.99


@pytest.mark.parametrize(("n_subjects", "n_sessions"), [(4, 6), (12, 6), (4, 12)])
def test_noise_ceilings_are_those_of_real_recordings(n_subjects, n_sessions):
    lab = simulate(48)
    meg = lab.meg(n_subjects=n_subjects, n_sessions=n_sessions, latency_sd_s=0.005)
    labels, samples = [meg.labels[c] for c in meg.condition], [5, 25]
    stack = meg.patterns[..., samples].transpose(0, 3, 1, 2)
    found = rdm(stack, metric="crossnobis", labels=labels, folds=meg.session, dims=("subject", "time"))
    lower = np.asarray(noise_ceiling(found).lower)
    assert abs(lower[0]) < 0.06
    assert 0.05 < lower[1] < 0.3


# --- individually different dynamics


def test_turns_of_latents_spread_as_asked_and_belong_to_the_person(lab):
    few, many = (lab.meg(n_subjects=n, dynamics_sd_s=0.05) for n in (2, 24))
    assert many.turn_s.shape == (24, 12)
    np.testing.assert_array_equal(few.turn_s, many.turn_s[:2])
    np.testing.assert_array_equal(few.planted_of(1).values, many.planted_of("p002").values)
    assert many.turn_s.std() == pytest.approx(0.05, rel=0.1)
    assert np.abs(many.turn_s).max() <= np.sqrt(3) * 0.05
    np.testing.assert_array_equal(lab.meg(n_subjects=2).turn_s, 0)
    fewer = simulate(96, n_dimensions=9).meg(n_subjects=2, dynamics_sd_s=0.05)
    np.testing.assert_array_equal(fewer.turn_s, few.turn_s[:, :9])


@pytest.mark.parametrize("options", [{}, {"dynamics_sd_s": 0.04}, {"dynamics_sd_s": 0.04, "latency_sd_s": 0.01}])
def test_what_a_person_is_planted_follows_its_definition(options):
    lab = simulate(16, n_participants=3)
    meg = lab.meg(n_subjects=3, n_times=40, snr=0.2, **options)
    low = [name in ("striped", "glossy", "red", "green", "spotted") for name in lab.dimension_names]
    truth = personal_distances(
        lab.embedding.tolist(),
        low,
        lab.weights[2].tolist(),
        0.2,
        meg.times.tolist(),
        float(meg.onset_s[2]),
        float(meg.peak_s[2]),
        meg.turn_s[2].tolist(),
    )
    np.testing.assert_allclose(meg.planted_of(2).values, truth, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [EXACT, {"rank": 20}, {"latency_sd_s": 0.01}])
def test_what_is_planted_is_what_is_recorded(lab, options):
    meg, signal = signal_of(lab, 1, snr=0.5, dynamics_sd_s=0.05, **options)
    planted = meg.planted_of(1)
    assert planted.dims == ("time",)
    assert planted.labels == lab.labels
    for i in (0, 18, 22, 25, 35, 59):
        found = squared_distances(signal[..., i].astype(float).tolist())
        np.testing.assert_allclose(found, planted.values[i], rtol=2e-3, atol=1e-4)


def test_one_course_for_each_latent_meets_one_for_each_level_where_dynamics_are_alike(lab):
    options = {"n_subjects": 1, "n_trials": 1, "snr": 0.5}
    alike, nearly = (lab.meg(**options, dynamics_sd_s=sd) for sd in (0.0, 1e-9))
    np.testing.assert_allclose(nearly.patterns, alike.patterns, atol=1e-5)
    plain = simulate(96, individuality=0.0).meg(**options)
    np.testing.assert_allclose(plain.planted_of().values, plain.planted.values, rtol=1e-12, atol=1e-15)


def test_dynamics_move_shares_of_the_signal_and_never_its_size(lab):
    meg = lab.meg(n_subjects=4, dynamics_sd_s=0.1)
    means = np.stack([meg.planted_of(s).values.mean(axis=-1) for s in range(4)])
    np.testing.assert_allclose(means, np.broadcast_to(meg.planted.values.mean(axis=-1), means.shape), rtol=1e-12)
    assert meg.times[means[3].argmax()] == 0.15
    at_peak = meg.times.tolist().index(0.15)
    correlation = np.corrcoef([meg.planted_of(s).values[at_peak] for s in range(4)])
    alike = np.corrcoef([lab.meg(n_subjects=4).planted_of(s).values[at_peak] for s in range(4)])
    assert correlation[0, 1:].max() < alike[0, 1:].min()
    early = meg.turn_s[0].argmin()
    assert meg.latent_energy(0)[early].argmax() <= at_peak


def test_the_group_is_the_mean_of_its_people(lab):
    meg = lab.meg(n_subjects=3, n_times=30, dynamics_sd_s=0.05)
    expected = sum(meg.planted_of(name).values for name in meg.subjects) / 3
    np.testing.assert_allclose(meg.planted_group.values, expected, rtol=1e-12)


def test_latents_whose_turn_never_comes_leave_the_signal_whole(lab):
    meg = lab.meg(n_subjects=2, dynamics_sd_s=1e3)
    for s in range(2):
        values = meg.planted_of(s).values
        np.testing.assert_allclose(values.mean(axis=-1), meg.planted.values.mean(axis=-1), rtol=1e-9)


def test_catch_pictures_are_seen_with_ones_own_dynamics(lab):
    shown = np.array([CATCH, *range(96)])
    loud, silent = (
        np.concatenate(list(lab.meg(n_subjects=1, dynamics_sd_s=0.05, snr=snr)._recorder.blocks(0, 0, shown)))
        for snr in (0.5, 0.0)
    )
    size = np.linalg.norm(loud - silent, axis=1)
    assert size[0, 25] > np.median(size[1:, 25])
    np.testing.assert_array_equal(size[:, :18], 0)  # up to 70 ms


# --- MNE


def test_epochs_carry_data_metadata_and_positions(lab):
    mne = pytest.importorskip("mne")
    meg = lab.meg(n_subjects=2, n_sessions=2, n_channels=40)
    epochs = meg.epochs(meg.subjects[1])
    np.testing.assert_array_equal(epochs.get_data(), meg.patterns[1])
    np.testing.assert_allclose(epochs.times, meg.times, atol=1e-12)
    assert epochs.ch_names == list(meg.channels)
    assert set(epochs.get_channel_types()) == {"mag"}
    assert epochs.metadata["object"].tolist() == [meg.labels[c] for c in meg.condition]
    assert (epochs.metadata["things_category_nr"].to_numpy() - 1 == meg.condition).all()
    assert (epochs.metadata["session_nr"].to_numpy() - 1 == meg.session).all()
    assert len(np.unique(epochs.events[:, 2])) == len(epochs)  # each exemplar once
    placed = [ch["loc"][:3] for ch in epochs.info["chs"]]
    np.testing.assert_allclose(placed, meg.positions, atol=1e-7)
    adjacency, names = mne.channels.find_ch_adjacency(epochs.info, "mag")
    assert names == list(meg.channels)
    assert 4 < np.asarray(adjacency.sum(axis=1)).mean() < 9


def test_topographies_can_be_drawn(lab):
    mne = pytest.importorskip("mne")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    epochs = lab.meg(n_subjects=1, n_trials=1, n_times=30).epochs()
    figure, ax = pyplot.subplots()
    image, _ = mne.viz.plot_topomap(epochs.get_data()[0, :, 0], epochs.info, axes=ax, show=False)
    assert np.isfinite(image.get_array()).any()
    pyplot.close(figure)


# --- words and bad arguments


def test_the_recording_says_what_it_is(lab):
    text = repr(lab.meg(n_subjects=1, n_sessions=3))
    assert "simulated" in text
    assert "288 trials of 96 objects in 3 sessions" in text
    assert "realistic noise" in text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_subjects": 25}, r"n_subjects must be at most 24 \(people in the lab\)"),
        ({"n_channels": 8}, "n_channels must be at least 12"),
        ({"n_trials": 0}, "n_trials must be at least 1"),
        ({"n_sessions": 0}, "n_sessions must be at least 1"),
        ({"n_trials": 7, "n_sessions": 2}, "n_trials must be a multiple of n_sessions; got 7 trials, 2 sessions"),
        ({"sfreq": 0}, "sfreq must be a finite number above 0"),
        ({"snr": -1}, "snr must be a finite number of at least 0"),
        ({"dynamics_sd_s": -0.1}, "dynamics_sd_s must be a finite number of at least 0"),
        ({"session_sd": -0.1}, "session_sd must be a finite number of at least 0"),
        ({"noise": "pink"}, "noise must be one of 'realistic', 'white'; got 'pink'"),
        ({"rank": 11}, "rank must be at least 12; got 11"),
        ({"rank": 33}, r"rank must be at most 32 \(channels\); got 33"),
        ({"peak_s": 0.05}, "the epoch must hold start_s <= onset_s < peak_s <= its end"),
        ({"n_times": 10}, "the epoch must hold .* an end at -0.01 s"),
    ],
)
def test_bad_designs_are_refused_in_one_sentence(lab, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        lab.meg(**options)


def test_unknown_people_are_named(lab):
    meg = lab.meg(n_subjects=1, n_trials=1)
    with pytest.raises(ValueError, match=r"subject must be one of .*; got 'nobody'"):
        meg.sessions("nobody")
    with pytest.raises(ValueError, match=r"subject must be one of .*; got 'nobody'"):
        meg.planted_of("nobody")
    with pytest.raises(ValueError, match="subject must be below 1, the number of people recorded; got 1"):
        meg.sessions(1)


def test_truth_is_an_rdm_over_time(lab):
    meg = lab.meg(n_subjects=1)
    assert isinstance(meg.planted, RDM)
    assert meg.planted.dims == ("time",)
    np.testing.assert_array_equal(meg.planted.coords["time"], meg.times)
    for i in (0, len(meg.times) // 3, len(meg.times) - 1):
        at = meg.planted_at(meg.times[i] + 1e-4)
        np.testing.assert_allclose(at.values, meg.planted.values[i], rtol=1e-12)
        assert at.labels == meg.planted.labels
