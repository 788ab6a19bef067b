"""Mean average precision against scikit-learn's, ties included."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.score import AveragePrecision, average_precision

metrics = pytest.importorskip("sklearn.metrics")


@pytest.fixture
def problem(rng):
    x, weights = rng.normal(size=(120, 5)), rng.normal(size=(7, 5))
    has = (x @ weights.T + 2 * rng.normal(size=(120, 7))) > 1.5
    assert has.any(axis=0).all()
    return x, weights, has


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_against_scikit_learn(problem, readonly):
    x, weights, has = problem
    result = average_precision(readonly(x), readonly(weights), readonly(has), n_bootstrap=0)
    scores = unit(x) @ unit(weights).T
    np.testing.assert_allclose(result.per_class, metrics.average_precision_score(has, scores, average=None))
    assert result.mean_average_precision == pytest.approx(metrics.average_precision_score(has, scores))
    assert result.metrics() == {"mean_average_precision": result.mean_average_precision}


def test_ties_pass_a_threshold_together(rng):
    x, weights = rng.integers(1, 3, (60, 2)), rng.integers(1, 3, (4, 2))
    has = rng.random((60, 4)) < 0.3
    result = average_precision(x, weights, has, n_bootstrap=0)
    scores = np.round(unit(x) @ unit(weights).T, 12)
    np.testing.assert_allclose(result.per_class, metrics.average_precision_score(has, scores, average=None))
    order = rng.permutation(60)
    again = average_precision(x[order], weights, has[order], n_bootstrap=0)
    np.testing.assert_allclose(again.per_class, result.per_class, atol=1e-14)


def test_equal_scores_are_at_chance(rng):
    has = rng.random((50, 3)) < 0.4
    result = average_precision(np.ones((50, 2)), np.eye(2)[[0, 1, 0]], has, n_bootstrap=0)
    np.testing.assert_allclose(result.per_class, has.mean(axis=0))
    assert result.mean_average_precision == pytest.approx(result.chance)


def test_a_class_without_images_is_left_out(problem):
    x, weights, has = problem
    has = has.copy()
    has[:, 2] = False
    with pytest.warns(UserWarning, match="no image has 1 of 7 classes"):
        result = average_precision(x, weights, has.astype(int), n_bootstrap=0)
    assert np.isnan(result.per_class[2])
    kept = np.delete(np.arange(7), 2)
    expected = metrics.average_precision_score(has[:, kept], (unit(x) @ unit(weights).T)[:, kept])
    assert result.mean_average_precision == pytest.approx(expected)


def test_the_interval_is_that_of_images_drawn_again(problem, monkeypatch):
    x, weights, has = problem
    monkeypatch.setattr("alignkit.score._average_precision._DRAWN", 1000)
    result = average_precision(x, weights, has, n_bootstrap=600, seed=2)
    scores, rng = unit(x) @ unit(weights).T, np.random.default_rng(2)
    times = np.concatenate([rng.multinomial(120, np.full(120, 1 / 120), size=size) for size in [8] * 75])
    drawn = [
        np.mean([metrics.average_precision_score(has[:, c], scores[:, c], sample_weight=row) for c in range(7)])
        for row in times[:100]
    ]
    rows = [(has[np.repeat(np.arange(120), row)], scores[np.repeat(np.arange(120), row)]) for row in times[:100]]
    np.testing.assert_allclose(drawn, [metrics.average_precision_score(*row) for row in rows])
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert result.low == pytest.approx(low, abs=0.02)
    assert result.high == pytest.approx(high, abs=0.02)


def test_it_comes_back_from_a_file(problem, tmp_path):
    result = average_precision(*problem, n_bootstrap=20)
    result.save(tmp_path / "map.json")
    again = AveragePrecision.load(tmp_path / "map.json")
    np.testing.assert_array_equal(again.per_class, result.per_class)
    assert len(result.to_dataframe()) == 7
    assert "7 classes" in result.methods_text()
    assert "7 classes" in repr(result)


@pytest.mark.parametrize(
    ("has", "text"),
    [
        ([[1, 0], [0, 2]], "got other values"),
        ([[1, -1], [0, 1]], "got other values"),
        ([[1, 0]], r"2 images and 2 classes; got shape \(1, 2\)"),
        ([[0, 0], [0, 0]], "at least one class of one image"),
    ],
)
def test_targets_that_say_nothing_are_refused(has, text):
    with pytest.raises(ValueError, match=text):
        average_precision(np.eye(2), np.eye(2), has)
