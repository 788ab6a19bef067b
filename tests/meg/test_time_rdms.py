"""RDMs over time from epochs: what they hold, how they are read, written and continued, and what is refused."""

from __future__ import annotations

import multiprocessing
import os

import numpy as np
import pytest
from reference import meg_distances as reference
from scipy.spatial.distance import pdist, squareform

from alignkit.meg import RDMStore, time_rdms
from alignkit.meg._as_trials import as_trials
from alignkit.meg._estimators import KINDS
from alignkit.meg._pseudo_trials import pseudo_trials
from alignkit.meg._rdm_store import RDMStore as Store
from alignkit.rsa import RDM, noise_precision, rdm

N, K, C, T = 5, 3, 4, 12
TIMES = np.arange(T) / 100 - 0.03
NAMES = np.array([f"image{i}" for i in range(1, N + 1)])
ROWS, COLUMNS = np.triu_indices(N, k=1)


def epochs(rng, repeats=3, signal=2.0):
    """Trials of N images in K sessions, shuffled; shape (trials, channels, times)."""
    condition = np.tile(np.arange(N), K * repeats)
    fold = np.repeat(np.arange(K), N * repeats)
    order = rng.permutation(len(fold))
    condition, fold = condition[order], fold[order]
    shown = signal * rng.normal(size=(N, C, 1)) * (TIMES > 0)
    x = rng.normal(size=(len(fold), C, T)) + shown[condition]
    return x, {"by": NAMES[condition], "folds": fold, "times": TIMES}


def without_folds(kwargs):
    return {name: value for name, value in kwargs.items() if name != "folds"}


def test_what_is_returned(rng):
    x, kwargs = epochs(rng)
    found = time_rdms(x, **kwargs)
    assert isinstance(found, RDM)
    assert found.dims == ("time",)
    np.testing.assert_array_equal(found.coords["time"], TIMES)
    assert found.labels == tuple(NAMES)
    assert found.metric == "crossnobis"
    assert found.provenance["noise"] == "epoch"
    assert found.provenance["cv"] == "leave-one-fold-out"
    assert found.provenance["n_trials_per_condition"] == [9, 9]


@pytest.mark.parametrize("metric", ["crossnobis", "decoding"])
def test_the_number_of_jobs_does_not_matter(rng, metric):
    x, kwargs = epochs(rng)
    expected = time_rdms(x, metric=metric, n_jobs=1, **kwargs).values
    for n_jobs in (2, -1, None):
        np.testing.assert_array_equal(time_rdms(x, metric=metric, n_jobs=n_jobs, **kwargs).values, expected)
    with pytest.raises(ValueError, match="n_jobs must leave at least one thread"):
        time_rdms(x, metric=metric, n_jobs=0, **kwargs)


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean", "sqeuclidean"])
def test_plain_metrics_equal_rdm_of_the_means(rng, metric):
    x, kwargs = epochs(rng)
    found = time_rdms(x, metric=metric, **without_folds(kwargs))
    order = np.argsort(kwargs["by"], kind="stable")
    expected = rdm(x[order].transpose(2, 0, 1), metric=metric, labels=kwargs["by"][order])
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-10)
    means = np.stack([x[kwargs["by"] == name].mean(axis=0) for name in NAMES])
    np.testing.assert_allclose(found.values[4], pdist(means[..., 4], metric), rtol=1e-10)


@pytest.mark.parametrize("noise", ["time", "epoch", "baseline"])
@pytest.mark.parametrize("noise_from", ["training", "all"])
def test_crossnobis_equals_the_loops(rng, noise, noise_from):
    x, kwargs = epochs(rng)
    condition, fold = np.searchsorted(NAMES, kwargs["by"]), kwargs["folds"]
    found = time_rdms(x, noise=noise, noise_from=noise_from, **kwargs)
    wanted = {"time": [[t] for t in range(T)], "epoch": [range(T)] * T, "baseline": [range(3)] * T}[noise]
    for t in range(T):
        covariances = [
            np.mean(
                [
                    reference.training_covariance(x[..., u], condition, fold, k if noise_from == "training" else None)
                    for u in wanted[t]
                ],
                axis=0,
            )
            for k in range(K)
        ]
        expected = reference.crossnobis_leave_one_out(x[..., t], condition, fold, np.linalg.inv(covariances))
        np.testing.assert_allclose(squareform(found.values[t]), (expected + expected.T) / 2, rtol=1e-10, atol=1e-10)


