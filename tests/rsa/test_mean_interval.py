"""Intervals of means over participants."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from alignkit.meg._bootstrap_interval import interval_of
from alignkit.rsa import _mean_interval
from alignkit.rsa._mean_interval import expanded_tail, mean_interval


def test_three_participants_by_hand():
    # of 0, 0, 3 the resampled means are 0, 1, 2, 3 with the chances 8, 12, 6, 1 of 27
    curves = np.array([[0.0], [0.0], [3.0]])
    # t of two degrees of freedom: 0.816 for 25 % in a tail, so that 16 % of the resamples are left out: below 8/27
    assert expanded_tail(3, 0.25) == pytest.approx(norm.cdf(-np.sqrt(1.5) * 0.8164966), abs=1e-7)
    for confidence, expected in ((0.5, (0, 2)), (0.1, (1, 1)), (0.9, (0, 3))):
        low, high = mean_interval(curves, 0, n_bootstrap=20_000, confidence=confidence, rng=np.random.default_rng(0))
        assert (low[0], high[0]) == pytest.approx(expected, abs=1e-12)


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


@pytest.mark.parametrize(("n_people", "least"), [(4, 0.86), (8, 0.92), (20, 0.93)])
def test_covers_the_truth_as_often_as_it_says(n_people, least):
    rng = np.random.default_rng(5)
    curves = 0.3 + rng.normal(size=(n_people, 2000))
    low, high = mean_interval(curves, 0, n_bootstrap=1000, confidence=0.95, rng=rng)
    covered = ((low < 0.3) & (high > 0.3)).mean()
    # plain percentiles: .81, .88 and .93; of four people no resample leaves their range, which covers 7 in 8 times
    assert least < covered < 0.965


def test_levels_are_those_of_the_other_intervals():
    curves = np.random.default_rng(0).normal(size=(7, 3))
    rng = np.random.default_rng(1)
    weights = np.random.default_rng(1).multinomial(7, np.full(7, 1 / 7), size=500) / 7
    expected = interval_of("expanded", curves.mean(axis=0), weights @ curves, None, 7, 0.9)
    assert np.allclose(mean_interval(curves, 0, n_bootstrap=500, confidence=0.9, rng=rng), expected, rtol=0, atol=1e-15)
