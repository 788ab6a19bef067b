"""Intervals agree with scipy's, and with closed forms for means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignkit.meg._bootstrap_interval import INTERVALS, interval_of


def bootstrap(data: np.ndarray, statistic, rng: np.random.Generator, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Return the statistic of resamples and of all but one, each shape (n, 1)."""
    draws = data[rng.integers(len(data), size=(n, len(data)))]
    left_out = np.array([statistic(np.delete(data, i)) for i in range(len(data))])
    return statistic(draws, axis=1)[:, None], left_out[:, None]


@pytest.mark.parametrize(("kind", "theirs"), [("percentile", "percentile"), ("basic", "basic"), ("bca", "BCa")])
def test_they_equal_scipys_on_the_same_resamples(rng, kind, theirs):
    data = rng.exponential(size=15)
    samples, left_out = bootstrap(data, np.mean, rng)
    given = stats.bootstrap((data,), np.mean, n_resamples=10, method="percentile", rng=0)
    given.bootstrap_distribution = samples[:, 0]
    scipys = stats.bootstrap((data,), np.mean, n_resamples=0, bootstrap_result=given, method=theirs)
    value = np.array([data.mean()])
    ours = interval_of(kind, value, samples, left_out, len(data), 0.95)[:, 0]
    np.testing.assert_allclose(ours, scipys.confidence_interval, rtol=1e-6)


def test_the_jackknife_of_a_mean_is_students_interval(rng):
    data = rng.normal(size=9)
    _, left_out = bootstrap(data, np.mean, rng, n=1)
    ours = interval_of("jackknife", np.array([data.mean()]), np.empty((0, 1)), left_out, 9, 0.9)[:, 0]
    expected = stats.t.interval(0.9, 8, loc=data.mean(), scale=stats.sem(data))
    np.testing.assert_allclose(ours, expected)


@pytest.mark.parametrize("n", [4, 8, 20])
def test_expanded_percentiles_of_a_normal_mean_are_students_interval(n):
    # the bootstrap distribution of a mean is about normal with variance s² / n, s² with the divisor n
    data = stats.norm.ppf((np.arange(n) + 0.5) / n)
    ideal = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000, scale=data.std() / np.sqrt(n))[:, None]
    ours = interval_of("expanded", np.zeros(1), ideal, None, n, 0.95)[:, 0]
    np.testing.assert_allclose(ours, stats.t.interval(0.95, n - 1, scale=stats.sem(data)), rtol=1e-2)


def test_undefined_resamples_are_left_out_unless_they_are_half():
    samples = np.linspace(0, 1, 101)[:, None]
    some, half = samples.copy(), samples.copy()
    some[::3] = np.nan
    half[::2] = np.nan
    value = np.array([0.5])
    kept = interval_of("percentile", value, some, None, 5, 0.9)
    np.testing.assert_allclose(kept[:, 0], np.nanquantile(some, [0.05, 0.95]))
    assert np.isnan(interval_of("percentile", value, half, None, 5, 0.9)).all()


@pytest.mark.parametrize("kind", list(INTERVALS))
def test_one_subject_has_no_interval(kind):
    assert np.isnan(interval_of(kind, np.zeros(1), np.zeros((5, 1)), None, 1, 0.95)).all()


def test_what_never_varies_has_an_interval_of_no_width():
    samples, left_out = np.full((50, 1), 0.1), np.full((6, 1), 0.1)
    for kind in INTERVALS:
        np.testing.assert_allclose(interval_of(kind, np.array([0.1]), samples, left_out, 6, 0.95), 0.1)