def test_noise_of_all_trials_is_what_users_of_rsatoolbox_give(rng):
    toolbox = pytest.importorskip("rsatoolbox")
    x, kwargs = epochs(rng)
    descriptors = {"condition": kwargs["by"], "fold": kwargs["folds"].astype(str)}
    found = time_rdms(x, noise="time", noise_from="all", **kwargs)
    for t in range(0, T, 5):
        dataset = toolbox.data.Dataset(x[..., t], obs_descriptors=descriptors)
        precision = toolbox.data.noise.prec_from_unbalanced(dataset, "condition", method="shrinkage_eye")
        expected = toolbox.rdm.calc_rdm(
            dataset, method="crossnobis", descriptor="condition", cv_descriptor="fold", noise=precision
        )
        order = [list(expected.pattern_descriptors["condition"]).index(name) for name in NAMES]
        square = squareform(expected.dissimilarities[0])[np.ix_(order, order)]
        np.testing.assert_allclose(squareform(found.values[t]), square, rtol=0, atol=1e-10)


def test_a_given_precision_is_that_of_rdm(rng):
    x, kwargs = epochs(rng)
    noise = noise_precision(x[..., 0], labels=kwargs["by"])
    order = np.argsort(kwargs["by"], kind="stable")
    for given in (noise, noise.precision):
        found = time_rdms(x, noise=given, **kwargs)
        expected = rdm(
            x[order].transpose(2, 0, 1),
            metric="crossnobis",
            labels=kwargs["by"][order],
            folds=kwargs["folds"][order],
            noise=noise,
        )
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("metric", ["crossnobis", "decoding", "decoding_weighted", "correlation"])
@pytest.mark.parametrize("pseudo_trials", [None, 2])
def test_memory_is_of_no_account(rng, metric, pseudo_trials, monkeypatch):
    x, kwargs = epochs(rng)
    kwargs = without_folds(kwargs) if metric == "correlation" else kwargs
    more = {} if pseudo_trials is None else {"pseudo_trials": pseudo_trials, "pseudo_repeats": 2, "rng": 0}
    one = time_rdms(x, metric=metric, **kwargs, **more)
    monkeypatch.setattr("alignkit.meg._time_rdms.stretch_and_step", lambda *_: (5, 2))
    other = time_rdms(x, metric=metric, **kwargs, **more)
    np.testing.assert_array_equal(other.values, one.values)


def test_decoding_finds_what_is_shown_and_nothing_else(rng):
    x, kwargs = epochs(rng, signal=6.0)
    found = time_rdms(x, metric="decoding", **kwargs).values
    assert found[TIMES > 0].mean() > 0.95
    assert abs(found[TIMES <= 0].mean() - 0.5) < 0.1
    weighted = time_rdms(x, metric="decoding_weighted", **kwargs).values
    assert weighted[TIMES > 0].min() > 0.5
    np.testing.assert_allclose(weighted[TIMES <= 0].mean(), 0, atol=0.3)


def test_decoding_of_noise_is_at_chance_within_its_error():
    generator = np.random.default_rng(3)
    x = generator.normal(size=(96, 6, 150))
    kwargs = {"by": np.tile(np.arange(4), 24), "folds": np.repeat(np.arange(6), 16), "times": np.arange(150) / 100}
    for metric, chance in {"decoding": 0.5, "decoding_weighted": 0.0, "crossnobis": 0.0}.items():
        means = time_rdms(x, metric=metric, **kwargs).values.mean(axis=1)
        assert abs(means.mean() - chance) < 3 * means.std(ddof=1) / np.sqrt(len(means))


