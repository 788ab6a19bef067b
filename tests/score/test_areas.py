from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alignkit.meg import timecourse
from alignkit.rsa import RDM
from alignkit.score._areas import Areas
from alignkit.score._courses import Courses
from alignkit.score._row import Settings


@pytest.fixture
def areas():
    """Return a function that makes the areas of given curves, one per person, at given times."""

    def areas(curves, times, *, method="spearman", lower=0.5, upper=0.8, seed=0) -> Areas:
        curves = np.asarray(curves, dtype=float)
        rng = np.random.default_rng(seed)
        people = RDM(rng.normal(size=(*curves.shape, 6)), dims=("subject", "time"), coords={"time": times})
        course = timecourse({"model": rng.normal(size=6)}, people, method=method, n_bootstrap=0)
        bounds = np.broadcast_to(np.asarray(lower, float).reshape(-1, 1), curves.shape)
        course = dataclasses.replace(
            course,
            similarity=curves[None],
            mean=curves.mean(axis=0)[None],
            lower=bounds.mean(axis=0),
            upper=np.full(curves.shape[1], upper),
            lower_per_subject=bounds,
        )
        settings = Settings(method=method, n_bootstrap=500)
        return Areas("part", Courses(course, curves.max(axis=0)[None]), settings, 2)

    return areas


def test_a_triangle_by_hand(areas):
    found = areas([[9, 0, 0.2, 0.0], [9, 0, 0.4, 0.0], [9, 0, 0.6, 0]], [-0.1, 0.0, 0.1, 0.2]).score("model")
    area, height, published = found.rows
    # half of 200 ms x 0.4; what comes before 0 ms does not count
    assert area.value == pytest.approx(40)
    assert area.measure == "AUC of spearman over time, 0 to 200 ms (rho x ms)"
    assert (area.ceiling_low, area.ceiling_high) == pytest.approx((100, 160))
    assert area.percent_of_ceiling == pytest.approx(40)
    assert height.value == pytest.approx(0.2)
    assert (height.ceiling_low, height.measure) == (pytest.approx(0.5), "mean spearman over time, 0 to 200 ms")
    assert published.value == pytest.approx(60)
    (unit,) = found.units
    np.testing.assert_allclose(unit.credits, [20, 40, 60])


def test_the_first_time_may_miss_zero(areas):
    times = [-0.02, 0.004, 0.012]
    row = areas([[1, 1, 1]] * 3, times).score("model").rows[0]
    assert row.measure.startswith("AUC of spearman over time, 4 to 12 ms")
    assert row.value == pytest.approx(8)


def test_sums_of_steps_still_start_at_zero(areas):
    times = np.arange(-10, 11) * 0.01 - 1e-13
    assert areas(np.ones((3, 21)), times).score("model").rows[0].value == pytest.approx(100)


@pytest.mark.parametrize(("method", "unit"), [("pearson", "(r x ms)"), ("cosine", "(cosine x ms)")])
def test_units_are_those_of_the_method(areas, method, unit):
    assert areas(np.ones((3, 4)), [0, 1, 2, 3], method=method).measure.endswith(unit)


def test_no_per_cent_of_a_ceiling_that_may_be_zero(areas):
    unsure = areas(np.ones((4, 3)), [0, 0.1, 0.2], lower=[-0.5, 0.6, -0.3, 0.5])
    assert np.isnan(unsure.score("model").rows[0].percent_of_ceiling)
    few = areas(np.ones((2, 3)), [0, 0.1, 0.2])
    assert np.isnan(few.score("model").rows[0].percent_of_ceiling)


def test_what_is_undefined_once_has_no_area(areas):
    curves = np.ones((3, 4))
    curves[1, 2] = np.nan
    assert np.isnan(areas(curves, [0, 0.1, 0.2, 0.3]).score("model").rows[0].value)
    curves = np.ones((3, 4))
    curves[1, 0] = np.nan
    assert areas(curves, [-0.1, 0.0, 0.1, 0.2]).score("model").rows[0].value == pytest.approx(200)
