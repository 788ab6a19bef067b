"""Means over runs, with whole runs drawn again."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.score import LearningCurve, learning_curve


def test_means_and_intervals(rng, readonly):
    scores = rng.normal([0.2, 0.4, 0.5], 0.05, (8, 3)) + 0.05 * rng.normal(size=(8, 1))
    curve = learning_curve(readonly(np.array([30, 10, 20])), readonly(scores[:, [2, 0, 1]]), n_bootstrap=4000)
    np.testing.assert_array_equal(curve.samples, [10, 20, 30])
    np.testing.assert_allclose(curve.mean, scores.mean(axis=0))
    drawn = scores[np.random.default_rng(4).integers(0, 8, (4000, 8))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(curve.low, low, atol=0.005)
    np.testing.assert_allclose(curve.high, high, atol=0.005)


def test_when_a_score_is_reached():
    curve = learning_curve([100, 200, 300, 400], [0.1, 0.3, 0.2, 0.5])
    assert [curve.samples_to(score) for score in (0.05, 0.2, 0.3, 0.4)] == pytest.approx([100, 150, 200, 1100 / 3])
    assert np.isnan(curve.samples_to(0.6))
    assert curve.n_runs == 1
    assert np.isnan(curve.low).all()


def test_pictures_tables_and_files(tmp_path):
    curve = learning_curve([1, 10], [[0.1, 0.2], [0.2, 0.4]], n_bootstrap=20)
    curve.save(tmp_path / "curve.json")
    np.testing.assert_array_equal(LearningCurve.load(tmp_path / "curve.json").high, curve.high)
    assert curve.to_dataframe().shape == (2, 4)
    ax = curve.plot(label="pi")
    assert curve.plot(ax, label="web only") is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["pi", "web only"]
    ax.figure.clear()
    assert "2 run(s)" in curve.methods_text()
    assert "2 points of 2 run(s)" in repr(curve)


@pytest.mark.parametrize(
    ("samples", "scores", "text"),
    [
        ([1, 1], [[0.1, 0.2]], "different numbers above 0"),
        ([0, 1], [[0.1, 0.2]], "different numbers above 0"),
        ([1, 2, 3], [[0.1, 0.2]], r"each of 3 points; got shape \(1, 2\)"),
        ([1, 2], [[0.1, np.nan]], "NaN"),
        ([], [], "each of 0 points"),
    ],
)
def test_what_is_no_curve_is_refused(samples, scores, text):
    with pytest.raises(ValueError, match=text):
        learning_curve(samples, scores)
