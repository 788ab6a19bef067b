"""Intervals of means over participants."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import _mean_interval
from alignkit.meg._mean_interval import mean_interval


def test_three_participants_by_hand():
    # of 0, 0, 3 the resampled means are 0, 1, 2, 3 with the chances 8, 12, 6, 1 of 27
    curves = np.array([[0.0], [0.0], [3.0]])
    low, high = mean_interval(curves, 0, n_bootstrap=20_000, confidence=0.9, rng=np.random.default_rng(0))
    assert (low[0], high[0]) == pytest.approx((0, 2), abs=1e-12)


def test_few_participants_and_no_resamples_have_none(rng):
    two = rng.normal(size=(2, 5))
    assert np.isnan(mean_interval(two, 0, n_bootstrap=10, confidence=0.9, rng=rng)).all()
    assert mean_interval(rng.normal(size=(4, 3, 5)), 1, n_bootstrap=0, confidence=0.9, rng=rng).shape == (2, 4, 5)


def test_nan_stays_where_it_is(rng):
    curves = rng.normal(size=(2, 5, 4))
    curves[1, 2, 3] = np.nan
    bounds = mean_interval(curves, 1, n_bootstrap=50, confidence=0.9, rng=np.random.default_rng(0))
    assert np.argwhere(np.isnan(bounds)).tolist() == [[0, 1, 3], [1, 1, 3]]


def test_long_curves_are_taken_in_blocks(rng, monkeypatch):
    curves = rng.normal(size=(3, 6, 40))
    whole = mean_interval(curves, 1, n_bootstrap=100, confidence=0.9, rng=np.random.default_rng(0))
    monkeypatch.setattr(_mean_interval, "_BLOCK", 700)
    parts = mean_interval(curves, 1, n_bootstrap=100, confidence=0.9, rng=np.random.default_rng(0))
    assert np.allclose(whole, parts, rtol=0, atol=1e-15)


def test_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    truth, n = 0.3, 300
    curves = truth + rng.normal(size=(n, 20))
    low, high = np.stack(
        [mean_interval(own[:, None], 0, n_bootstrap=400, confidence=0.9, rng=rng)[:, 0] for own in curves], axis=1
    )
    covered = ((low < truth) & (truth < high)).mean()
    # percentile intervals of 20 are a little too short: 87 % where 90 % is asked for
    assert 0.82 < covered < 0.94
