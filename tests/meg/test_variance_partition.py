"""Shares of variance over time equal least-squares fits of every subset of models."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from reference.compare import fit
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from alignkit.meg import RDMStore, VariancePartition, timecourse, variance_partition
from alignkit.rsa import RDM, regress
from alignkit.rsa._shares import commonalities, subsets_of

NAMES = ("a", "b", "c")


def r2_of(y: np.ndarray, models: np.ndarray) -> float:
    if not len(models):
        return 0.0
    weights, constant = fit(y, models, "ols", intercept=True)
    return 1 - float(np.square(y - constant - weights @ models).sum() / np.square(y - y.mean()).sum())


@pytest.fixture
def models(rng) -> np.ndarray:
    x = rng.normal(size=(3, 15))
    x[1] += x[0]
    return x


@pytest.fixture
def data(rng, models) -> np.ndarray:
    return rng.normal(size=(4, 5, 15)) + rng.normal(size=(5, 3)) @ models


def stacked(values: np.ndarray, **options) -> RDM:
    return RDM(values, dims=["subject", "time"], coords={"time": np.arange(values.shape[1]) / 10}, **options)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("n_models", [2, 3])
@pytest.mark.parametrize("levels", [None, 3])
def test_parts_equal_fits_of_every_subset(method, n_models, levels, data, models):
    if levels:
        data, models = data.round() + 0.0, np.sign(models)
    x = models[:n_models]
    result = variance_partition(RDM(x, dims=["model"]), stacked(data), method=method, n_bootstrap=0)
    change = (lambda y: rankdata(y, axis=-1)) if method == "spearman" else np.asarray
    for s, t in np.ndindex(4, 5):
        y, own = change(data[s, t]), change(x)
        every = range(n_models)
        r2 = {
            frozenset(part): r2_of(y, own[list(part)])
            for size in range(n_models + 1)
            for part in itertools.combinations(every, size)
        }
        whole = r2[frozenset(every)]
        assert result.r2[s, t] == pytest.approx(whole, abs=1e-12)
        for j in every:
            assert result.alone[j, s, t] == pytest.approx(r2[frozenset({j})], abs=1e-12)
            assert result.unique[j, s, t] == pytest.approx(whole - r2[frozenset(every) - {j}], abs=1e-12)
        if n_models == 2:
            common = r2[frozenset({0})] + r2[frozenset({1})] - whole
            assert result.parts[2, s, t] == pytest.approx(common, abs=1e-12)
        else:
            # the textbook formulas for three predictors (Nimon et al., 2008)
            a, b, c = (r2[frozenset({j})] for j in every)
            ab, ac, bc = (r2[frozenset(pair)] for pair in itertools.combinations(every, 2))
            expected = [ac + bc - c - whole, ab + bc - b - whole, ab + ac - a - whole, a + b + c - ab - ac - bc + whole]
            assert result.parts[3:, s, t] == pytest.approx(expected, abs=1e-12)
    assert np.allclose(result.parts.sum(axis=0), result.r2, rtol=0, atol=1e-12)
    assert np.allclose(result.mean, result.parts.mean(axis=1), rtol=0, atol=1e-15)


def test_equals_regress(data, models):
    result = variance_partition(RDM(models, dims=["model"]), stacked(data), method="pearson", n_bootstrap=0)
    expected = regress(stacked(data), RDM(models, dims=["model"]), split="none")
    assert np.allclose(result.r2, expected.r2_in_sample, rtol=0, atol=1e-12)
    assert np.allclose(result.unique, np.moveaxis(expected.unique_in_sample, -1, 0), rtol=0, atol=1e-12)


def test_a_share_alone_is_a_squared_correlation(data, models):
    result = variance_partition(RDM(models, dims=["model"]), stacked(data), n_bootstrap=0)
    curves = timecourse(RDM(models, dims=["model"]), stacked(data), n_bootstrap=0)
    assert np.allclose(result.alone, np.square(curves.similarity), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_parts_of_independent_models_are_unique(n):
    # additive shares: what a subset explains is the sum of its models' shares, and nothing is common
    shares = np.arange(1.0, n + 1) / 30
    r2 = np.array([shares[list(subset)].sum() for subset in subsets_of(n)])[:, None]
    parts = commonalities(r2, n)[:, 0]
    assert parts == pytest.approx([*shares, *np.zeros(2**n - 1 - n)], abs=1e-15)


def test_models_that_are_sums_of_others_have_no_unique_variance(data, models):
    x = np.stack([models[0], models[1], models[0] + models[1]])
    result = variance_partition(RDM(x, dims=["model"]), stacked(data), method="pearson", n_bootstrap=0)
    pair = variance_partition(RDM(x[:2], dims=["model"]), stacked(data), method="pearson", n_bootstrap=0)
    assert np.allclose(result.unique, 0, rtol=0, atol=1e-12)
    assert np.allclose(result.r2, pair.r2, rtol=0, atol=1e-12)


def test_data_that_the_models_explain_altogether(models):
    y = (models[0] + 2 * models[2])[None, None]
    result = variance_partition(RDM(models, dims=["model"]), stacked(y), method="pearson")
    assert result.r2[0, 0] == pytest.approx(1, abs=1e-13)
    assert result.r2[0, 0] <= 1
    assert "no interval: 1 participant" in result.note


def test_units_do_not_matter(data, models):
    scale = np.array([1e-150, 1.0, 1e150])[:, None]
    plain = variance_partition(RDM(models, dims=["model"]), stacked(data), method="pearson", n_bootstrap=0)
    other = variance_partition(
        RDM(models * scale, dims=["model"]), stacked(data * 1e-200), method="pearson", n_bootstrap=0
    )
    assert np.allclose(plain.parts, other.parts, rtol=0, atol=1e-12)


def test_missing_pairs_are_left_out_of_that_fit_alone(data, models):
    broken, x = data.copy(), models.copy()
    broken[1, 2, 3] = broken[2, 2, 7] = np.nan
    x[1, 5] = np.nan
    named = dict(zip(NAMES, x, strict=True))
    result = variance_partition(named, stacked(broken), method="spearman", nan_policy="omit", n_bootstrap=0)
    for s, t in np.ndindex(4, 5):
        kept = ~np.isnan(broken[s, t]) & ~np.isnan(x[1])
        expected = r2_of(rankdata(broken[s, t][kept]), rankdata(x[:, kept], axis=1))
        assert result.r2[s, t] == pytest.approx(expected, abs=1e-12)
    assert result.n_pairs == 13
    with pytest.warns(RuntimeWarning) as caught:
        result = variance_partition(named, stacked(broken), n_bootstrap=0)
    assert "models hold NaN" in str(caught[0].message)
    assert "'subject 2 at 0.2 s', 'subject 3 at 0.2 s'" in str(caught[0].message)
    assert len(caught) == 1
    assert np.isnan(result.r2).all()


def test_nan_at_one_time_changes_no_other(data, models):
    broken = data.copy()
    broken[1, 2, 3] = np.nan
    broken[3, 4] = 0.5
    with pytest.warns(RuntimeWarning, match=r"NaN .* 'subject 2 at 0\.2 s'; there is no .* in: 'subject 4 at 0\.4 s'"):
        result = variance_partition(RDM(models, dims=["model"]), stacked(broken))
    clean = variance_partition(RDM(models, dims=["model"]), stacked(data))
    assert np.argwhere(np.isnan(result.r2)).tolist() == [[1, 2], [3, 4]]
    same = ~np.isnan(result.r2)
    assert np.allclose(result.parts[:, same], clean.parts[:, same], rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match="the data hold NaN"):
        variance_partition(RDM(models, dims=["model"]), stacked(broken), nan_policy="raise")


def test_constant_models_and_too_few_pairs_are_named(data, models):
    flat = dict(zip(NAMES, [models[0], np.ones(15), models[2]], strict=True))
    with pytest.warns(RuntimeWarning, match="no variance to explain with in the models: 'b'"):
        assert np.isnan(variance_partition(flat, stacked(data)).r2).all()
    with pytest.warns(RuntimeWarning, match="too few item pairs, or none that differ, are left to fit 3 models to"):
        result = variance_partition(RDM(np.eye(3), dims=["model"]), np.array([[1.0, 2, 3]]))
    assert np.isnan(result.r2).all()


def test_stores_of_counts_are_read(tmp_path, rng, models):
    accuracies = rng.integers(0, 25, size=(5, 15)) / 24
    given = {"labels": list("abcdef"), "times": np.arange(5) / 10, "metric": "decoding", "n_decisions": 12}
    with RDMStore.create(tmp_path / "p.zarr", **given) as store:
        store.write(0, accuracies)
    x = RDM(models, list("abcdef"), dims=["model"])
    result = variance_partition(x, tmp_path / "p.zarr")
    assert np.array_equal(result.r2, variance_partition(x, accuracies).r2)
    assert result.subjects == ("p",)
    assert "(decoding)" in result.methods_text()


def test_threads_change_nothing(data, models, monkeypatch):
    monkeypatch.setattr("alignkit.meg._over_time._BLOCK", 60)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(variance_partition(RDM(models, dims=["model"]), stacked(data), rng=0))
    assert np.array_equal(found[0].parts, found[1].parts)
    assert np.array_equal(found[0].interval, found[1].interval)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "cosine"}, "^method must be one of 'pearson', 'spearman'"),
        ({"nan_policy": "no"}, "^nan_policy"),
        ({"tolerance": -1}, "^tolerance"),
        ({"n_bootstrap": -1}, "^n_bootstrap"),
        ({"confidence": 2}, "^confidence"),
        ({"memory": "x"}, "^memory"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message, data, models):
    with pytest.raises(ValueError, match=message):
        variance_partition(RDM(models, dims=["model"]), stacked(data), **options)


def test_models_that_cannot_be_parted_are_refused(data, models, rng):
    with pytest.raises(ValueError, match="parted among 2 to 6 models; got 1: 'model'"):
        variance_partition(models[0], stacked(data))
    with pytest.raises(ValueError, match="parted among 2 to 6 models; got 7"):
        variance_partition(RDM(rng.normal(size=(7, 15)), dims=["model"]), stacked(data))
    with pytest.raises(ValueError, match="without an axis of time"):
        variance_partition(RDM(models, dims=["time"]), stacked(data))


@pytest.fixture
def result(data, models) -> VariancePartition:
    people = stacked(data[:3], metric="correlation")
    return variance_partition(dict(zip(NAMES, models, strict=True)), people, n_bootstrap=100, rng=0)


def test_parts_have_names(result):
    assert result.names[:4] == ("unique: a", "unique: b", "unique: c", "common: a, b")
    assert result.members[-1] == NAMES
    text = repr(result)
    assert text.startswith("<VariancePartition spearman, 3 participants, 6 items, 5 samples from 0 to 0.4 s")
    assert f"all models: highest mean {result.r2_mean.max():.4f}" in text
    assert "common: a, b, c: highest mean" in text


def test_tables_and_datasets(result):
    table = result.to_dataframe()
    assert len(table) == 8 * 3 * 5
    row = table[(table.part == "common: a, c") & (table.participant == "subject 2") & (table.time == 0.2)]
    assert row.share.item() == result.parts[4, 1, 2]
    dataset = result.to_xarray()
    assert dataset.share.sel(part="unique: b", subject="subject 1", time=0.0).item() == result.parts[1, 0, 0]
    assert dataset.r2_interval.sel(bound="low", time=0.4).item() == result.r2_interval[0, 4]


def test_results_come_back_from_json(result, tmp_path):
    result.save(tmp_path / "a.json")
    again = VariancePartition.load(tmp_path / "a.json")
    for field in dataclasses.fields(result):
        before, after = getattr(result, field.name), getattr(again, field.name)
        assert np.array_equal(before, after) if isinstance(before, np.ndarray) else before == after


def test_sentences(result):
    text = result.methods_text()
    assert "ranks of the dissimilarities (correlation) of 3 participants" in text
    assert "unique and common contributions of 3 models" in text
    assert "100 resamples" in text


def test_a_figure_shows_every_part(result):
    from matplotlib import pyplot as plt

    ax = result.plot()
    assert len(ax.get_legend().get_texts()) == 8
    assert np.array_equal(ax.lines[1].get_ydata(), result.r2_mean)
    plt.close(ax.figure)


def test_intervals_cover_the_mean(result):
    assert (result.interval[0] <= result.mean).all()
    assert (result.interval[1] >= result.mean).all()
    assert (result.r2_interval[0] <= result.r2_mean).all()
