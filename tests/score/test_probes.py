"""Linear probes and few-shot classifiers against scikit-learn's, with penalties and draws spelled out."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.score import ProbeAccuracy, few_shot, linear_probe
from alignkit.score._few_shot import _draw
from alignkit.score._linear_probe import class_folds
from alignkit.score._ridge_readout import _PENALTIES, RidgeReadout


@pytest.fixture(scope="module")
def items():
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat(np.arange(4), 30))
    x = 5 + rng.normal(size=(120, 10)) @ rng.normal(size=(10, 10)) + rng.normal(size=(4, 10))[codes] * 2
    return x, codes


def left_out_error(model, z, targets):
    """Each item left out in turn, and the model fitted anew."""
    kept = ~np.eye(len(z), dtype=bool)
    residual = [targets[i] - model.fit(z[kept[i]], targets[kept[i]]).predict(z[i : i + 1])[0] for i in range(len(z))]
    return np.mean(np.square(residual))


@pytest.mark.parametrize("wide", [False, True], ids=["more items", "more channels"])
def test_the_read_out_is_ridge_with_the_penalty_that_leaves_out_best(items, wide):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, codes = items
    if wide:
        x = np.hstack([x, np.random.default_rng(1).normal(size=(120, 190))])
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    targets = np.eye(4)[codes]
    found = RidgeReadout.fit(x, codes, 4)
    if not wide:
        errors = [left_out_error(linear_model.Ridge(p * z.size), z, targets) for p in _PENALTIES]
        assert found.penalty == _PENALTIES[int(np.argmin(errors))]
    oracle = linear_model.Ridge(found.penalty * z.size).fit(z, targets)
    np.testing.assert_allclose(x @ found.weights + found.offsets, oracle.predict(z), atol=1e-9)
    np.testing.assert_array_equal(found.predict(x), oracle.predict(z).argmax(axis=1))


def test_a_probe_scores_each_item_once_by_what_was_fitted_to_others(items):
    x, codes = items
    result = linear_probe(x, codes, n_folds=4, seed=3, n_bootstrap=200)
    expected = np.full(len(x), np.nan)
    for train, test in class_folds(codes, 4, 3):
        assert not set(train) & set(test)
        assert np.bincount(codes[test]).tolist() in ([7, 8, 7, 8], [8, 7, 8, 7])
        expected[test] = RidgeReadout.fit(x[train], codes[train], 4).predict(x[test]) == codes[test]
    np.testing.assert_array_equal(result.per_item, expected)
    assert result.accuracy == expected.mean()
    assert result.low < result.accuracy < result.high
    assert (result.chance, result.n, result.n_classes) == (0.25, 120, 4)


def test_shuffled_classes_are_at_chance(items):
    x, codes = items
    shuffled = np.random.default_rng(5).permutation(codes)
    assert abs(linear_probe(x, shuffled, n_bootstrap=0).accuracy - 0.25) < 0.12
    assert abs(few_shot(x, shuffled, n_bootstrap=0).accuracy - 0.25) < 0.05


@pytest.mark.parametrize("n_shots", [2, 5])
def test_few_shots_against_nearest_centroids(items, n_shots):
    neighbors = pytest.importorskip("sklearn.neighbors")
    x, codes = items
    result = few_shot(x, codes, n_shots=n_shots, n_repeats=3, seed=1, n_bootstrap=0)
    rng = np.random.default_rng(1)
    right, asked = np.zeros(len(x)), np.zeros(len(x))
    for _ in range(3):
        shown, rest = _draw(codes, np.arange(4), n_shots, rng)
        assert np.bincount(codes[shown]).tolist() == [n_shots] * 4
        assert sorted([*shown, *rest]) == list(range(len(x)))
        right[rest] += neighbors.NearestCentroid().fit(x[shown], codes[shown]).predict(x[rest]) == codes[rest]
        asked[rest] += 1
    seen = asked > 0
    np.testing.assert_allclose(result.per_item[seen], right[seen] / asked[seen])
    assert np.isnan(result.per_item[~seen]).all()


def test_few_shots_by_ridge(items):
    x, codes = items
    result = few_shot(x, codes, n_shots=10, n_repeats=2, classifier="ridge", n_bootstrap=0)
    assert result.accuracy > 0.6
    assert "one-hot ridge" in result.methods_text()


def test_draws_depend_on_classes_alone(items):
    x, codes = items
    first = few_shot(x, codes, n_bootstrap=0).per_item
    second = few_shot(x[:, ::-1] * 2, codes, n_bootstrap=0).per_item
    np.testing.assert_array_equal(first, second)


def test_small_classes_are_left_out_of_few_shots(items):
    x, codes = items
    codes = np.where(np.arange(120) < 117, np.minimum(codes, 2), 9)
    result = few_shot(x, codes, n_shots=5, n_bootstrap=0)
    assert (result.n_classes, result.n) == (3, 117)


def test_a_constant_channel_says_nothing(items):
    x, codes = items
    with_constant = np.hstack([x, np.full((120, 1), 3.0)])
    first, second = (linear_probe(one, codes, n_bootstrap=0).accuracy for one in (x, with_constant))
    assert abs(first - second) < 0.02


def test_it_comes_back_from_a_file(items, tmp_path):
    result = linear_probe(*items, n_bootstrap=20)
    result.save(tmp_path / "probe.json")
    again = ProbeAccuracy.load(tmp_path / "probe.json")
    assert (again.accuracy, again.low, again.probe) == (result.accuracy, result.low, result.probe)
    assert again.per_item is None
    assert result.to_dataframe().loc[0, "n_classes"] == 4


@pytest.mark.parametrize(
    ("x", "classes", "options", "text"),
    [
        (np.zeros((4, 2)), ["a"] * 4, {}, "at least two different classes; got 1"),
        (np.zeros((4, 2)), ["a", "b"], {}, "expected 4, got 2"),
        (np.full((4, 2), np.nan), ["a", "b"] * 2, {}, "8 NaN or infinite"),
        (np.zeros((4, 2)), ["a", "b"] * 2, {"n_folds": 5}, "n_folds=5 needs at least as many items; there are 4"),
    ],
)
def test_what_cannot_be_probed_is_said(x, classes, options, text):
    with pytest.raises(ValueError, match=text):
        linear_probe(x, classes, **options)


def test_too_few_items_for_the_shots():
    with pytest.raises(ValueError, match="two classes with more items than that; the largest has 2"):
        few_shot(np.zeros((4, 2)), ["a", "b"] * 2, n_shots=2)
