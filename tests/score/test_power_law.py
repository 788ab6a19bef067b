"""Power laws against exact ones, numpy's polyfit, and plain resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.score import PowerLaw, fit_power_law

SAMPLES = np.array([1e6, 3e6, 1e7, 4e7, 1e8, 5e8])


@given(st.floats(0.01, 10), st.floats(-0.5, 0.5))
def test_an_exact_law_comes_back(a, b):
    law = fit_power_law(SAMPLES, a * SAMPLES**-b, n_bootstrap=50)
    assert (law.a, law.b) == pytest.approx((a, b), rel=1e-9, abs=1e-12)
    assert (law.b_low, law.b_high) == pytest.approx((b, b), abs=1e-9)
    np.testing.assert_allclose(law.predict(SAMPLES), law.error)


def test_against_polyfit(rng):
    error = 0.9 * SAMPLES**-0.05 * np.exp(0.02 * rng.normal(size=(4, 6)))
    for rows in (error, error[0]):
        law = fit_power_law(SAMPLES, rows, n_bootstrap=0)
        y = np.log(np.atleast_2d(rows)).mean(axis=0)
        slope, intercept = np.polyfit(np.log(SAMPLES), y, 1)
        assert (law.b, np.log(law.a)) == pytest.approx((-slope, intercept))
        assert law.r2 == pytest.approx(np.corrcoef(np.log(SAMPLES), y)[0, 1] ** 2)
        assert np.isnan([law.b_low, law.a_high]).all()
    assert (law.n_runs, law.over) == (1, "points")


def test_intervals_over_points(rng):
    error = SAMPLES**-0.1 * np.exp(0.05 * rng.normal(size=6))
    law = fit_power_law(SAMPLES, error, n_bootstrap=3000)
    again, slopes = np.random.default_rng(3), []
    while len(slopes) < 3000:
        which = again.integers(0, 6, 6)
        if len(set(which)) > 1:  # one point has no slope
            slopes.append(-np.polyfit(np.log(SAMPLES[which]), np.log(error[which]), 1)[0])
    assert (law.b_low, law.b_high) == pytest.approx(np.quantile(slopes, [0.025, 0.975]), abs=0.004)
    assert law.b_low < law.b < law.b_high


def test_intervals_over_runs(rng):
    slopes = 0.1 + 0.01 * rng.normal(size=12)
    error = SAMPLES ** -slopes[:, None]
    law = fit_power_law(SAMPLES, error, n_bootstrap=4000)
    drawn = slopes[np.random.default_rng(3).integers(0, 12, (4000, 12))].mean(axis=1)
    assert law.b == pytest.approx(slopes.mean())
    assert (law.b_low, law.b_high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.0005)
    assert (law.n_runs, law.over) == (12, "runs")
    assert law.a_low <= law.a <= law.a_high


def test_coverage_of_intervals_over_runs(rng):
    hits = 0
    for seed in range(100):
        slopes = 0.1 + 0.01 * rng.normal(size=20)
        law = fit_power_law(SAMPLES, SAMPLES ** -slopes[:, None], n_bootstrap=300, seed=seed)
        hits += law.b_low <= 0.1 <= law.b_high
    assert 86 <= hits <= 99


def test_a_flat_curve_has_no_variance_to_explain():
    law = fit_power_law([10, 100], [0.5, 0.5], n_bootstrap=0)
    assert law.b == pytest.approx(0)
    assert np.isnan(law.r2)


def test_pictures_tables_and_files(tmp_path, readonly):
    law = fit_power_law(readonly(SAMPLES), readonly(2 * SAMPLES**-0.2), n_bootstrap=20)
    law.save(tmp_path / "law.json")
    again = PowerLaw.load(tmp_path / "law.json")
    assert again.b == law.b
    np.testing.assert_array_equal(again.samples, SAMPLES)
    assert law.to_dataframe()["parameter"].tolist() == ["a", "b"]
    ax = law.plot()
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    ax.figure.clear()
    assert "6 points of 1 run" in law.methods_text()
    assert "0.2000" in repr(law)


@pytest.mark.parametrize(
    ("samples", "error", "text"),
    [
        ([1, 2], [0.5, 0.0], "error must be numbers above 0; the smallest is 0"),
        ([0, 2], [0.5, 0.4], "samples must be numbers above 0"),
        ([5, 5], [0.5, 0.4], "two or more different numbers of samples"),
        ([1, 2, 3], [0.5, 0.4], r"got shapes \(3,\) and \(2,\)"),
        ([1, 2], [0.5, np.nan], "NaN"),
    ],
)
def test_what_has_no_law_is_refused(samples, error, text):
    with pytest.raises(ValueError, match=text):
        fit_power_law(samples, error)
