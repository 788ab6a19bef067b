from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignkit.rsa._inference._t_power import _integrated, needed_noncentrality, t_power, wilson


@pytest.mark.parametrize(
    ("effect", "n", "two_sided"),
    # G*Power 3.1 and Cohen's tables: smallest n of a one-sample t test with a power of 0.8 at 0.05
    [(0.2, 199, True), (0.5, 34, True), (0.8, 15, True), (0.2, 156, False), (0.5, 27, False), (0.8, 12, False)],
)
def test_published_sample_sizes(effect, n, two_sided):
    power = t_power(effect * np.sqrt([n - 1, n]), np.array([n - 2, n - 1]), 0.05, two_sided=two_sided)
    assert power[0] < 0.8 <= power[1]


def test_equals_simulated_tests(rng):
    x = 0.6 + rng.normal(size=(20_000, 7))
    for alternative in ("greater", "two-sided"):
        share = np.mean(stats.ttest_1samp(x, 0, axis=1, alternative=alternative).pvalue < 0.05)
        power = t_power(0.6 * np.sqrt(7), 6, 0.05, two_sided=alternative == "two-sided")
        assert abs(share - power) < 4 * np.sqrt(share * (1 - share) / len(x))


def test_no_effect_has_the_level_and_large_ones_are_certain():
    assert t_power(0.0, 5, 0.05, two_sided=True) == pytest.approx(0.05)
    assert t_power([1e3, -1e3], 5, 0.05, two_sided=False).tolist() == [1, 0]
    assert t_power(-1e3, 50, 0.05, two_sided=True) == 1
    assert np.isnan(t_power(np.nan, 5, 0.05, two_sided=True))


def test_where_scipys_series_ends_the_integral_goes_on():
    limit, df, delta = (np.array(x, dtype=float) for x in ([2.0, 2.5, 9.0], [3, 8, 2], [1.0, 4.0, 12.0]))
    assert _integrated(limit, df, delta) == pytest.approx(stats.nct.sf(limit, df, delta), abs=1e-6)
    # 2 degrees of freedom and a limit of 9.92, by simulation
    rng = np.random.default_rng(0)
    for noncentrality in (15.0, 25.0, 40.0):
        t = (noncentrality + rng.normal(size=200_000)) / np.sqrt(rng.chisquare(2, size=200_000) / 2)
        share = np.mean(np.abs(t) > stats.t.isf(0.005, 2))
        assert t_power(noncentrality, 2, 0.01, two_sided=True) == pytest.approx(share, abs=0.005)


def test_the_needed_noncentrality_has_the_power():
    df = np.array([1, 2, 5, 30, 999])
    for two_sided in (True, False):
        found = needed_noncentrality(df, 0.01, 0.9, two_sided=two_sided)
        assert t_power(found, df, 0.01, two_sided=two_sided)[1:] == pytest.approx(0.9, abs=1e-6)
        assert (np.diff(found[1:]) < 0).all()
    # one degree of freedom at this level is out of reach
    assert np.isnan(needed_noncentrality(1, 1e-4, 0.9, two_sided=True))


def test_wilsons_interval():
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I
    assert wilson([81, 15, 0, 1], 263, 0.95)[:, 0].round(4).tolist() == [0.2553, 0.3662]
    assert wilson([15], 148, 0.95)[:, 0].round(4).tolist() == [0.0624, 0.1605]
    assert wilson([0], 20, 0.95)[:, 0].round(4).tolist() == [0, 0.1611]
    assert wilson([1], 29, 0.95)[:, 0].round(4).tolist() == [0.0061, 0.1718]