@pytest.mark.parametrize(
    "more", [{}, {"pseudo_trials": 2, "pseudo_repeats": 2, "rng": 0}, {"window": 0.02, "step": 0.02}]
)
@pytest.mark.parametrize("metric", ["crossnobis", "decoding", "decoding_weighted"])
def test_noise_of_training_leaves_no_bias_and_that_of_all_trials_does(metric, more):
    generator = np.random.default_rng(8)
    trials, mixing = generator.normal(size=(24, 8, 240)), generator.normal(size=(8, 8))
    x = np.einsum("ntd,cd->nct", trials.swapaxes(1, 2), mixing)
    kwargs = {"by": np.tile(np.arange(4), 6), "folds": np.repeat(np.arange(3), 8), "times": np.arange(240) / 100}
    chance = 0.5 if metric == "decoding" else 0.0

    def error(noise_from):
        means = time_rdms(x, metric=metric, noise="time", noise_from=noise_from, **kwargs, **more).values.mean(axis=1)
        return (means.mean() - chance) / (means.std(ddof=1) / np.sqrt(len(means)))

    assert abs(error("training")) < 3
    assert error("all") > 2


def test_a_leak_would_show(rng):
    """With the noise of all trials, that of the test fold sharpens what is decoded from it; of training, it does not.

    Artefacts of one session along one direction: only who looks at the test trials would know to leave it out.
    """
    x, kwargs = epochs(rng)
    broken = x.copy()
    direction = rng.normal(size=(C, 1))
    inside = kwargs["folds"] == 1
    broken[inside] += 30 * rng.normal(size=(int(inside.sum()), 1, 1)) * direction
    training, everything = (
        time_rdms(broken, noise="epoch", noise_from=source, **kwargs).values for source in ("training", "all")
    )
    assert np.abs(training).mean() > 3 * np.abs(everything).mean()


def test_order_and_names_of_trials_are_of_no_account(rng):
    x, kwargs = epochs(rng)
    order = rng.permutation(len(x))
    for metric in ("crossnobis", "decoding"):
        one = time_rdms(x, metric=metric, **kwargs)
        shuffled = {**kwargs, "by": kwargs["by"][order], "folds": kwargs["folds"][order] + 7}
        other = time_rdms(x[order], metric=metric, **shuffled)
        np.testing.assert_allclose(other.values, one.values, rtol=1e-9, atol=1e-12)


def test_unequal_counts_and_a_condition_of_one_session(rng):
    x, kwargs = epochs(rng)
    keep = np.ones(len(x), dtype=bool)
    keep[np.flatnonzero((kwargs["by"] == "image2") & (kwargs["folds"] > 0))] = False
    keep[:2] = kwargs["by"][:2] == "image2"
    kwargs = {"by": kwargs["by"][keep], "folds": kwargs["folds"][keep], "times": TIMES}
    with pytest.warns(RuntimeWarning, match="items that do not occur in two folds: 'image2'. The values") as caught:
        found = time_rdms(x[keep], **kwargs)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert found.provenance["cv"] == "observation-pairs"
    np.testing.assert_array_equal(np.isnan(found.values[0]), (ROWS == 1) | (COLUMNS == 1))
    with pytest.warns(RuntimeWarning, match="conditions that no fold has trained and tested: 'image2'"):
        decoded = time_rdms(x[keep], metric="decoding", noise=None, **kwargs)
    np.testing.assert_array_equal(np.isnan(decoded.values[3]), (ROWS == 1) | (COLUMNS == 1))


def test_windows_average_or_widen(rng):
    x, kwargs = epochs(rng)
    kwargs = without_folds(kwargs)
    found = time_rdms(x, metric="euclidean", window=0.03, step=0.03, **kwargs)
    assert len(found) == 4
    means = x.reshape(len(x), C, 4, 3).mean(axis=-1)
    expected = time_rdms(means, metric="euclidean", by=kwargs["by"], times=TIMES[1::3])
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-10)
    wide = time_rdms(x, metric="sqeuclidean", window=0.03, step=0.03, window_mode="concat", **kwargs)
    every = time_rdms(x, metric="sqeuclidean", **kwargs)
    np.testing.assert_allclose(wide.values, every.values.reshape(4, 3, -1).sum(axis=1), rtol=1e-10)
    assert "windows of 0.03 s" in found.provenance["methods"]


