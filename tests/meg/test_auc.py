"""Areas have units, equal sums of trapezoids, and are shares of the ceiling's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.courses import make_course
from reference.group_curves import TIMES, group_curves
from reference.latencies import area
from scipy import stats
from scipy.stats import ttest_1samp

from alignkit.meg import auc


def test_it_equals_the_sum_of_trapezoids(rng):
    curves = group_curves(rng, 6)
    found = auc(curves, times=TIMES, tmin=0.05, tmax=0.4, n_bootstrap=0)
    inside = (TIMES > 0.049) & (TIMES < 0.401)
    expected = [area(curve[inside], TIMES[inside]) for curve in curves]
    np.testing.assert_allclose(found.integral_per_subject, expected)
    assert found.integral == pytest.approx(np.mean(expected))
    assert found.mean == pytest.approx(np.mean(expected) / 0.35)
    assert found.duration == pytest.approx(0.35)


def test_a_constant_curve_has_its_value_as_mean_whatever_the_stretch():
    times = np.array([0.0, 0.1, 0.15, 0.4])
    found = auc(np.full((3, 4), 0.3), times=times, tmin=0.1, n_bootstrap=0)
    assert found.mean == pytest.approx(0.3)
    assert found.integral == pytest.approx(0.09)
    assert "0.3 r, integral 0.09 r x s, 0.1 to 0.4 s" in repr(found)


def test_the_baseline_is_taken_off_every_curve(rng):
    curves = group_curves(rng, 6)
    shifted = auc(curves + rng.normal(size=(6, 1)), times=TIMES, baseline=(None, 0), n_bootstrap=0)
    plain = auc(curves, times=TIMES, baseline=(None, 0), n_bootstrap=0)
    np.testing.assert_allclose(shifted.per_subject, plain.per_subject)
    assert plain.baseline == pytest.approx((-0.1, 0.0))


def test_positive_values_only():
    times = np.arange(4) * 0.1
    curves = np.array([[0.0, 0.2, -0.4, 0.0], [0.0, 0.2, 0.8, 0.0]])
    found = auc(curves, times=times, positive_only=True, n_bootstrap=0)
    np.testing.assert_allclose(found.integral_per_subject, [0.02, 0.1])
    assert found.integral == pytest.approx(0.04)  # of the mean curve: 0, .2, .2, 0
    assert auc(curves, times=times, n_bootstrap=0).integral_per_subject[0] == pytest.approx(-0.02)


def test_a_share_of_the_ceiling_divides_areas(rng):
    course = make_course(group_curves(rng, 8)[None], TIMES)
    found = auc(course, tmin=0.0, of_ceiling=True, rng=0)
    assert found.share_lower == pytest.approx(found.mean / 0.2)
    assert found.share_upper == pytest.approx(found.mean / 0.25)
    np.testing.assert_allclose(found.share_lower_interval, found.interval / 0.2)
    without = auc(course, tmin=0.0, n_bootstrap=0)
    assert np.isnan([without.share_lower, without.share_upper]).all()
    with pytest.warns(RuntimeWarning, match="no area above 0"):
        gone = auc(course, baseline=(None, 0), of_ceiling=True, n_bootstrap=0)
    assert np.isnan(gone.share_upper)
    with pytest.raises(ValueError, match="needs a time course with a noise ceiling"):
        auc(course.similarity[0], times=TIMES, of_ceiling=True)


def test_no_per_cent_is_given_of_a_ceiling_that_may_be_zero(rng):
    curves = group_curves(rng, 8)
    spread = rng.standard_normal((8, 1))
    lower = 0.2 + 0.5 * (spread - spread.mean()) / spread.std(ddof=1) + np.zeros(len(TIMES))
    for height, told in ((0.2, False), (2.0, True)):
        rows = lower - 0.2 + height
        course = make_course(curves[None], TIMES, lower_per_subject=rows, lower=rows.mean(axis=0))
        found = auc(course, tmin=0.0, of_ceiling=True, n_bootstrap=0)
        own = rows[:, 0]
        expected = ttest_1samp(own, 0).confidence_interval(0.95)
        np.testing.assert_allclose(found.ceiling_interval, [expected.low, expected.high])
        assert found.ceiling_is_told is told
        assert found.share_lower == pytest.approx(found.mean / height)  # the number stays
        assert ("% of the ceiling's lower bound" in repr(found)) is told
        assert ("- of the ceiling's lower bound" in repr(found)) is not told
        assert ("noise ceiling" in found.methods_text()) is told
    pair = make_course(curves[None, :2], TIMES)
    assert not auc(pair, of_ceiling=True, n_bootstrap=0).ceiling_is_told


def test_the_jackknife_interval_is_students(rng):
    curves = group_curves(rng, 8)
    found = auc(curves, times=TIMES, interval="jackknife")
    expected = stats.t.interval(0.95, 7, loc=found.mean, scale=stats.sem(found.per_subject))
    np.testing.assert_allclose(found.interval, expected)
    np.testing.assert_allclose(found.integral_interval, 0.7 * found.interval)


def test_the_default_interval_holds_the_truth():
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        curves = rng.normal(0.1, 0.05, size=(10, 1)) + rng.normal(0, 0.02, size=(10, 8))
        found = auc(curves, times=np.arange(8) * 0.1, n_bootstrap=400, rng=seed)
        held += found.interval[0] <= 0.1 <= found.interval[1]
    assert held >= 0.9 * 200


@given(factor=st.floats(-10, 10))
def test_areas_are_linear(factor):
    curves = group_curves(np.random.default_rng(0), 4)
    scaled = auc(factor * curves, times=TIMES, n_bootstrap=0)
    np.testing.assert_allclose(scaled.per_subject, factor * auc(curves, times=TIMES, n_bootstrap=0).per_subject)


def test_units_are_named(rng):
    curves = group_curves(rng, 4)
    course = make_course(curves[None], TIMES, method="kendall-tau-a")
    assert auc(course, n_bootstrap=0).unit == "kendall-tau-a"
    assert "accuracy x s" in repr(auc(curves, times=TIMES, unit="accuracy", n_bootstrap=0))
    with pytest.raises(ValueError, match="unit must be a name"):
        auc(curves, times=TIMES, unit="")
    with pytest.raises(ValueError, match="two samples or more"):
        auc(curves, times=TIMES, tmin=0.1, tmax=0.1)
