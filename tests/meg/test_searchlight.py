"""Around every sensor: what RDMs of those sensors alone, compared with the models, would give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

from alignkit.meg import Searchlight, cluster_test, searchlight, tfce_test, time_rdms, timecourse
from alignkit.meg._draw_topomap import _samples
from alignkit.rsa import RDM

TIMES = np.arange(-2, 4) / 10
SHOWN = np.tile(["cat", "dog", "car", "cup"], 9)
SESSION = np.repeat(["a", "b", "c"], 12)
LINE = np.eye(6, dtype=bool) | np.eye(6, k=1, dtype=bool) | np.eye(6, k=-1, dtype=bool)
LABELS = ["car", "cat", "cup", "dog"]
LIVING = RDM(np.array([1.0, 0, 1, 1, 0, 1]), labels=LABELS)


@pytest.fixture
def epochs(rng) -> np.ndarray:
    x = rng.normal(size=(36, 6, len(TIMES)))
    alive = np.isin(SHOWN, ["cat", "dog"])
    x[:, 2:5, 3:] += 4 * (alive[:, None] * rng.normal(size=3))[:, :, None]
    return x


@pytest.fixture
def models(rng) -> RDM:
    return RDM(rng.random((2, 6)), labels=LABELS, dims=["model"], coords={"model": ["one", "other"]})


def run(data, models=LIVING, **options) -> Searchlight:
    common = {"adjacency": LINE, "by": SHOWN, "folds": SESSION, "times": TIMES}
    return searchlight(data, models, **(common | options))


@pytest.mark.parametrize("memory", ["1 MB", "1 GB"])
@pytest.mark.parametrize(
    "options",
    [
        {"metric": "crossnobis"},
        {"metric": "crossnobis", "noise": "time", "noise_from": "all"},
        {"metric": "decoding"},
        {"metric": "decoding", "method": "pearson"},
        {"metric": "correlation", "folds": None, "method": "kendall-tau-a"},
        {"metric": "sqeuclidean_cv", "window": 0.2, "step": 0.1, "method": "cosine"},
        {"metric": "mahalanobis", "folds": None, "noise": "baseline"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_equals_rdms_of_the_patch_alone(epochs, models, options, memory):
    found = run(epochs, models, memory=memory, n_bootstrap=0, **options)
    method = options.get("method", "spearman")
    options = {name: value for name, value in options.items() if name != "method"}
    for sensor, row in enumerate(LINE):
        common = {"by": SHOWN, "folds": SESSION, "times": TIMES, "picks": np.flatnonzero(row)}
        rdms = time_rdms(epochs, **(common | options))
        expected = timecourse(models, rdms, method=method, n_bootstrap=0).similarity[:, 0]
        np.testing.assert_allclose(found.similarity[:, 0, sensor], expected, rtol=0, atol=1e-10)


def test_equals_a_loop_of_scipy(epochs):
    found = run(epochs, metric="euclidean", folds=None)
    means = np.stack([epochs[label == SHOWN].mean(axis=0) for label in LABELS])
    for sensor, t in np.ndindex(6, 6):
        distances = pdist(means[:, LINE[sensor], t])
        expected = spearmanr(LIVING.values, distances).statistic
        assert found.similarity[0, 0, sensor, t] == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("shrinkage", ["ledoit-wolf", "none"])
def test_patches_of_less_rank_than_sensors(epochs, shrinkage):
    """After an average reference all six sensors together have rank 5, any three of them 3."""
    referenced = epochs - epochs.mean(axis=1, keepdims=True)
    common = {"by": SHOWN, "folds": SESSION, "times": TIMES, "metric": "crossnobis", "shrinkage": shrinkage}
    found = run(referenced, adjacency=np.ones((6, 6)), shrinkage=shrinkage, n_bootstrap=0)
    rdms = time_rdms(referenced, **common)
    assert rdms.provenance["rank"] == 5
    expected = timecourse(LIVING, rdms, n_bootstrap=0).similarity[0, 0]
    np.testing.assert_allclose(found.similarity[0, 0], np.tile(expected, (6, 1)), atol=1e-10)


def test_single_sensors(epochs):
    found = run(epochs, adjacency=None, n_neighbors=0, metric="sqeuclidean_cv")
    assert found.patch_sizes.tolist() == [1] * 6
    rdms = time_rdms(epochs, by=SHOWN, folds=SESSION, times=TIMES, metric="sqeuclidean_cv", picks=[3])
    np.testing.assert_allclose(found.similarity[0, 0, 3], timecourse(LIVING, rdms).similarity[0, 0], atol=1e-12)
    with pytest.raises(ValueError, match="undefined for a single sensor"):
        run(epochs, adjacency=np.eye(6), metric="correlation", folds=None)


def test_a_covariance_is_cut_to_the_patch(epochs, rng):
    root = rng.normal(size=(6, 9))
    covariance = root @ root.T
    found = run(epochs, noise=covariance)
    patch = [1, 2, 3]
    rdms = time_rdms(
        epochs,
        by=SHOWN,
        folds=SESSION,
        times=TIMES,
        picks=patch,
        noise=covariance[np.ix_(patch, patch)],
        noise_kind="covariance",
    )
    np.testing.assert_allclose(found.similarity[0, 0, 2], timecourse(LIVING, rdms).similarity[0, 0], atol=1e-10)


def test_models_are_matched_by_label(epochs):
    order = [2, 0, 3, 1]
    np.testing.assert_array_equal(run(epochs, LIVING.take(order)).similarity, run(epochs).similarity)
    with pytest.raises(ValueError, match="do not hold the same items"):
        run(epochs, RDM(LIVING.values, labels=["car", "cat", "cup", "owl"]))
    wide = RDM(np.arange(10.0), labels=[*LABELS, "owl"])
    found = run(epochs, wide, on_mismatch="intersect")
    np.testing.assert_array_equal(found.similarity, run(epochs, wide.select(LABELS)).similarity)
    part = LIVING.select(["car", "cat", "cup"])
    found = run(epochs, part, on_mismatch="intersect", metric="euclidean", folds=None)
    keep = SHOWN != "dog"
    expected = run(epochs[keep], part, metric="euclidean", folds=None, by=SHOWN[keep])
    np.testing.assert_allclose(found.similarity, expected.similarity, atol=1e-12)


def test_data_that_do_not_fit_are_read_in_groups_of_sensors(rng):
    wide = rng.normal(size=(36, 60, 60))
    line = np.eye(60) + np.eye(60, k=1) + np.eye(60, k=-1)
    options = {"adjacency": line, "times": np.arange(60) / 100, "metric": "euclidean", "folds": None}
    found = [run(wide, memory=memory, **options).similarity for memory in ("1 MB", "1 GB")]
    np.testing.assert_allclose(*found, rtol=0, atol=1e-12)


def test_the_planted_sensors_are_found_in_a_group(epochs, rng):
    people = {f"p{i}": epochs + rng.normal(size=epochs.shape) for i in range(6)}
    found = run(people, method="pearson", n_bootstrap=100, rng=0)
    assert found.similarity.shape == (1, 6, 6, 6)
    assert found.mean[0, 2:5, 3:].min() > found.mean[0, 0].max()
    np.testing.assert_array_equal(run(people["p3"], method="pearson").similarity[:, 0], found.similarity[:, 3])
    assert np.isfinite(found.interval).all()
    test = cluster_test(found, tail="greater", rng=0)
    given = cluster_test(found.curves(), adjacency=found.adjacency, times=found.times, tail="greater", rng=0)
    np.testing.assert_array_equal(test.p_corrected, given.p_corrected)
    assert test.dims == ("sensor", "time")
    assert tfce_test(found, tail="greater", rng=0).significant[3, 4]
    pytest.importorskip("matplotlib.pyplot").close(test.plot().figure)
    inside = test.significant
    assert inside[2:5, 3:].all()
    assert not inside[:, :2].any()


def test_the_same_bits_for_any_number_of_threads(epochs, readonly):
    found = []
    for n in (1, 2):
        with threadpool_limits(n):
            found.append(run(readonly(epochs), metric="decoding").similarity)
    np.testing.assert_array_equal(*found)


def test_tables_and_files(epochs, models, tmp_path):
    found = run(epochs, models)
    table = found.to_dataframe()
    row = table[(table.model == "other") & (table.sensor == found.sensors.names[4]) & (table.time == TIMES[5])]
    assert float(row["similarity"].iloc[0]) == found.similarity[1, 0, 4, 5]
    assert found.to_xarray()["mean"].sel(model="one").shape == (6, 6)
    found.save(tmp_path / "found.json")
    again = Searchlight.load(tmp_path / "found.json")
    np.testing.assert_array_equal(again.similarity, found.similarity)
    np.testing.assert_array_equal(again.adjacency, found.adjacency)
    assert again.sensors.names == found.sensors.names
    assert repr(again) == repr(found)
    assert "touch it" in found.methods_text()
    with pytest.raises(ValueError, match="name one of 'one', 'other'"):
        found.curves()
    with pytest.raises(ValueError, match="does not say where"):
        found.plot_topomap(model="one")


def test_what_cannot_be_done_is_said(epochs, models):
    with pytest.raises(ValueError, match="give one of them"):
        run(epochs, radius=0.1, n_neighbors=2)
    with pytest.raises(ValueError, match="pass adjacency="):
        run(epochs, adjacency=None)
    with pytest.raises(ValueError, match="no axis of time"):
        run(epochs, RDM(np.ones((2, 6)), dims=["time"], coords={"time": [0.0, 1.0]}))
    with pytest.raises(ValueError, match="needs folds="):
        run(epochs, folds=None)
    with pytest.raises(ValueError, match="differ in their good channels"):
        run({"a": epochs, "b": epochs[:, :5]})
    with pytest.warns(RuntimeWarning, match="no variance"):
        found = run(epochs, np.ones(6))
    assert np.isnan(found.similarity).all()
    with pytest.raises(ValueError, match="no variance"):
        run(epochs, np.ones(6), nan_policy="raise")


# ---- real sensors ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elekta(shared_data) -> Searchlight:
    mne = pytest.importorskip("mne")
    evokeds = mne.read_evokeds(shared_data("meg", "mne_testing", "test_elekta-ave.fif"), verbose="error")
    halves = np.array([0, 0, 0, 1, 1, 1, 1])
    model = (halves[:, None] != halves)[np.triu_indices(7, k=1)].astype(float)
    return searchlight(evokeds, {"group": model}, metric="correlation", picks=["mag", "grad"], tmin=0.08, tmax=0.12)


def test_types_are_searched_apart(elekta, shared_data):
    mne = pytest.importorskip("mne")
    evokeds = mne.read_evokeds(shared_data("meg", "mne_testing", "test_elekta-ave.fif"), verbose="error")
    assert elekta.sensors.types.count("grad") == 204
    with mne.use_log_level("error"):
        matrix, names = mne.channels.find_ch_adjacency(evokeds[0].info, "grad")
    patch = [names[i] for i in np.flatnonzero(matrix.toarray()[5])]
    rdms = time_rdms(evokeds, metric="correlation", picks=patch, tmin=0.08, tmax=0.12)
    halves = np.array([0, 0, 0, 1, 1, 1, 1])
    model = (halves[:, None] != halves)[np.triu_indices(7, k=1)].astype(float)
    expected = timecourse(model, rdms, n_bootstrap=0).similarity[0, 0]
    where = elekta.sensors.names.index(names[5])
    np.testing.assert_allclose(elekta.similarity[0, 0, where], expected, atol=1e-10)


def test_evoked_and_maps(elekta, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    evoked = elekta.to_evoked()
    np.testing.assert_array_equal(evoked.data, elekta.mean[0])
    np.testing.assert_allclose(evoked.times, elekta.times, atol=1e-9)
    plt.close(evoked.copy().pick("mag").plot_topomap([0.1], scalings=1, units="r", show=False))
    figure = elekta.plot_topomap([0.09, 0.11], significance=elekta.mean[0] > 0.2)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["90 ms", "110 ms"]
    plt.close(figure)
    elekta.save(tmp_path / "found.json")
    figure = Searchlight.load(tmp_path / "found.json").plot_topomap(0.1, ch_type="grad", subject="subject")
    plt.close(figure)
    legend = elekta.plot().get_legend()
    assert legend.axes.get_ylabel() == "similarity (spearman)"
    assert legend.get_window_extent().x0 > legend.axes.get_window_extent().x1  # it hides no line
    with pytest.raises(ValueError, match="times must lie between"):
        elekta.plot_topomap(0.3)
    with pytest.raises(ValueError, match="one for each of 2 times"):
        elekta.plot_topomap([0.09, 0.1], axes=plt.figure().subplots())
    with pytest.raises(ValueError, match="True or False"):
        elekta.plot_topomap(0.1, significance=np.ones(3))
    plt.close("all")


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (np.arange(-4, 4) / 100, [4, 5, 6, 7]),  # fewer than five after zero
        (np.arange(3) / 100, [0, 1, 2]),
        (np.arange(-5, 0) / 100, [0, 1, 2, 3, 4]),
        (np.arange(-10, 101) / 100, [10, 35, 60, 85, 110]),
        ([0.1], [0]),
    ],
)
def test_each_sample_is_drawn_once(times, expected):
    assert _samples(np.asarray(times, dtype=float), None).tolist() == expected


def test_pairs_of_gradiometers_are_averaged_with_their_sign(elekta, monkeypatch):
    mne = pytest.importorskip("mne")
    shown = {}

    def take(data, info, vlim, **_):
        assert vlim[0] == -vlim[1] == -np.abs(data).max()  # zero has no colour
        shown.update(zip(info.ch_names, data, strict=True))
        raise KeyError(len(shown))

    monkeypatch.setattr(mne.viz, "plot_topomap", take)
    with pytest.raises(KeyError, match="102"):
        elekta.plot_topomap(0.1, ch_type="grad")
    t = int(np.abs(elekta.times - 0.1).argmin())
    pair = [elekta.sensors.names.index(name) for name in ("MEG0112", "MEG0113")]
    value = next(shown[name] for name in ("MEG0112", "MEG0113") if name in shown)
    assert value == pytest.approx(elekta.mean[0, pair, t].mean())
    assert len(shown) == 102


def test_it_goes_into_a_report(elekta):
    mne = pytest.importorskip("mne")
    report = mne.Report(verbose="error")
    elekta.add_to_report(report)
    assert "around each sensor" in report.html[0]