def test_the_baseline_of_windows_ends_before_zero(rng):
    x, kwargs = epochs(rng)
    x[..., TIMES >= 0] *= 1000
    one = time_rdms(x, noise="baseline", window=0.02, step=0.01, **kwargs)
    x[..., TIMES >= 0] *= 10
    other = time_rdms(x, noise="baseline", window=0.02, step=0.01, **kwargs)
    before = other.coords["time"] < -0.01
    np.testing.assert_allclose(other.values[before], one.values[before], rtol=1e-9)


def test_pseudo_trials_average_over_groupings(rng):
    x, kwargs = epochs(rng, repeats=4)
    kwargs = {**kwargs, "metric": "decoding", "pseudo_trials": 2}
    one = time_rdms(x, pseudo_repeats=3, rng=5, **kwargs)
    np.testing.assert_array_equal(time_rdms(x, pseudo_repeats=3, rng=5, **kwargs).values, one.values)
    assert not np.array_equal(time_rdms(x, pseudo_repeats=3, rng=6, **kwargs).values, one.values)
    assert one.provenance["seed"] == 5
    # distances between means do not depend on the grouping, but for the noise
    plain, grouped = (
        time_rdms(x, **{**kwargs, "metric": "sqeuclidean_cv", "pseudo_trials": size}, rng=0) for size in (None, 2)
    )
    np.testing.assert_allclose(grouped.values, plain.values, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("metric", ["decoding", "crossnobis"])
def test_every_grouping_is_another_one(rng, metric):
    x, kwargs = epochs(rng, repeats=4)
    trials = as_trials(x, **kwargs)
    wanted = []
    for i in range(3):
        made = pseudo_trials(trials, size=2, repeat=i, rng=np.random.default_rng(5))
        design = made.design
        grouped = {"by": np.array(design.labels)[design.condition], "folds": design.fold, "times": TIMES}
        wanted.append(time_rdms(made.read(0, T).transpose(1, 2, 0), metric=metric, **grouped).values)
    assert not np.allclose(wanted[0], wanted[1])
    found = time_rdms(x, metric=metric, pseudo_trials=2, pseudo_repeats=3, rng=5, **kwargs).values
    np.testing.assert_allclose(found, np.mean(wanted, axis=0), rtol=1e-9, atol=1e-12)


def test_a_few_trials_are_said_once(rng):
    x, kwargs = epochs(rng, repeats=2)
    with pytest.warns(RuntimeWarning, match="fewer than 3 trials") as caught:
        time_rdms(x, pseudo_trials=3, pseudo_repeats=4, rng=0, **kwargs)
    assert len(caught) == 1


def test_float32_is_near_and_data_are_not_changed(rng, readonly):
    x, kwargs = epochs(rng)
    for metric in ("crossnobis", "decoding", "correlation"):
        kwargs_of = without_folds(kwargs) if metric == "correlation" else kwargs
        exact = time_rdms(readonly(x), metric=metric, **kwargs_of)
        single = time_rdms(readonly(x.astype(np.float32)), metric=metric, dtype="float32", **kwargs_of)
        assert single.values.dtype == np.float32
        np.testing.assert_allclose(single.values, exact.values, atol=1e-5)


@pytest.mark.parametrize("metric", ["crossnobis", "decoding", "decoding_weighted"])
def test_a_store_holds_the_same_numbers(rng, tmp_path, metric):
    x, kwargs = epochs(rng)
    store = time_rdms(x, metric=metric, out=tmp_path / "p1.zarr", **kwargs)
    assert isinstance(store, RDMStore)
    assert store.finished
    assert (store.n_decisions is not None) == (metric == "decoding")
    expected = time_rdms(x, metric=metric, **kwargs)
    np.testing.assert_array_equal(store.rdm().values, expected.values)
    assert RDM.load(tmp_path / "p1.zarr").labels == expected.labels


def killed(x, path, kwargs):
    write = Store.write

    def write_and_die(store, start, values):
        write(store, start, values)
        if start >= 4:
            os._exit(1)

    Store.write = write_and_die
    time_rdms(x, out=path, **kwargs)


@pytest.mark.parametrize("more", [{}, {"pseudo_trials": 2, "pseudo_repeats": 2, "rng": 1}])
def test_a_killed_run_goes_on_with_the_same_bits(rng, tmp_path, monkeypatch, more):
    x, kwargs = epochs(rng)
    kwargs |= more
    monkeypatch.setattr("alignkit.meg._time_rdms.stretch_and_step", lambda *_: (8, 4))
    process = multiprocessing.get_context("fork").Process(target=killed, args=(x, tmp_path / "p1.zarr", kwargs))
    process.start()
    process.join()
    assert process.exitcode == 1
    assert RDMStore.open(tmp_path / "p1.zarr").done.tolist() == [True] * 8 + [False] * 4
    read = []
    monkeypatch.setattr(
        Store,
        "write",
        lambda store, start, values, write=Store.write: (read.append(start), write(store, start, values)),
    )
    found = time_rdms(x, out=tmp_path / "p1.zarr", **kwargs)
    assert read == [8]
    np.testing.assert_array_equal(found.rdm().values, time_rdms(x, **kwargs).values)


def test_another_computation_is_refused(rng, tmp_path):
    x, kwargs = epochs(rng)
    path = tmp_path / "p1.zarr"
    first = time_rdms(x, out=path, **kwargs).rdm()
    for other in ({"shrinkage": 0.2}, {"cv": "fold-pairs"}, {"noise_from": "all"}, {"dtype": "float32"}):
        with pytest.raises(FileExistsError, match="holds another computation"):
            time_rdms(x, out=path, **kwargs, **other)
    with pytest.raises(FileExistsError, match="holds another computation"):
        time_rdms(x + 1, out=path, **kwargs)
    with pytest.raises(FileExistsError, match=r"baseline None there, \[-0.03, 0.0\] here"):
        time_rdms(x, out=path, baseline=(None, 0), **kwargs)
    again = time_rdms(x + 1, out=path, overwrite=True, **kwargs).rdm()
    np.testing.assert_allclose(again.values, first.values, rtol=1e-6, atol=1e-9)
    time_rdms(x, out=tmp_path / "given.zarr", noise=np.eye(C), **kwargs)
    with pytest.raises(FileExistsError, match="holds another computation"):
        time_rdms(x, out=tmp_path / "given.zarr", noise=2 * np.eye(C), **kwargs)
    with pytest.raises(ValueError, match="pseudo-trials are random; with out="):
        time_rdms(x, out=tmp_path / "p2.zarr", pseudo_trials=2, **kwargs)


def test_mixed_types_weigh_by_their_units_and_that_is_said(rng):
    x, kwargs = epochs(rng)
    kwargs["ch_types"] = ["mag", "grad", "mag", "grad"]
    units = np.array([1e-15, 1e-13, 1e-15, 1e-13])[:, None]
    with pytest.warns(RuntimeWarning, match="types mag, grad and are not whitened") as caught:
        time_rdms(x * units, metric="euclidean", **without_folds(kwargs))
    assert caught[0].filename == __file__
    found = time_rdms(x * units, **kwargs)
    same = time_rdms(x, **{**kwargs, "ch_types": ["mag", "grad", "mag", "grad"]})
    np.testing.assert_allclose(found.values, same.values, rtol=1e-8, atol=1e-10)


def test_data_of_reduced_rank(rng):
    x, kwargs = epochs(rng, repeats=6)
    basis = np.linalg.qr(rng.normal(size=(7, C)))[0]
    inside = time_rdms(x, **kwargs)
    found = time_rdms(np.einsum("ncT,dc->ndT".lower(), x, basis), **kwargs)
    assert found.provenance["rank"] == C
    assert found.provenance["n_channels"] == 7
    np.testing.assert_allclose(found.values * 7, inside.values * C, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("metric", ["crossnobis", "decoding_weighted"])
@pytest.mark.parametrize("noise", ["time", "epoch"])
def test_offsets_of_channels_are_of_no_account(rng, metric, noise):
    x, kwargs = epochs(rng)
    one = time_rdms(x, metric=metric, noise=noise, **kwargs)
    other = time_rdms(x + 1e6 * rng.normal(size=(C, 1)), metric=metric, noise=noise, **kwargs)
    np.testing.assert_allclose(other.values, one.values, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("noise", ["time", "epoch"])
def test_equal_variances_of_reduced_rank_keep_what_the_data_have(rng, noise):
    """Whitening by equal variances is no whitening: the directions that are cut must be those without data."""
    x, kwargs = epochs(rng)
    x -= x.mean(axis=1, keepdims=True)
    found = time_rdms(x, noise=noise, noise_from="all", shrinkage=1.0, **kwargs)
    assert found.provenance["rank"] == C - 1
    condition = np.searchsorted(NAMES, kwargs["by"])
    residuals = np.stack([reference.residuals_of(x[..., t], condition) for t in range(T)])
    level = (residuals**2).sum(axis=(1, 2)) / (len(x) - N) / (C - 1)
    level = level if noise == "time" else np.full(T, level.mean())
    plain = time_rdms(x, metric="sqeuclidean_cv", **kwargs)
    np.testing.assert_allclose(found.values * level[:, None] * C, plain.values, rtol=1e-6, atol=1e-6)


def test_a_covariance_of_full_rank_is_the_inverse_of_its_precision_whatever_the_data(rng):
    x, kwargs = epochs(rng)
    root = rng.normal(size=(C, 2 * C))
    for covariance in (np.eye(C), root @ root.T):
        for data in (x, x - x.mean(axis=1, keepdims=True)):
            one = time_rdms(data, noise=np.linalg.inv(covariance), **kwargs)
            other = time_rdms(data, noise=covariance, noise_kind="covariance", **kwargs)
            np.testing.assert_allclose(other.values, one.values, rtol=1e-9, atol=1e-11)
            assert one.provenance["rank"] == other.provenance["rank"] == np.linalg.matrix_rank(data[..., 0])


def test_a_covariance_of_reduced_rank_is_inverted_where_the_data_are(rng):
    x, kwargs = epochs(rng)
    centring = np.eye(C) - 1 / C
    root = centring @ rng.normal(size=(C, 2 * C))
    covariance = root @ root.T
    for given in (covariance, covariance.astype(np.float32)):
        found = time_rdms(np.einsum("cd,ndt->nct", centring, x), noise=given, noise_kind="covariance", **kwargs)
        expected = time_rdms(x, noise=np.linalg.pinv(covariance, rcond=1e-9), **kwargs)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-4)


REFUSED = {
    "metric": ({"metric": "spearman"}, "metric must be one of"),
    "folds": ({"folds": None}, r"crossnobis needs folds= \(the session or run of each trial\)"),
    "one fold": ({"folds": np.zeros(45)}, "crossnobis needs folds= .* got 1"),
    "folds of none": ({"metric": "correlation"}, "folds is only for the metrics 'crossnobis'"),
    "cv": ({"metric": "decoding", "cv": "fold-pairs"}, "cv is only for metric='crossnobis' or"),
    "cv unknown": ({"cv": "k-fold"}, "cv must be one of"),
    "covariance": ({"covariance": "pairwise"}, "covariance is only for metric='decoding'"),
    "pairwise noise": ({"metric": "decoding", "covariance": "pairwise", "noise": "time"}, "noise covariance for each"),
    "normalize": ({"normalize": True}, "normalize is only for metric='sqeuclidean' or"),
    "noise": ({"noise": "epochs"}, "noise must be one of 'auto', 'time', 'epoch', 'baseline'"),
    "noise none": ({"noise": "none"}, r"noise='none' is no mode; pass None \(no quotes\)"),
    "pseudo_trials": ({"pseudo_trials": 0}, "pseudo_trials must be at least 1; got 0"),
    "noise_from": ({"noise_from": "test"}, "noise_from must be one of"),
    "mahalanobis": ({"metric": "mahalanobis", "noise": None, "folds": None}, "use metric='euclidean'"),
    "step": ({"step": 0.1}, r"step is for windows; give window= \(seconds\) as well"),
    "dtype": ({"dtype": "float16"}, "dtype must be one of"),
    "memory": ({"memory": "much"}, "memory must be a number of bytes"),
    "floor": ({"variance_floor": -1}, "variance_floor must be a finite number of at least 0"),
    "channel": ({"metric": "correlation_cv", "picks": [0]}, "undefined for a single channel"),
    "out": ({"out": "p1.npz"}, r"\.zarr"),
    "kind": ({"noise_kind": "matrix"}, "noise_kind must be one of 'precision', 'covariance'"),
    "kind of nothing": ({"noise_kind": "covariance"}, "noise_kind='covariance' says what an array is; give it as"),
    "shrinkage": ({"shrinkage": 2}, "shrinkage must lie between 0 and 1"),
    "shrinkage of none": ({"metric": "sqeuclidean_cv", "shrinkage": 0.1}, "shrinkage is for noise that is estimated"),
    "shrinkage of given": ({"noise": np.eye(C), "shrinkage": "none"}, "shrinkage is for noise that is estimated"),
    "ridge": ({"metric": "decoding", "ridge": 0.1}, "ridge is only for covariance='pairwise'"),
    "no ridge": ({"metric": "decoding", "covariance": "pairwise", "ridge": 0}, "ridge must be a finite number above 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence(rng, name):
    x, kwargs = epochs(rng)
    changes, match = REFUSED[name]
    with pytest.raises(ValueError, match=match):
        time_rdms(x, **{**kwargs, **changes})


def test_out_is_a_path(rng):
    x, kwargs = epochs(rng)
    with pytest.raises(TypeError, match=r"out must be the path of a folder \*\.zarr; got 1"):
        time_rdms(x, out=1, **kwargs)


def test_a_time_without_noise_counts_for_nothing(rng):
    """As after baseline=(0, 0): the only sample of the baseline is zero in all trials."""
    x, kwargs = epochs(rng)
    x[..., 5] = 0
    with pytest.raises(ValueError, match=r"the noise is zero at 0\.02 s, where no trial differs .* pass noise='epoch'"):
        time_rdms(x, noise="time", **kwargs)
    found = time_rdms(x, **kwargs)
    np.testing.assert_array_equal(found.values[5], 0)
    others = np.arange(T) != 5
    without = time_rdms(x[..., others], **{**kwargs, "times": TIMES[others]})
    np.testing.assert_allclose(found.values[others], without.values, rtol=1e-12)
    with pytest.raises(ValueError, match="the noise is zero: no trial ever differs from the mean"):
        time_rdms(0 * x, **kwargs)


def test_a_fold_without_a_condition_cannot_be_left_out(rng):
    x, kwargs = epochs(rng)
    keep = (kwargs["by"] != "image3") | (kwargs["folds"] != 1)
    kwargs = {"by": kwargs["by"][keep], "folds": kwargs["folds"][keep], "times": TIMES}
    with pytest.raises(ValueError, match="missing: 'image3 in fold 1'"):
        time_rdms(x[keep], cv="leave-one-fold-out", **kwargs)
    assert np.isfinite(time_rdms(x[keep], **kwargs).values).all()


def of_conditions(x, kwargs, n):
    keep = np.isin(kwargs["by"], NAMES[:n])
    return x[keep], {**kwargs, "by": kwargs["by"][keep], "folds": kwargs["folds"][keep]}


def test_one_condition_is_too_few(rng):
    x, kwargs = of_conditions(*epochs(rng), 1)
    with pytest.raises(ValueError, match=r"data has 1 item\(s\); at least 2"):
        time_rdms(x, **kwargs)


@pytest.mark.parametrize("metric", list(KINDS))
def test_two_conditions_are_told_apart_over_time(rng, tmp_path, metric):
    x, kwargs = epochs(rng)
    x += 5 * rng.normal(size=(N, C, 1))[np.searchsorted(NAMES, kwargs["by"])]
    two, options = of_conditions(x, kwargs, 2)
    more = {"metric": metric} | ({"noise": np.eye(C)} if KINDS[metric].noise else {})
    if not KINDS[metric].folds:
        kwargs, options = without_folds(kwargs), without_folds(options)
    found = time_rdms(two, **options, **more)
    assert (found.labels, found.n_pairs, len(found)) == (("image1", "image2"), 1, T)
    of_all = time_rdms(x, **kwargs, **more)
    np.testing.assert_allclose(found.values[:, 0], of_all.values[:, 0], rtol=1e-9, atol=1e-11)
    assert "dissimilarities of 2 conditions" in found.provenance["methods"]
    store = time_rdms(two, out=tmp_path / "p1.zarr", **options, **more)
    np.testing.assert_array_equal(store.rdm().values, found.values)
    np.testing.assert_array_equal(RDM.load(tmp_path / "p1.zarr").values, found.values)


def test_progress_goes_to_the_end(rng, capsys):
    x, kwargs = epochs(rng)
    time_rdms(x, progress=True, **kwargs)
    assert f"{2 * T}/{2 * T}" in capsys.readouterr().err


def test_evoked_of_a_real_recording(shared_data):
    mne = pytest.importorskip("mne")
    path = shared_data("meg", "mne_testing", "test_elekta-ave.fif")
    evoked = mne.read_evokeds(path, verbose="error")
    found = time_rdms(evoked, metric="correlation", picks="mag", tmin=0.0, tmax=0.2)
    assert found.shape == (201,)
    assert found.n_items == 7
    names = list(found.labels)
    order = [names.index(one.comment) for one in evoked]
    at = 100
    sample = int(np.flatnonzero(evoked[0].times == found.coords["time"][at])[0])
    data = np.stack([one.copy().pick("mag").data[:, sample] for one in evoked])
    square = squareform(found.values[at])[np.ix_(order, order)]
    np.testing.assert_allclose(squareform(square, checks=False), pdist(data, "correlation"), rtol=1e-7)
    with pytest.raises(ValueError, match="no condition has two trials"):
        time_rdms(evoked, metric="mahalanobis", picks="mag")


@pytest.mark.parametrize("picks", [None, "meg", "eeg"])
def test_mixed_sensors_are_whitened_as_by_mne(shared_data, picks):
    mne = pytest.importorskip("mne")
    evoked = mne.read_evokeds(shared_data("meg", "mne_python", "test-ave.fif.gz"), verbose="error")
    covariance = mne.read_cov(shared_data("meg", "mne_python", "test-cov.fif"), verbose="error")
    found = time_rdms(evoked, metric="mahalanobis", noise=covariance, picks=picks, tmin=0.1, tmax=0.11)
    order = [list(found.labels).index(one.comment) for one in evoked]
    info = evoked[0].copy().pick(("meg", "eeg") if picks is None else picks, exclude="bads").info
    matrix, names = mne.cov.compute_whitener(covariance, info, rank="info", verbose="error")
    for t, time in enumerate(found.coords["time"]):
        sample = int(np.argmin(np.abs(evoked[0].times - time)))
        white = np.stack([one.get_data(picks=names)[:, sample] for one in evoked]) @ matrix.T
        square = squareform(found.values[t])[np.ix_(order, order)]
        np.testing.assert_allclose(squareform(square, checks=False), pdist(white), rtol=1e-6)


def test_a_full_disk_is_said_and_the_same_call_goes_on(rng, tmp_path, monkeypatch):
    resource, signal = pytest.importorskip("resource"), pytest.importorskip("signal")
    x, kwargs = epochs(rng)
    path = tmp_path / "p1.zarr"
    write = Store.write

    def on_a_full_disk(store, start, values):
        old, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits[1] if start < 4 else 16, limits[1]))
        try:
            write(store, start, values)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, old)

    monkeypatch.setattr("alignkit.meg._time_rdms.stretch_and_step", lambda *_: (8, 4))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", on_a_full_disk)
        with pytest.raises(OSError, match=r"p1\.zarr cannot be written \(File too large\); the times that are done"):
            time_rdms(x, out=path, **kwargs)
    assert RDMStore.open(path).done.tolist() == [True] * 4 + [False] * 8
    np.testing.assert_array_equal(time_rdms(x, out=path, **kwargs).rdm().values, time_rdms(x, **kwargs).values)
