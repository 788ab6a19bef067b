from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import compare as reference
from scipy.optimize import nnls

from alignkit.rsa import RDM, Regression, regress
from alignkit.rsa._held_out import default_folds, item_folds

LABELS = tuple(f"i{k:02}" for k in range(14))
each = pytest.mark.parametrize("method", ["ols", "nnls"])
constant = pytest.mark.parametrize("intercept", [True, False])


@pytest.fixture
def planted(rng) -> tuple[np.ndarray, np.ndarray]:
    """Five data RDMs of 14 items made of three models, one of them with a negative weight."""
    models = rng.random((3, 91)) + np.array([[0.0], [2.0], [5.0]])
    weights = np.array([[1.0, 0.5, -0.4]]) + 0.2 * rng.random((5, 3))
    return weights @ models + 0.3 * rng.normal(size=(5, 91)) + 1, models


def folds_of(seed: int, n_items: int, n_folds: int) -> list[np.ndarray]:
    return item_folds(n_items, n_folds, np.random.default_rng(seed))


# ---- numbers ---------------------------------------------------------------------------------------------------------


@each
@constant
def test_weights_equal_a_fit_of_each_rdm(method, intercept, planted, readonly):
    data, models = map(readonly, planted)
    result = regress(data, models, method=method, intercept=intercept, rng=0)
    for i, y in enumerate(data):
        weights, c = reference.fit(y, models, method, intercept=intercept)
        assert np.allclose(result.weights[i], weights, rtol=0, atol=1e-10)
        assert result.intercept[i] == pytest.approx(c, rel=0, abs=1e-10)
        error, total = reference.squared_errors(y, models, y, models, method, intercept=intercept)
        assert result.r2_in_sample[i] == pytest.approx(1 - error / total, rel=0, abs=1e-12)
    assert (result.n_pairs == 91).all()


def test_ols_is_centred_least_squares_and_nnls_scipys(planted):
    data, models = planted
    x, y = (v - v.mean(axis=1, keepdims=True) for v in (models, data))
    expected = np.linalg.lstsq(x.T, y.T, rcond=None)[0].T
    assert np.allclose(regress(data, models, split="none").weights, expected, rtol=0, atol=1e-10)
    plain = [nnls(models.T, row)[0] for row in data]
    found = regress(data, models, method="nnls", intercept=False, split="none").weights
    assert np.allclose(found, plain, rtol=0, atol=1e-10)
    assert (found >= 0).all()


@each
def test_unique_shares_are_losses_without_the_model(method, planted):
    data, models = planted
    result = regress(data, models, method=method, rng=3)
    for j in range(3):
        others = np.delete(models, j, axis=0)
        without = regress(data, others, method=method, rng=3)
        assert np.allclose(result.unique_in_sample[:, j], result.r2_in_sample - without.r2_in_sample, atol=1e-12)
        assert np.allclose(result.unique_held_out[:, j], result.r2_held_out - without.r2_held_out, atol=1e-12)
    one = regress(data, models[:1], method=method, rng=3)
    assert np.allclose(one.unique_in_sample[:, 0], one.r2_in_sample, rtol=0, atol=1e-12)


@each
def test_standardized_weights(method, planted):
    data, models = planted
    result = regress(data, models, method=method, standardize=True, split="none")
    zy, zx = ((v - v.mean(axis=1, keepdims=True)) / v.std(axis=1, keepdims=True) for v in (data, models))
    for i, y in enumerate(zy):
        weights, _ = reference.fit(y, zx, method, intercept=True)
        assert np.allclose(result.weights[i], weights, rtol=0, atol=1e-10)
    assert (result.intercept == 0).all()


def test_exact_sums_are_found_exactly(rng):
    models = rng.random((4, 190)) * np.array([[1e-6], [1.0], [1e3], [1e9]]) + 1000
    data = np.array([[3e6, 2.0, -1e-3, 5e-9]]) @ models + 7
    result = regress(data, models, rng=0)
    assert np.allclose(result.weights, [[3e6, 2.0, -1e-3, 5e-9]], rtol=1e-7)
    assert result.r2_in_sample == pytest.approx(1, abs=1e-12)
    assert result.r2_held_out == pytest.approx(1, abs=1e-9)


# ---- held out --------------------------------------------------------------------------------------------------------


