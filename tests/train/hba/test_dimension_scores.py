from __future__ import annotations

import math

import numpy as np
import pytest
from reference import item_bootstrap as reference

from alignkit.train.hba._dimension_scores import interval, mean_correlation, score_dimensions
from alignkit.train.hba._item_bootstrap import draw_items

N, D = 12, 4
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def values(rng):
    """Before, after and targets."""
    targets = rng.normal(size=(N, D))
    return rng.normal(size=(N, D)), targets + 0.5 * rng.normal(size=(N, D)), targets


def test_correlations_and_intervals_are_those_of_resamples_written_out(values):
    before, after, targets = values
    draws = draw_items(N, 50, 0)
    scores = score_dimensions(NAMES, before, after, targets, draws, confidence=0.9)
    assert [one.dimension for one in scores] == list(NAMES)
    plain = np.ones(N)
    one, other = (reference.resampled_columns(x, targets, plain) for x in (before, after))
    assert [score.before for score in scores] == pytest.approx(one)
    assert [score.after for score in scores] == pytest.approx(other)
    assert [score.difference for score in scores] == pytest.approx(np.subtract(other, one))
    samples = [np.array([reference.resampled_columns(x, targets, times) for times in draws]) for x in (before, after)]
    for name, drawn in (("before", samples[0]), ("after", samples[1]), ("difference", samples[1] - samples[0])):
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        assert [getattr(score, f"{name}_low") for score in scores] == pytest.approx(low)
        assert [getattr(score, f"{name}_high") for score in scores] == pytest.approx(high)


def test_dimensions_without_variance_are_nan_with_one_warning(values):
    before, after, targets = values
    targets[:, 1] = 3.0
    after[:, 2] = 7.0
    with pytest.warns(
        RuntimeWarning, match="2 of 4 dimensions are the same .*'b', 'c'; their correlations are NaN"
    ) as w:
        scores = score_dimensions(NAMES, before, after, targets, draw_items(N, 20, 0), confidence=0.95)
    assert len(w) == 1
    assert [math.isnan(score.after) for score in scores] == [False, True, True, False]
    assert [math.isnan(score.before) for score in scores] == [False, True, False, False]
    assert math.isnan(scores[1].before_low)
    assert math.isnan(scores[2].difference)


def test_the_mean_leaves_undefined_dimensions_out(values):
    _, after, targets = values
    targets[:, 1] = 3.0
    draws = draw_items(N, 10, 0)
    mean, samples = mean_correlation(after, targets, draws)
    plain = reference.resampled_columns(after, targets, np.ones(N))
    assert mean == pytest.approx(np.nanmean(plain))
    expected = [np.nanmean(reference.resampled_columns(after, targets, times)) for times in draws]
    assert samples == pytest.approx(expected)
    assert math.isnan(mean_correlation(after, np.ones_like(targets), draws)[0])


def test_without_resamples_there_are_no_intervals(values):
    scores = score_dimensions(NAMES, *values, draw_items(N, 0, 0), confidence=0.95)
    assert all(math.isnan(score.after_low) and math.isfinite(score.after) for score in scores)
    assert np.isnan(interval(np.empty((0, 3)), 0.95)).all()
