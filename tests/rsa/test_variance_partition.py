from __future__ import annotations

import itertools

import numpy as np
import pytest
from reference.compare import fit
from scipy.stats import rankdata

from alignkit.rsa import RDM, VarianceShares, WeightedModel, regress, variance_partition
from alignkit.rsa._held_out import item_folds

N = 14
LABELS = tuple(f"i{k:02}" for k in range(N))


@pytest.fixture
def planted(rng) -> tuple[np.ndarray, np.ndarray]:
    models = rng.random((3, 91))
    models[1] += models[0]
    weights = np.array([[1.0, 0.5, -0.4]]) + 0.2 * rng.random((5, 3))
    return models, weights @ models + 0.3 * rng.normal(size=(5, 91))


def pairs_of(fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = list(itertools.combinations(range(N), 2))
    inside = np.array([i in fold and j in fold for i, j in pairs])
    outside = np.array([i not in fold and j not in fold for i, j in pairs])
    return outside, inside


def ranks(x: np.ndarray) -> np.ndarray:
    return np.asarray(rankdata(x, axis=-1) / x.shape[-1])


def r2_of(y: np.ndarray, x: np.ndarray, splits: list[tuple[np.ndarray, np.ndarray]], *, ranked: bool) -> float:
    """Return R² of one data RDM and some models by a loop over splits."""
    error = total = 0.0
    for train, test in splits:
        parts = [y[train], x[:, train], y[test], x[:, test]]
        y_fit, x_fit, y_test, x_test = [ranks(v) if ranked and v.size else v for v in parts]
        weights, constant = fit(y_fit, x_fit, "ols", intercept=True) if len(x) else (np.zeros(0), y_fit.mean())
        error += np.square(y_test - constant - weights @ x_test).sum()
        total += np.square(y_test - y_test.mean()).sum()
    return float(1 - error / total)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_shares_equal_fits_of_every_subset(method, planted):
    models, data = planted
    result = variance_partition(models, data, method=method, n_folds=3, n_bootstrap=0, rng=5)
    every = np.ones(91, dtype=bool)
    splits = {
        "in_sample": [(every, every)],
        "held_out": [pairs_of(fold) for fold in item_folds(N, 3, np.random.default_rng(5))],
    }
    for kind, own in splits.items():
        for s, y in enumerate(data):
            r2 = {
                frozenset(part): r2_of(y, models[list(part)], own, ranked=method == "spearman")
                for size in (1, 2, 3)
                for part in itertools.combinations(range(3), size)
            }
            whole = r2[frozenset(range(3))]
            a, b, c = (r2[frozenset({j})] for j in range(3))
            ab, ac, bc = (r2[frozenset(pair)] for pair in itertools.combinations(range(3), 2))
            # the textbook formulas for three predictors (Nimon et al., 2008)
            unique = [whole - bc, whole - ac, whole - ab]
            common = [ac + bc - c - whole, ab + bc - b - whole, ab + ac - a - whole, a + b + c - ab - ac - bc + whole]
            parts = getattr(result, f"parts_{kind}")[:, s]
            assert np.allclose(parts, unique + common, rtol=0, atol=1e-10)
            assert getattr(result, f"r2_{kind}")[s] == pytest.approx(whole, abs=1e-10)
            assert np.allclose(getattr(result, f"alone_{kind}")[:, s], [a, b, c], rtol=0, atol=1e-10)
            assert parts.sum() == pytest.approx(whole, abs=1e-10)


def test_equals_regress_on_the_same_folds(planted):
    models, data = planted
    result = variance_partition(models, data, method="pearson", n_bootstrap=0, rng=2)
    expected = regress(data, models, rng=2)
    assert np.allclose(result.r2_held_out, expected.r2_held_out, rtol=0, atol=1e-12)
    assert np.allclose(result.unique.T, expected.unique_held_out, rtol=0, atol=1e-12)
    assert result.n_folds == expected.n_folds


def test_noise_explains_something_in_sample_and_nothing_held_out(rng):
    models, data = rng.normal(size=(4, 190)), rng.normal(size=(8, 190))
    result = variance_partition(models, data, n_bootstrap=0, rng=0)
    assert result.r2_in_sample.min() > 0
    assert result.r2_held_out.mean() < 0
    assert np.array_equal(result.r2, result.r2_held_out)


def test_intervals_are_those_of_means_over_subjects(planted):
    models, data = planted
    result = variance_partition(models, data, n_bootstrap=500, rng=1)
    means = np.concatenate([result.r2_held_out[None], result.parts_held_out]).mean(axis=1)
    low, high = result.interval_held_out
    assert (low < means).all()
    assert (means < high).all()
    assert "all models" in repr(result)
    assert "[" in repr(result)
    two = variance_partition(models, data[:2], rng=1)
    assert np.isnan(two.interval_held_out).all()
    assert "no interval: 2 subjects, of three that it needs" in repr(two)


def test_further_axes_and_single_rdms(planted):
    models, data = planted
    movie = RDM(np.stack([data, 2 * data], axis=1), dims=["person", "time"])
    result = variance_partition(models, movie, dim="person", rng=0)
    assert result.parts.shape == (7, 5, 2)
    assert result.interval_held_out.shape == (2, 8, 2)
    assert np.allclose(result.parts[..., 0], result.parts[..., 1], rtol=0, atol=1e-10)
    single = variance_partition(models, data[0], rng=0)
    assert single.r2.shape == ()
    assert single.r2 == pytest.approx(variance_partition(models, data, rng=0).r2[0], abs=1e-12)


def test_items_are_matched_by_label(planted, rng):
    models, data = planted
    order = rng.permutation(N)
    named = {f"m{j}": RDM(row, LABELS).take(order) for j, row in enumerate(models)}
    result = variance_partition(named, RDM(data, LABELS, dims=["subject"]), rng=0)
    expected = variance_partition(models, data, rng=0)
    assert np.allclose(result.parts, expected.parts, rtol=0, atol=1e-10)
    assert result.names[:4] == ("unique: m0", "unique: m1", "unique: m2", "common: m0, m1")


def test_missing_pairs(planted):
    models, data = (v.copy() for v in planted)
    data[1, [3, 8]] = np.nan
    with pytest.warns(RuntimeWarning, match="the data hold NaN"):
        result = variance_partition(models, data, rng=0)
    assert np.isnan(result.r2_in_sample).tolist() == [False, True, False, False, False]
    omitted = variance_partition(models, data, nan_policy="omit", rng=0)
    kept = ~np.isnan(data[1])
    splits = [(a & kept, b & kept) for a, b in map(pairs_of, item_folds(N, omitted.n_folds, np.random.default_rng(0)))]
    assert omitted.r2_held_out[1] == pytest.approx(r2_of(data[1], models, splits, ranked=True), abs=1e-10)
    assert omitted.n_pairs == 89
    with pytest.raises(ValueError, match="the data hold NaN"):
        variance_partition(models, data, nan_policy="raise")


def test_refusals(planted, rng):
    models, data = planted
    with pytest.raises(ValueError, match=r"variance is parted among 2 to 10 models \(1,023 parts\); got 1"):
        variance_partition(models[:1], data)
    with pytest.raises(ValueError, match=r"got 11: 'model 0'.*Choose or average some of them"):
        variance_partition(rng.random((11, 91)), data)
    with pytest.raises(ValueError, match="n_folds is for split='items'"):
        variance_partition(models, data, split="none", n_folds=2)
    with pytest.raises(ValueError, match="5 folds of 14 items would hold fewer than 3 items each"):
        variance_partition(models, data, n_folds=5)
    with pytest.warns(RuntimeWarning, match="no variance to explain with in the models: 'model 0'"):
        variance_partition(np.vstack([np.ones(91), models]), data)
    with pytest.warns(RuntimeWarning, match="there is no variance to explain in: 'subject 0'"):
        variance_partition(models, np.vstack([np.ones(91), data]))


def test_the_result(planted, tmp_path):
    models, data = planted
    result = variance_partition(models, RDM(data, dims=["subject"], coords={"subject": list("vwxyz")}), rng=0)
    table = result.to_dataframe()
    assert len(table) == 40
    row = table[(table.part == "common: model 0, model 1") & (table.subject == "x")]
    assert row.share_held_out.item() == result.parts_held_out[3, 2]
    result.save(tmp_path / "a.json")
    back = VarianceShares.load(tmp_path / "a.json")
    assert repr(back) == repr(result)
    assert back.to_dataframe().equals(table)
    assert "judged on the pairs within each" in result.methods_text()
    assert "Shares are in-sample" in variance_partition(models, data, split="none").methods_text()
    assert len(result.plot().patches) == 8


def test_a_model_that_does_not_vary_leaves_no_shares(rng):
    models, data = rng.random((3, 66)), rng.random((4, 66))
    models[1] = 0.5
    with pytest.warns(RuntimeWarning, match="no variance to explain with in the models: 'model 1'. The values that"):
        found = variance_partition(models, data, n_folds=2, rng=0)
    assert np.isnan(found.r2_in_sample).all()
    assert np.isnan(found.r2_held_out).all()
    assert np.isnan(found.parts_held_out).all()


def test_models_that_evaluate_fits_are_refused_in_words(rng):
    rows = rng.random((3, 66))
    for models in ({"a": WeightedModel(rows), "b": rows[0]}, [WeightedModel(rows), rows[0]], WeightedModel(rows)):
        with pytest.raises(TypeError, match=r"models holds a WeightedModel, .* give RDMs: its components \(\.rdms\)"):
            variance_partition(models, rows)


def test_refusals_speak_of_data(rng):
    with pytest.raises(ValueError, match=r"^data has the leading axes"):
        variance_partition(rng.random((2, 66)), rng.random((3, 4, 66)))
