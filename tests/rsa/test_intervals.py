from __future__ import annotations

import itertools

import numpy as np
import pytest

from alignkit.rsa._intervals import _kinds, cluster_intervals, percentile_bounds, resampled_ratios


def test_resamples_follow_the_exact_bootstrap_distribution():
    # three clusters: all 27 equally likely draws are counted
    totals, sizes = np.array([[0.0], [1.0], [4.0]]), np.array([[1.0], [2.0], [5.0]])
    draws = [list(draw) for draw in itertools.product(range(3), repeat=3)]
    exact = np.sort([totals[d].sum() / sizes[d].sum() for d in draws])
    samples = resampled_ratios(totals, sizes, 20000, np.random.default_rng(0))[:, 0]
    for value in np.unique(exact):
        share, found = np.isclose(exact, value).mean(), np.isclose(samples, value).mean()
        assert found == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 20000))


def test_few_kinds_and_many_have_the_same_spread(rng):
    totals = rng.integers(0, 2, (600, 1)) + 0.0
    sizes = np.ones((600, 1))
    noisy = totals + 1e-9 * rng.random((600, 1))
    assert _kinds(np.hstack([totals, sizes])) is not None
    assert _kinds(np.hstack([noisy, sizes])) is None
    one = resampled_ratios(totals, sizes, 4000, np.random.default_rng(1))
    two = resampled_ratios(noisy, sizes, 4000, np.random.default_rng(2))
    assert one.std() == pytest.approx(two.std(), rel=0.06)
    assert one.std() == pytest.approx(totals.std() / np.sqrt(600), rel=0.06)


def test_kinds_are_the_distinct_rows(rng):
    rows = np.column_stack([rng.integers(0, 3, 9000), rng.integers(1, 4, 9000)]) + 0.5
    rows[-1] = [99.0, 7.0]  # one that a look at the first rows misses
    kinds, counts = _kinds(rows)
    unique, expected = np.unique(rows, axis=0, return_counts=True)
    np.testing.assert_array_equal(kinds, unique)
    np.testing.assert_array_equal(counts, expected)


def test_no_interval_without_resamples_or_with_one_cluster():
    options = {"confidence": 0.95, "rng": np.random.default_rng(0)}
    for totals, n_bootstrap in ((np.ones((5, 2)), 0), (np.ones((1, 2)), 10)):
        low, high = cluster_intervals(totals, np.ones_like(totals), n_bootstrap=n_bootstrap, **options)
        assert np.isnan([low, high]).all()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("n", [40, 20_000])
def test_a_statistic_with_nan_is_nan_and_leaves_the_others_alone(n):
    whole = np.column_stack([np.arange(n) % 2, np.arange(n) % 4]) + 0.0
    damaged = whole.copy()
    damaged[[3, n - 1], 1] = np.nan
    sizes = np.ones_like(whole)
    expected = resampled_ratios(whole[:, :1], sizes[:, :1], 300, np.random.default_rng(1))
    samples = resampled_ratios(damaged, sizes, 300, np.random.default_rng(1))
    assert np.isnan(samples[:, 1]).all()
    assert samples[:, 0].mean() == pytest.approx(expected.mean(), abs=0.03)
    low, high = cluster_intervals(damaged, sizes, n_bootstrap=50, confidence=0.9, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(np.isnan([low, high]), [[False, True], [False, True]])


def test_bounds_ignore_few_undefined_resamples():
    samples = np.arange(101.0)[:, None]
    low, high = percentile_bounds(samples, 0.9)
    np.testing.assert_allclose([low[0], high[0]], [5, 95])
    samples = np.vstack([samples, [[np.nan]] * 5])
    np.testing.assert_allclose(percentile_bounds(samples, 0.9)[0], 5)
    assert np.isnan(percentile_bounds(np.full((10, 1), np.nan), 0.9)[0])


@pytest.mark.parametrize(("n", "n_bootstrap"), [(7, 9), (3, 1), (2**20 // 3, 7), (2**20 + 5, 2)])
def test_every_resample_is_one_draw_of_all_clusters(rng, n, n_bootstrap):
    # whatever the number that are summed together
    totals, sizes = rng.normal(size=(n, 2)), rng.random((n, 2)) + 0.5
    samples = resampled_ratios(totals, sizes, n_bootstrap, np.random.default_rng(3))
    draws = np.random.default_rng(3)
    for row in samples:
        which = draws.integers(0, n, n)
        np.testing.assert_allclose(row, totals[which].sum(axis=0) / sizes[which].sum(axis=0), rtol=0, atol=1e-12)
