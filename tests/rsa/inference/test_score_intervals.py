from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from alignkit.rsa._inference._score_intervals import (
    acceleration,
    bca_interval,
    drawn_in,
    percentile_interval,
    t_interval,
)


def test_t_is_scipys():
    found = t_interval(np.array([0.5, 0.1]), np.array([0.1, 0.2]), 7, 0.9)
    assert_allclose(found.T, [stats.t.interval(0.9, 7, 0.5, 0.1), stats.t.interval(0.9, 7, 0.1, 0.2)], rtol=1e-12)


def test_bca_is_scipys(rng):
    x = rng.exponential(size=25)
    theirs = stats.bootstrap((x,), np.mean, method="BCa", n_resamples=2000, random_state=1, confidence_level=0.9)
    left_out = ((x.sum() - x) / 24)[:, None]
    samples = theirs.bootstrap_distribution[:, None]
    found = bca_interval(np.array([x.mean()]), samples, (left_out,), 0.9)
    assert_allclose(found[:, 0], theirs.confidence_interval, rtol=1e-10)


def test_two_factors_have_the_influences_of_both(rng):
    # the mean of a sum of two samples: scipy knows bootstraps of several samples
    x, y = rng.exponential(size=12), rng.exponential(size=30)
    statistic = lambda a, b, axis=-1: a.mean(axis=axis) + b.mean(axis=axis)  # noqa: E731
    theirs = stats.bootstrap((x, y), statistic, method="BCa", n_resamples=1500, random_state=1)
    left_out = ((x.sum() - x) / 11 + y.mean(), (y.sum() - y) / 29 + x.mean())
    samples, score = theirs.bootstrap_distribution[:, None], np.array([x.mean() + y.mean()])
    found = bca_interval(score, samples, tuple(z[:, None] for z in left_out), 0.95)
    assert_allclose(found[:, 0], theirs.confidence_interval, rtol=1e-6)


def test_no_influence_has_no_acceleration():
    assert_array_equal(acceleration((np.ones((4, 2)),)), [0.0, 0.0])
    assert np.isnan(acceleration((np.array([[1.0], [np.nan]]),))[0])


def test_undefined_resamples_are_left_out(rng):
    samples = rng.normal(size=(11, 3))
    samples[:5, 1] = np.nan
    samples[:6, 2] = np.nan
    found = percentile_interval(samples, 0.8)
    assert_allclose(found[:, 0], np.quantile(samples[:, 0], [0.1, 0.9]))
    assert_allclose(found[:, 1], np.quantile(samples[5:, 1], [0.1, 0.9]))
    assert np.isnan(found[:, 2]).all()


def test_all_resamples_on_one_side_have_no_bca():
    found = bca_interval(np.array([2.0]), np.linspace(0, 1, 9)[:, None], (np.arange(4.0)[:, None],), 0.95)
    assert np.isnan(found).all()


def test_resamples_are_drawn_in_but_never_apart(rng):
    samples = rng.normal(3, 2, size=(400, 2))
    own = samples.var(axis=0, ddof=1)
    found = drawn_in(samples, np.array([own[0] / 4, own[1] * 4]))
    assert found[:, 0].var(ddof=1) == pytest.approx(own[0] / 4)
    assert_allclose(found.mean(axis=0), samples.mean(axis=0))
    assert_allclose(found[:, 1], samples[:, 1])
