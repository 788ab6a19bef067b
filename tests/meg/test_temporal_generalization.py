"""Decoders across times equal a loop of scikit-learn; the result tells, draws and keeps what it holds."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

from alignkit.meg import RDMStore, TemporalGeneralization, cluster_test, max_test, temporal_generalization, time_rdms
from alignkit.rsa import RDM

N_TRIALS, TIMES = 36, np.arange(-2, 4) / 10
SHOWN = np.tile(["cat", "dog", "owl"], 12)
SESSION = np.repeat(["a", "b", "c"], 12)


@pytest.fixture
def epochs(rng) -> np.ndarray:
    x = rng.normal(size=(N_TRIALS, 8, len(TIMES)))
    signal = rng.normal(size=(3, 8))
    x[:, :, 3:] += signal[np.unique(SHOWN, return_inverse=True)[1]][:, :, None]
    return x


def run(data, **options) -> TemporalGeneralization:
    return temporal_generalization(data, **({"by": SHOWN, "folds": SESSION, "times": TIMES} | options))


def test_equals_a_loop_of_nearest_centroids(epochs):
    neighbors = pytest.importorskip("sklearn.neighbors")
    expected = np.zeros((6, 6))
    for t, u in np.ndindex(6, 6):
        accuracy = []
        for pair in (("cat", "dog"), ("cat", "owl"), ("dog", "owl")):
            for session in "abc":
                chosen, held = np.isin(SHOWN, pair), session == SESSION
                fitted = neighbors.NearestCentroid().fit(epochs[chosen & ~held, :, t], SHOWN[chosen & ~held])
                accuracy.append(fitted.score(epochs[chosen & held, :, u], SHOWN[chosen & held]))
        expected[t, u] = np.mean(accuracy)
    found = run(epochs, noise=None)
    np.testing.assert_allclose(found.values[0], expected, rtol=0, atol=1e-12)
    assert found.chance == 0.5
    assert found.dims == ("subject", "train_time", "test_time")


@pytest.mark.parametrize("noise", ["time", "epoch", "baseline"])
def test_the_diagonal_of_decoders_is_that_of_rdms(epochs, noise):
    rdms = time_rdms(epochs, by=SHOWN, folds=SESSION, times=TIMES, metric="decoding", noise=noise)
    found = run(epochs, noise=noise, keep_pairs=True)
    np.testing.assert_array_equal(np.diagonal(found.pairs[0]).T, rdms.values)
    np.testing.assert_allclose(found.values[0], run(epochs, noise=noise).values[0], rtol=0, atol=1e-12)
    assert found.rdm("subject").dims == ("train_time", "test_time")
    np.testing.assert_allclose(found.rdm().values, found.pairs[0])


@pytest.mark.parametrize("metric", ["decoding", "crossnobis", "sqeuclidean_cv"])
@pytest.mark.parametrize("grouping", [{}, {"window": 0.2, "step": 0.1}, {"pseudo_trials": 2, "pseudo_repeats": 3}])
def test_the_diagonal_is_the_mean_over_pairs_of_rdms(epochs, metric, grouping):
    options = {"metric": metric, "noise": None if metric == "sqeuclidean_cv" else "baseline", "rng": 0, **grouping}
    cv = {} if metric == "decoding" else {"cv": "observation-pairs"}
    rdms = time_rdms(epochs, by=SHOWN, folds=SESSION, times=TIMES, **options, **cv)
    np.testing.assert_allclose(run(epochs, **options).diagonal[0], rdms.values.mean(axis=-1), rtol=1e-10, atol=1e-12)


def test_a_code_that_turns_round_is_below_chance(epochs):
    turned = epochs.copy()
    turned[:, :, 5] = 2 * epochs[:, :, 5].mean(axis=0) - epochs[:, :, 5]
    options = {"metric": "crossnobis", "noise": None, "keep_pairs": True}
    plain, found = run(epochs, **options).pairs[0], run(turned, **options).pairs[0]
    np.testing.assert_allclose(found[:5, 5], -plain[:5, 5], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[5, 5], plain[5, 5], rtol=1e-9)
    assert (run(turned, noise=None).mean[3:5, 5] < 0.3).all()


def test_the_highest_value_is_named_by_training_and_test_time(epochs):
    found = run(epochs)
    matrix = np.full((6, 6), 0.5)
    matrix[1, 4] = 0.9
    assert "0.9000 from -0.1 to 0.2 s" in repr(dataclasses.replace(found, mean=matrix))


@pytest.mark.parametrize("metric", ["decoding", "crossnobis"])
def test_little_memory_gives_the_same(epochs, metric, rng):
    wide = np.repeat(epochs, 40, axis=1) + rng.normal(size=(N_TRIALS, 320, 6))
    found = [run(wide, metric=metric, memory=memory, shrinkage=0.2).values for memory in ("1 MB", "1 GB")]
    np.testing.assert_allclose(*found, rtol=1e-9)


def test_windows_and_pseudo_trials(epochs):
    found = run(epochs, window=0.2, step=0.1, pseudo_trials=2, pseudo_repeats=3, rng=0)
    again = run(epochs, window=0.2, step=0.1, pseudo_trials=2, pseudo_repeats=3, rng=0)
    assert found.values.shape == (1, 5, 5)
    np.testing.assert_array_equal(found.values, again.values)
    assert "windows" in found.methods_text()
    assert "groups of 2" in found.methods_text()


def test_participants_by_name_are_averaged_and_tested(epochs, rng):
    people = {name: epochs + 0.3 * rng.normal(size=epochs.shape) for name in "uvwxyz"}
    found = run(people, by=dict.fromkeys(people, SHOWN), n_bootstrap=200, rng=0)
    assert found.subjects == tuple("uvwxyz")
    np.testing.assert_allclose(found.mean, found.values.mean(axis=0))
    assert (found.interval[0] <= found.mean + 1e-12).all()
    assert (found.interval[1] >= found.mean - 1e-12).all()
    one = run(people["w"])
    np.testing.assert_array_equal(found.values[2], one.values[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        test = cluster_test(found, popmean=found.chance, tail="greater")
        given = cluster_test(found.values, popmean=0.5, times=found.test_times, tail="greater")
        assert max_test(found, popmean=0.5, tail="greater").significant[5, 5]
    np.testing.assert_array_equal(test.p_corrected, given.p_corrected)
    assert test.dims == ("train_time", "time")
    with pytest.raises(ValueError, match=r"pass popmean=0\.5"):
        cluster_test(found)
    with pytest.raises(ValueError, match="a generalization has none"):
        cluster_test(found, popmean=0.5, model="cat")
    assert test.significant[4, 4]
    assert "6 participants" in found.methods_text()


def test_the_result_becomes_tables_files_and_a_figure(epochs, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    found = run(epochs, metric="crossnobis", keep_pairs=True)
    table = found.to_dataframe()
    assert len(table) == 36
    row = table[(table.train_time == TIMES[1]) & (table.test_time == TIMES[4])]
    assert float(row["value"].iloc[0]) == found.values[0, 1, 4]
    assert found.to_xarray()["values"].sel(subject="subject").shape == (6, 6)
    found.save(tmp_path / "found.json")
    again = TemporalGeneralization.load(tmp_path / "found.json")
    np.testing.assert_array_equal(again.pairs, found.pairs)
    np.testing.assert_array_equal(again.interval, found.interval)
    assert repr(again) == repr(found)
    assert "highest mean" in repr(found)
    ax = found.plot(significance=found.mean > 0.1)
    assert ax.get_xlabel() == "test time (ms)"
    assert ax.get_ylabel() == "training time (ms)"
    low, high = ax.collections[0].get_clim()
    assert low == -high
    with pytest.raises(ValueError, match="True or False"):
        found.plot(significance=np.ones(6))
    plt.close("all")


def test_it_goes_into_a_report(epochs):
    mne = pytest.importorskip("mne")
    report = mne.Report(verbose="error")
    run(epochs).add_to_report(report, tags=("decoding",))
    assert "King and Dehaene" in report.html[0]


def test_a_condition_in_one_fold_is_left_out_of_the_mean_and_named(epochs):
    keep = (SHOWN != "owl") | (SESSION == "a")
    for metric in ("decoding", "crossnobis"):
        options = {"by": SHOWN[keep], "folds": SESSION[keep], "metric": metric, "noise": None}
        with pytest.warns(RuntimeWarning, match="left out of the mean: 'owl'"):
            found = run(epochs[keep], keep_pairs=True, **options)
        assert np.isnan(found.pairs[..., 1:]).all()
        np.testing.assert_allclose(found.values, np.nanmean(found.pairs, axis=-1))


def test_what_cannot_be_done_is_said(epochs, tmp_path):
    with pytest.raises(ValueError, match="1 condition in 3 folds"):
        run(epochs, by=["cat"] * N_TRIALS)
    with pytest.raises(ValueError, match="3 conditions in 0 folds"):
        run(epochs, folds=None)
    with pytest.raises(ValueError, match="metric must be one of"):
        run(epochs, metric="correlation")
    with pytest.raises(TypeError, match="rdm_generalization"):
        temporal_generalization(RDM(np.ones((4, 3)), dims=["time"]))
    with pytest.raises(TypeError, match="rdm_generalization"):
        temporal_generalization({"a": RDMStore.__new__(RDMStore)})
    with pytest.raises(ValueError, match="data is empty"):
        temporal_generalization({})
    with pytest.raises(ValueError, match="names no trials of 'b'"):
        run({"a": epochs, "b": epochs}, by={"a": SHOWN})
    with pytest.raises(ValueError, match="do not hold the same items"):
        run({"a": epochs, "b": epochs}, by={"a": SHOWN, "b": np.char.upper(SHOWN)})
    with pytest.raises(ValueError, match="keep_pairs=True"):
        run(epochs).rdm()