@each
@constant
def test_held_out_items_equal_the_loop(method, intercept, planted):
    data, models = planted
    result = regress(data, models, method=method, intercept=intercept, n_folds=3, rng=5)
    folds = folds_of(5, 14, 3)
    for i, y in enumerate(data):
        expected = reference.r2_of_held_out_items(y, y, models, folds, method, intercept=intercept)
        assert result.r2_held_out[i] == pytest.approx(expected, rel=0, abs=1e-10)
    assert (result.split, result.n_folds) == ("items", 3)


@each
def test_held_out_subjects_are_predicted_from_the_mean_of_the_others(method, planted):
    data, models = planted
    result = regress(RDM(data, dims=["subject"]), models, method=method, split="subjects")
    for s, y in enumerate(data):
        others = np.delete(data, s, axis=0).mean(axis=0)
        error, total = reference.squared_errors(others, models, y, models, method, intercept=True)
        assert result.r2_held_out[s] == pytest.approx(1 - error / total, rel=0, abs=1e-10)
    assert (result.split, result.n_folds) == ("subjects", 0)


@each
def test_both_held_out(method, planted):
    data, models = planted
    result = regress(RDM(data, dims=["subject"]), models, method=method, split="both", n_folds=4, rng=8)
    folds = folds_of(8, 14, 4)
    for s, y in enumerate(data):
        others = np.delete(data, s, axis=0).mean(axis=0)
        expected = reference.r2_of_held_out_items(others, y, models, folds, method)
        assert result.r2_held_out[s] == pytest.approx(expected, rel=0, abs=1e-10)


def test_noise_explains_nothing_outside(rng):
    result = regress(rng.random((20, 190)), rng.random((5, 190)), rng=0)
    assert result.r2_in_sample.mean() > 0.01
    assert result.r2_held_out.mean() < 0


def test_every_further_axis_by_itself(rng):
    values, models = rng.random((3, 4, 2, 91)), rng.random((2, 91))
    stack = RDM(values, dims=["time", "subject", "roi"], coords={"roi": ["V1", "IT"]})
    result = regress(stack, models, split="both", rng=1)
    assert result.weights.shape == (3, 4, 2, 2)
    for t in range(3):
        alone = regress(RDM(values[t, :, 1], dims=["subject"]), models, split="both", rng=1)
        assert np.allclose(result.r2_held_out[t, :, 1], alone.r2_held_out, rtol=0, atol=1e-12)
        assert np.allclose(result.weights[t, :, 1], alone.weights, rtol=0, atol=1e-12)
    named = regress(RDM(values, dims=["a", "person", "b"]), models, split="both", dim="person", rng=1)
    assert np.allclose(named.r2_held_out, result.r2_held_out, rtol=0, atol=1e-13)


def test_number_of_folds():
    assert [default_folds(n) for n in (3, 5, 6, 11, 12, 23, 24, 39, 40, 1854)] == [0, 0, 2, 2, 3, 3, 4, 4, 5, 5]
    sizes = [len(fold) for fold in folds_of(0, 14, 4)]
    assert sorted(sizes) == [3, 3, 4, 4]
    assert np.array_equal(np.sort(np.concatenate(folds_of(0, 14, 4))), np.arange(14))


def test_seeds(planted):
    data, models = planted
    first, second = (regress(data, models, rng=2).r2_held_out for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, regress(data, models, rng=3).r2_held_out)


def test_too_few_items_to_hold_out(rng):
    result = regress(rng.random(10), rng.random((2, 10)))
    assert np.isnan(result.r2_held_out)
    assert "5 items are too few to hold any out" in repr(result)
    with pytest.raises(ValueError, match="3 folds of 5 items would hold fewer than 3 items each; lower n_folds"):
        regress(rng.random(10), rng.random((2, 10)), n_folds=3)


# ---- what goes in ----------------------------------------------------------------------------------------------------


def test_models_by_name_stack_or_sequence_in_any_order(planted, rng):
    data, models = planted
    stack = RDM(data, LABELS, dims=["subject"])
    order = rng.permutation(14)
    named = {f"m{j}": RDM(row, LABELS).take(order) for j, row in enumerate(models)}
    expected = regress(data, models, rng=0)
    coords = {"model": ["m0", "m1", "m2"]}
    for those in (named, RDM(models, LABELS, dims=["model"], coords=coords).take(order), list(named.values())):
        result = regress(stack, those, rng=0)
        assert np.allclose(result.weights, expected.weights, rtol=0, atol=1e-12)
        assert np.allclose(result.r2_held_out, expected.r2_held_out, rtol=0, atol=1e-12)
        assert result.aligned_by == "label"
        assert result.models == (
            ["m0", "m1", "m2"] if not isinstance(those, list) else [f"model {j}" for j in range(3)]
        )


