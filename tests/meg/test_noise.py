"""What noise= means: the mean over times, the baseline, what is given, and mne's whitener."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from reference.meg_distances import training_covariance

from alignkit.meg._as_trials import as_trials
from alignkit.meg._noise import EstimatedNoise, GivenNoise, as_shrinkage, noise_of, stretches
from alignkit.rsa import noise_precision

TIMES = np.arange(12) / 10 - 0.3


def trials_of(rng, **changes):
    condition, fold = rng.integers(0, 4, 60), rng.integers(0, 3, 60)
    x = rng.normal(size=(60, 5, 12)) * (1 + np.arange(12)) + 5 * rng.normal(size=(4, 5, 1))[condition]
    return as_trials(x, **{"by": condition, "folds": fold, "times": TIMES, **changes}), x, condition, fold


def test_epoch_is_the_mean_over_times_of_shrunk_covariances(rng):
    trials, x, condition, fold = trials_of(rng)
    whitening = noise_of(trials, "epoch").over(trials.read(0, 2))
    for k in [0, 1, 2, None]:
        expected = np.mean([training_covariance(x[..., t], condition, fold, k) for t in range(12)], axis=0)
        root = whitening.roots(k)
        assert root.shape == (1, 5, 5)
        np.testing.assert_allclose(root[0].T @ expected @ root[0], np.eye(5), atol=1e-10)


def test_baseline_is_the_mean_over_samples_before_zero(rng):
    trials, x, condition, fold = trials_of(rng)
    whitening = noise_of(trials, "baseline").over(trials.read(0, 2))
    expected = np.mean([training_covariance(x[..., t], condition, fold, 1) for t in range(3)], axis=0)
    root = whitening.roots(1)[0]
    np.testing.assert_allclose(root.T @ expected @ root, np.eye(5), atol=1e-10)


def test_time_has_one_covariance_at_each(rng):
    trials, x, condition, fold = trials_of(rng)
    noise = noise_of(trials, "time", by_fold=False)
    assert not noise.wanted().any()
    root = noise.over(trials.read(4, 7), 4).roots(0)
    assert root.shape == (3, 5, 5)
    for t in range(3):
        expected = training_covariance(x[..., 4 + t], condition, fold, None)
        np.testing.assert_allclose(root[t].T @ expected @ root[t], np.eye(5), atol=1e-10)


def test_the_mean_over_times_has_the_same_bits_however_it_is_read(rng):
    trials, *_ = trials_of(rng)
    one, other = (noise_of(trials, "epoch", step=step).over(trials.read(0, 1)).roots(0) for step in (1, 12))
    np.testing.assert_array_equal(one, other)


def test_roots_do_not_know_the_fold_that_is_tested(rng):
    """A leak test: artefacts in a fold change the roots of every other fold, and not its own."""
    trials, x, condition, fold = trials_of(rng)
    broken = x.copy()
    broken[fold == 1] += 20 * rng.normal(size=(int((fold == 1).sum()), 1, 12)) * rng.normal(size=(5, 1))
    changed = as_trials(broken, by=condition, folds=fold, times=TIMES)
    for mode in ("time", "epoch", "baseline"):
        one, other = (noise_of(these, mode).over(these.read(0, 12)) for these in (trials, changed))
        np.testing.assert_allclose(other.roots(1), one.roots(1), rtol=1e-8, atol=1e-10)
        for k in (0, 2, None):
            assert not np.allclose(other.roots(k), one.roots(k), rtol=0.1)
        shared, leaking = (noise_of(these, mode, by_fold=False).over(these.read(0, 12)) for these in (trials, changed))
        assert not np.allclose(leaking.roots(1), shared.roots(1), rtol=0.1)


def test_agrees_with_noise_precision(rng):
    trials, x, condition, _ = trials_of(rng)
    expected = noise_precision(x[..., 3], labels=condition)
    root = noise_of(trials, "time").over(trials.read(3, 4), 3).roots(None)[0]
    np.testing.assert_allclose(root @ root.T, expected.precision, rtol=1e-9)
    given = GivenNoise.of(expected, "precision", trials).over(trials.read(0, 2)).roots(0)[0]
    np.testing.assert_allclose(given @ given.T, expected.precision, rtol=1e-9)


@pytest.mark.parametrize("kind", ["precision", "covariance"])
@pytest.mark.parametrize("each_time", [True, False])
def test_a_given_matrix_is_used_at_its_times(rng, kind, each_time):
    trials, *_ = trials_of(rng)
    roots = rng.normal(size=(12, 5, 5))
    matrices = roots @ roots.swapaxes(1, 2)
    noise = GivenNoise.of(matrices if each_time else matrices[0], kind, trials)
    found = noise.over(trials.read(4, 6), 4).roots(None)
    precision = matrices[4:6] if each_time else matrices[:1]
    precision = np.linalg.inv(precision) if kind == "covariance" else precision
    np.testing.assert_allclose(found @ found.swapaxes(1, 2), precision, rtol=1e-6)


def test_what_is_given_must_fit(rng):
    trials, *_ = trials_of(rng)
    with pytest.raises(
        ValueError, match=r"noise must have shape \(5, 5\), one matrix of the channels, or \(12, 5, 5\)"
    ):
        GivenNoise.of(np.ones((3, 5, 5)), "precision", trials)
    with pytest.raises(ValueError, match="noise is of 4 channels"):
        GivenNoise.of(np.eye(4), "precision", trials)
    with pytest.raises(ValueError, match="positive semi-definite"):
        GivenNoise.of(-np.eye(5), "precision", trials)
    with pytest.raises(ValueError, match="one matrix per fold"):
        GivenNoise.of(noise_precision(rng.normal(size=(2, 20, 5))), "precision", trials)
    with pytest.raises(ValueError, match="noise_kind must be one of"):
        GivenNoise.of(np.eye(5), "root", trials)


def test_directions_that_no_residual_reaches_are_not_kept(rng):
    x = rng.normal(size=(8, 30, 12))
    x -= x.mean(axis=1, keepdims=True)
    trials = as_trials(x, by=[0, 1] * 4, folds=[0] * 4 + [1] * 4, times=np.arange(12) / 100)
    trials = dataclasses.replace(trials, rank=29)  # of channels with an average reference
    for mode, kept in {"time": [2, 2, 6], "epoch": [24, 24, 29]}.items():
        noise = noise_of(trials, mode)
        assert noise.over(trials.read(0, 12)).kept.tolist() == kept


@pytest.mark.parametrize("shrinkage", ["none", 0])
@pytest.mark.parametrize(("mode", "n_times"), [("time", 12), ("baseline", 4), ("epoch", 6)])
def test_fewer_trials_than_channels_need_shrinkage(rng, shrinkage, mode, n_times):
    by, folds = [0, 1, 2, 3] * 3, [0] * 4 + [1] * 8  # outside fold 1 a single trial of each condition, then two
    by, folds = [*by, 0, 0], [*folds, 0, 0]
    times = np.arange(n_times) / 100 - 0.02
    trials = as_trials(rng.normal(size=(14, 13, n_times)), by=by, folds=folds, times=times)
    with pytest.raises(ValueError, match="of 13 channels has a rank below 13, so that it cannot be inverted"):
        EstimatedNoise(trials, mode, shrinkage=shrinkage)
    EstimatedNoise(trials, mode, shrinkage=0.1)


def test_a_baseline_needs_samples_before_zero(rng):
    trials, *_ = trials_of(rng, tmin=0.1)
    with pytest.raises(ValueError, match=r"noise='baseline' needs samples before 0 s; the first is at 0\.1 s"):
        EstimatedNoise(trials, "baseline")


def test_shrinkage_is_a_name_or_a_weight():
    assert as_shrinkage("none") == "none"
    assert as_shrinkage(0.5) == 0.5
    with pytest.raises(ValueError, match="shrinkage must be one of 'ledoit-wolf', 'none'"):
        as_shrinkage("oas")
    with pytest.raises(ValueError, match="shrinkage must lie between 0 and 1"):
        as_shrinkage(2)
    with pytest.raises(TypeError, match="shrinkage must be a number"):
        as_shrinkage(None)


def test_stretches_cover_what_is_wanted_and_no_more():
    wanted = np.array([1, 1, 1, 0, 0, 1, 1], dtype=bool)
    assert list(stretches(wanted, 2)) == [(0, 2), (2, 3), (5, 7)]
    assert list(stretches(np.zeros(3, dtype=bool), 2)) == []


def test_the_noise_says_what_it_is(rng):
    trials, *_ = trials_of(rng)
    noise = noise_of(trials, "epoch")
    assert noise.provenance() == {
        "noise": "epoch", "shrinkage": "ledoit-wolf", "noise_from": "training", "rank": 5
    }  # fmt: skip
    low, high = noise.found()["shrinkage_range"]
    assert 0 < low <= high <= 1
    assert noise.found()["noise_dof"][1] == 56


def test_an_mne_covariance_whitens_as_mne_does(shared_data):
    mne = pytest.importorskip("mne")
    path = shared_data("meg", "mne_testing", "sample_audvis_trunc_raw_sss.fif")
    raw = mne.io.read_raw_fif(path, preload=True, verbose="error").pick("meg")
    n = len(raw.times) // 30
    data = raw.get_data()[:, : n * 30].reshape(len(raw.ch_names), n, 30).transpose(1, 0, 2)
    epochs = mne.EpochsArray(data, raw.info, verbose="error")
    covariance = mne.compute_covariance(epochs, method="empirical", rank="info", verbose="error")
    trials = as_trials(epochs, by=np.arange(n) % 3)
    assert trials.rank == 69
    found = noise_of(trials, covariance).over(trials.read(0, 1)).roots(None)[0]
    assert found.shape == (len(raw.ch_names), 69)
    expected, names = mne.cov.compute_whitener(
        covariance, epochs.info, picks=list(trials.channels), rank={"meg": 69}, pca=True, verbose="error"
    )
    assert tuple(names) == trials.channels
    inside = epochs.get_data(copy=False).transpose(0, 2, 1).reshape(-1, len(raw.ch_names))
    np.testing.assert_allclose(
        inside @ found @ found.T @ inside.T, inside @ expected.T @ expected @ inside.T, rtol=1e-5, atol=1e-4
    )


def test_noise_of_reduced_rank_is_white_in_its_own_dimensions(shared_data):
    mne = pytest.importorskip("mne")
    path = shared_data("meg", "mne_testing", "sample_audvis_trunc_raw_sss.fif")
    raw = mne.io.read_raw_fif(path, preload=True, verbose="error").pick("meg")
    n = len(raw.times) // 3
    data = raw.get_data()[:, : n * 3].reshape(len(raw.ch_names), n, 3).transpose(1, 0, 2)
    trials = as_trials(mne.EpochsArray(data, raw.info, verbose="error"), by=np.arange(n) % 2)
    whitening = noise_of(trials, "time", shrinkage="none").over(trials.read(0, 3))
    for t, root in enumerate(whitening.roots(None)):
        x = trials.read(t, t + 1)[0]
        residuals = x - np.stack([x[i::2].mean(axis=0) for i in range(2)])[np.arange(n) % 2]
        white = residuals @ root
        np.testing.assert_allclose(white.T @ white / (n - 2), np.eye(69), atol=1e-6)
