"""Resampled groups have the mean and the variance that both levels give them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignkit.meg._curves import as_curves
from alignkit.meg._hierarchical_bootstrap import Statistic, group, leave_one_out, resample, summarise

TIMES = np.arange(-1, 4) * 0.1
IDENTITY = Statistic(lambda mean, t: mean if t is None else np.hstack([mean, t]), lambda one: one)
WITH_T = Statistic(IDENTITY.compute, lambda one: np.hstack([one, one]), needs_t=True)


def test_subjects_alone_give_the_variance_of_their_mean(rng):
    values = rng.normal(size=(9, 5))
    drawn = resample(as_curves(values, TIMES, None), IDENTITY, 20_000, rng)
    np.testing.assert_allclose(drawn.mean(axis=0), values.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(drawn.var(axis=0), values.var(axis=0) / 9, rtol=0.05)


def test_sessions_add_their_own_variance(rng):
    values = rng.normal(size=(5, 4, 5)) + 2 * rng.normal(size=(5, 1, 5))
    drawn = resample(as_curves(values, TIMES, None), IDENTITY, 20_000, rng)
    means = values.mean(axis=1)
    expected = means.var(axis=0) / 5 + (values.var(axis=1) / 4).mean(axis=0) / 5
    np.testing.assert_allclose(drawn.mean(axis=0), means.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(drawn.var(axis=0), expected, rtol=0.05)


def test_missing_sessions_are_never_drawn(rng):
    values = rng.normal(size=(3, 4, 5))
    values[1, 2:] = np.nan
    values[2, :3] = np.nan  # one session: drawn again and again
    curves = as_curves(values, TIMES, None)
    drawn = resample(curves, IDENTITY, 20_000, rng)
    means = np.nanmean(values, axis=1)
    within = np.array([values[0].var(axis=0) / 4, values[1, :2].var(axis=0) / 2, np.zeros(5)])
    np.testing.assert_allclose(drawn.mean(axis=0), means.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(drawn.var(axis=0), means.var(axis=0) / 3 + within.mean(axis=0) / 3, rtol=0.05)


def test_one_subject_is_resampled_by_sessions(rng):
    values = rng.normal(size=(1, 6, 5))
    found = summarise(
        as_curves(values, TIMES, None), IDENTITY, interval="percentile", confidence=0.9, n_bootstrap=4000, rng=rng
    )
    np.testing.assert_allclose(found.samples.var(axis=0), values[0].var(axis=0) / 6, rtol=0.1)
    assert np.isfinite(found.interval).all()


@pytest.mark.parametrize("shape", [(7, 5), (7, 3, 5)])
def test_t_values_are_those_of_the_drawn_subjects(rng, shape):
    values = rng.normal(1.0, 1.0, size=shape)
    curves = as_curves(values, TIMES, None)
    _, t = group(curves.of_subjects(), needs_t=True)
    np.testing.assert_allclose(t[0], stats.ttest_1samp(curves.of_subjects(), 0).statistic)
    drawn = resample(curves, WITH_T, 500, np.random.default_rng(1))
    assert drawn.shape == (500, 10)
    # t and mean have the same sign, and t varies about the group's
    assert (np.sign(drawn[:, :5]) == np.sign(drawn[:, 5:])).all()
    assert (np.median(drawn[:, 5:], axis=0) > 0).all()


def test_t_values_of_known_draws_equal_scipys(rng):
    from alignkit.meg._hierarchical_bootstrap import _weighted

    subjects = rng.normal(size=(6, 5))
    counts = np.array([[2, 0, 1, 1, 2, 0], [6, 0, 0, 0, 0, 0]], dtype=float)
    _, t = _weighted(subjects, counts, needs_t=True)
    copies = np.repeat(subjects, counts[0].astype(int), axis=0)
    np.testing.assert_allclose(t[0], stats.ttest_1samp(copies, 0).statistic)
    assert np.isnan(t[1]).all()  # one subject six times has no variance


def test_leaving_one_out_leaves_one_out(rng):
    subjects = rng.normal(size=(5, 5))
    expected = [np.delete(subjects, i, axis=0).mean(axis=0) for i in range(5)]
    np.testing.assert_allclose(leave_one_out(subjects, IDENTITY), expected)
    assert leave_one_out(subjects[:1], IDENTITY) is None


def test_the_same_seed_gives_the_same_draws(rng):
    curves = as_curves(rng.normal(size=(4, 3, 5)), TIMES, None)
    one, two = (resample(curves, IDENTITY, 100, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