def test_rows_are_said_to_match_by_label_only_where_all_have_labels(planted):
    data, models = planted
    labelled = RDM(data, LABELS)
    for those in (models, {"a": RDM(models[0], LABELS), "b": models[1]}):
        assert regress(labelled, those, rng=0).aligned_by == "position"
    shuffled = RDM(models[1], LABELS).take(range(13, -1, -1))
    with pytest.raises(ValueError, match="the model 'a' and the model 'b' hold their items in different orders"):
        regress(data, {"a": RDM(models[0], LABELS), "b": shuffled}, rng=0)


def test_other_items(planted):
    data, models = planted
    stack = RDM(data, LABELS)
    other = RDM(models, [*LABELS[:-1], "else"])
    with pytest.raises(ValueError, match="only in the data: 'i13'; only in the models: 'else'"):
        regress(stack, other)
    result = regress(stack, other, on_mismatch="intersect", rng=0)
    left = list(LABELS[:-1])
    assert np.allclose(result.weights, regress(stack.select(left), other.select(left), rng=0).weights, atol=1e-13)
    assert result.n_items == 13


BAD = {
    "method": ({"method": "ridge"}, "method must be one of 'ols', 'nnls'"),
    "split": ({"split": "half"}, "split must be one of 'items', 'subjects', 'both', 'none'"),
    "nan_policy": ({"nan_policy": "drop"}, "nan_policy must be one of"),
    "folds": ({"split": "subjects", "n_folds": 2}, "n_folds is for split='items' and split='both'"),
    "one fold": ({"n_folds": 1}, "n_folds must be at least 2"),
    "dim": ({"split": "subjects", "dim": "people"}, "dim must be one of 'rdm'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options(case, planted):
    options, sentence = BAD[case]
    with pytest.raises(ValueError, match=sentence):
        regress(*planted, **options)


def test_bad_input(planted):
    data, models = planted
    with pytest.raises(ValueError, match="the data need an axis of two or more"):
        regress(data[0], models, split="subjects")
    with pytest.raises(ValueError, match="models is empty"):
        regress(data, {})
    with pytest.raises(ValueError, match="the model 'x' holds a stack of shape"):
        regress(data, {"x": models})
    with pytest.raises(ValueError, match="the data and the models have 14 and 13 items"):
        regress(data, models[:, :78])


# ---- undefined -------------------------------------------------------------------------------------------------------


@each
def test_collinear_models_are_named_and_explain_nothing_alone(method, planted):
    data, models = planted
    given = {"a": models[0], "b": models[1], "sum": models[0] + models[1], "c": models[2], "flat": np.full(91, 0.1)}
    with pytest.warns(RuntimeWarning, match="the weights of 'a', 'b', 'sum', 'flat' are not unique") as caught:
        result = regress(data, given, method=method, rng=0)
    assert len(caught) == 1
    plain = regress(data, models, method=method, rng=0)
    if method == "ols":
        assert np.allclose(result.r2_in_sample, plain.r2_in_sample, rtol=0, atol=1e-12)
        assert np.allclose(result.r2_held_out, plain.r2_held_out, rtol=0, atol=1e-10)
        assert np.allclose(result.unique_in_sample[:, [0, 1, 2, 4]], 0, atol=1e-12)
        centred = [v - np.mean(v) for v in given.values()]
        rest = data - data.mean(axis=1, keepdims=True)
        smallest = np.linalg.lstsq(np.array(centred).T, rest.T, rcond=1e-9)[0].T
        assert np.allclose(result.weights, smallest, rtol=0, atol=1e-10)


def test_nan_is_left_out_of_that_fit_alone(planted):
    data, models = (v.copy() for v in planted)
    data[1, [3, 8]] = data[4, 60] = np.nan
    with pytest.warns(RuntimeWarning, match=r"the data hold NaN \(nan_policy='omit'") as caught:
        result = regress(data, models, rng=0)
    assert len(caught) == 1
    assert np.isnan(result.r2_in_sample).tolist() == [False, True, False, False, True]
    assert np.isnan(result.r2_held_out).tolist() == [False, True, False, False, True]
    models[2, 20] = np.nan
    result = regress(data, models, nan_policy="omit", rng=0)
    assert result.n_pairs.tolist() == [90, 88, 90, 90, 89]
    for i, y in enumerate(data):
        known = ~np.isnan(y) & ~np.isnan(models[2])
        weights, _ = reference.fit(y[known], models[:, known], "ols", intercept=True)
        assert np.allclose(result.weights[i], weights, rtol=0, atol=1e-10)
    assert np.isfinite(result.r2_held_out).all()
    with pytest.raises(ValueError, match=r"the data hold NaN.*the models hold NaN"):
        regress(data, models, nan_policy="raise")


def test_with_subjects_held_out_a_missing_pair_is_missing_for_all(planted):
    data, models = (v.copy() for v in planted)
    data[1, 3] = np.nan
    found = regress(data, models, split="subjects", nan_policy="omit").r2_held_out
    rest = [np.delete(v, 3, axis=1) for v in (data, models)]
    for s, y in enumerate(rest[0]):
        others = np.delete(rest[0], s, axis=0).mean(axis=0)
        error, total = reference.squared_errors(others, rest[1], y, rest[1], "ols", intercept=True)
        assert found[s] == pytest.approx(1 - error / total, rel=0, abs=1e-10)


def test_constant_data(planted):
    data, models = (v.copy() for v in planted)
    data[2] = 0.1
    with pytest.warns(RuntimeWarning, match="there is no variance to explain in: 'rdm 2'") as caught:
        result = regress(data, models, rng=0)
    assert len(caught) == 1
    assert np.isnan(result.r2_in_sample).tolist() == [False, False, True, False, False]
    assert np.allclose(result.weights[2], 0, atol=1e-15)


def test_more_models_than_pairs(rng):
    with pytest.warns(RuntimeWarning, match=r"too few item pairs are left to fit 7 model\(s\) to: 'the only RDM'"):
        result = regress(rng.random(6), rng.random((7, 6)))
    assert np.isnan(result.weights).all()


# ---- the result ------------------------------------------------------------------------------------------------------


def test_repr_says_what_was_held_out(planted):
    data, models = planted
    text = repr(regress(data, models, rng=0))
    assert "in-sample; " in text
    assert "on held-out items" in text
    assert "in-sample>" in repr(regress(data, models, split="none"))
    assert "held-out subjects, on items that were fitted" in repr(regress(data, models, split="subjects"))


def test_table_json_and_csv(planted, tmp_path):
    data, models = planted
    result = regress(RDM(data, dims=["subject"], coords={"subject": list("vwxyz")}), models, rng=0)
    table = result.to_dataframe()
    assert len(table) == 15
    row = table[(table.subject == "x") & (table.model == "model 1")]
    assert row.weight.item() == result.weights[2, 1]
    assert row.r2_held_out.item() == result.r2_held_out[2]
    result.save(tmp_path / "a.json")
    back = Regression.load(tmp_path / "a.json")
    assert np.array_equal(back.weights, result.weights)
    assert back.to_dataframe().equals(table)
    assert repr(back) == repr(result)
    assert json.loads((tmp_path / "a.json").read_text())["kind"] == "Regression"
    single = regress(data[0], models[0], split="none")
    single.save(tmp_path / "b.json")
    assert Regression.load(tmp_path / "b.json").to_dataframe().equals(single.to_dataframe())


def test_methods_text(planted):
    text = regress(*planted, method="nnls", rng=0, standardize=True).methods_text()
    assert "regressed on 3 model RDM(s) by non-negative least squares with an intercept" in text
    assert "held-out items (3 random folds of items)" in text
    assert "over the upper triangle (91 item pairs), rows matched by position; weights are in standard dev" in text
    assert "Explained variance" not in regress(*planted, split="none").methods_text()
    data, models = planted
    data = data.copy()
    data[0, 3] = np.nan
    text = regress(data, models, rng=0, nan_policy="omit").methods_text()
    assert "(90 to 91 item pairs, those without a value in the data or a model left out)" in text


def test_what_was_not_measured_is_not_said_to_be(rng):
    text = regress(rng.random(10), rng.random((2, 10))).methods_text()  # five items: nothing to hold out
    assert "Explained variance" not in text
    # six items in two folds: three pairs to fit a constant and two models to
    data = RDM(rng.random((2, 15)), dims=["subject"])
    with pytest.warns(RuntimeWarning, match="too few item pairs.*were held out or left to fit in: 'subject 0', 'subj"):
        result = regress(data, rng.random((2, 15)), rng=0)
    assert np.isfinite(result.r2_in_sample).all()
    assert np.isnan(result.r2_held_out).all()
    assert np.isnan(result.unique_held_out).all()
    assert "Explained variance" not in result.methods_text()


def test_as_many_unknowns_as_pairs(rng):
    data, models = rng.random(6), rng.random((6, 6))
    stack = RDM(models, dims=["model"])
    exact = regress(data, models[:5], split="none")
    design = np.vstack([models[:5], np.ones(6)]).T
    assert np.allclose(exact.weights, np.linalg.solve(design, data)[:5], rtol=1e-9)
    assert exact.r2_in_sample == pytest.approx(1)
    with pytest.warns(RuntimeWarning, match=r"too few item pairs are left to fit 6 model.s. to"):
        assert np.isnan(regress(data, stack, split="none").weights).all()
    assert np.isfinite(regress(data, stack, split="none", intercept=False).weights).all()


@pytest.mark.parametrize("method", ["ols", "nnls"])
@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_models_and_data_in_units_far_apart(method, unit, planted):
    data, models = planted
    units = np.array([1e-12, 1.0, 1e12])
    expected = regress(data, models, method=method, rng=0)
    found = regress(data * unit, models * units[:, None], method=method, rng=0)
    assert np.allclose(found.weights * units / unit, expected.weights, rtol=0, atol=1e-10)
    assert np.allclose(found.r2_held_out, expected.r2_held_out, rtol=0, atol=1e-10)
    assert np.allclose(found.unique_held_out, expected.unique_held_out, rtol=0, atol=1e-10)


def test_plot(planted):
    ax = regress(*planted, rng=0).plot()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["model 0", "model 1", "model 2"]
    assert len(ax.patches) == 3


def test_a_subject_without_a_fit_does_not_take_the_bars_away(planted):
    data, models = planted
    data = data.copy()
    data[0, 3] = np.nan
    with pytest.warns(RuntimeWarning, match="the data hold NaN"):
        result = regress(data, models, split="none")
    heights = [bar.get_height() for bar in result.plot().patches]
    assert np.allclose(heights, regress(data[1:], models, split="none").weights.mean(axis=0), rtol=0, atol=1e-13)


@given(st.integers(0, 99), st.sampled_from(["ols", "nnls"]), st.sampled_from([0.25, 8.0, 1e6]))
def test_units_and_order_of_items(seed, method, unit):
    rng = np.random.default_rng(seed)
    data, models = rng.random((2, 28)), rng.random((3, 28))
    expected = regress(data, models, method=method, split="none")
    scaled = regress(unit * data, models * unit + 3, method=method, split="none")
    assert np.allclose(scaled.weights, expected.weights, rtol=0, atol=1e-8)
    assert np.allclose(scaled.r2_in_sample, expected.r2_in_sample, rtol=0, atol=1e-9)
    order = rng.permutation(8)
    moved = regress(RDM(data).take(order), RDM(models).take(order), method=method, split="none")
    assert np.allclose(moved.weights, expected.weights, rtol=0, atol=1e-11)


def test_a_dim_that_is_not_used_is_refused():
    data = RDM(np.random.default_rng(0).random((3, 15)), dims=["subject"])
    with pytest.raises(ValueError, match="dim is for split='subjects' and split='both'; got split='items'"):
        regress(data, data.isel(subject=0), dim="subject")
    with pytest.raises(ValueError, match="they hold a single RDM"):
        regress(data.isel(subject=0), data.isel(subject=1), split="subjects")
    with pytest.raises(ValueError, match="they hold 1 along 'subject'"):
        regress(data.isel(subject=slice(0, 1)), data.isel(subject=1), split="subjects")


def test_rounding_around_no_variance_explained_is_shown_as_0():
    result = regress(np.arange(15.0), np.arange(15.0)[::-1] ** 2, split="none")
    shown = dataclasses.replace(result, r2_in_sample=np.array(-2.22e-16), weights=np.array([-0.0]))
    assert "weights model 0 0; R² 0 in-sample" in repr(shown)
