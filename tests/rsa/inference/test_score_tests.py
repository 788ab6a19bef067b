from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import evaluation as reference
from scipy import stats

from alignkit.rsa._inference._score_tests import covariance_of, flip_tests, t_tests


def flips(values, alternative="greater", **options):
    return flip_tests(
        values,
        alternative,
        **{
            "n_permutations": 500,
            "alpha": 0.05,
            "fdr_method": "bh",
            "rng": np.random.default_rng(0),
            "progress": False,
            **options,
        },
    )


@pytest.mark.parametrize("n", [5, 8, 11])
@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_flips_are_counted_one_by_one(rng, n, alternative):
    values = rng.normal(0.3, 1.0, size=(n, 4))
    found = flips(values, alternative, alpha=0.5)
    p, corrected = reference.flip_test(values, alternative)
    assert_allclose(found.p, p, rtol=1e-14)
    assert_allclose(found.p_max, corrected, rtol=1e-14)
    assert_allclose(found.p_fdr, stats.false_discovery_control(p), rtol=1e-14)
    assert found.why == ("",) * 4


def test_flips_of_ties_by_hand():
    # |sums| of 1, 1, 1, 1, 2 under all 32 signs: 6 once (two-sided: twice), 4 four times and twice with -2 ...
    values = np.array([[1.0], [1.0], [1.0], [1.0], [2.0]])
    assert flips(values).p[0] == 1 / 32
    turned = np.array([[-1.0], [1.0], [1.0], [1.0], [2.0]])
    # sums of at least 4: one pattern gives 6, four give 4
    assert flips(turned).p[0] == 5 / 32


def test_scores_of_zero_have_no_sign():
    values = np.array([[0.0], [0.0], [0.4], [0.3], [0.2], [0.1]])
    found = flips(values)
    assert np.isnan(found.p[0])
    assert "4 subjects without a score of 0 (6 in all) have 16 sign patterns" in found.why[0]
    assert flips(values, alpha=0.0625).p[0] == 1 / 16


def test_what_is_not_tested_corrects_nothing(rng):
    values = rng.normal(0.3, 1.0, size=(8, 3))
    values[:, 1] = 0.5
    found = flips(values)
    assert np.isnan(found.p[1])
    assert "score alike" in found.why[1]
    rest = flips(values[:, [0, 2]])
    assert_array_equal(found.p_max[[0, 2]], rest.p_max)
    assert_array_equal(found.p_fdr[[0, 2]], rest.p_fdr)
    values[3, 0] = np.nan
    assert flips(values).why[0] == "a subject's score is undefined"


def test_flips_reject_at_their_level():
    # under the null every p-value k / 2^n is reached with a chance of at most k / 2^n: 1,000 draws of noise
    rng = np.random.default_rng(7)
    p = flips(rng.standard_t(2, size=(6, 1000))).p
    rejected = int((p <= 0.05).sum())
    assert rejected <= stats.binom.ppf(0.999, 1000, 3 / 64)
    assert rejected >= stats.binom.ppf(0.001, 1000, 3 / 64)


def test_t_tests_without_variance_or_value():
    found = t_tests(
        np.array([0.2, 0.3, np.nan, 0.5]),
        np.array([0.01, 0.0, 0.01, np.nan]),
        4,
        "less",
        covariance=np.diag([0.01, 0.0, 0.01, np.nan]),
        contrasts=None,
        why=["", "", "its score is missing", ""],
        fdr_method="by",
        rng=np.random.default_rng(0),
    )
    assert found.why == ("", "there is no variance to judge by", "its score is missing", "it is undefined")
    assert found.p[0] == pytest.approx(stats.t.cdf(2.0, 4))
    assert np.isnan(found.p[1:]).all()
    assert found.p_max[0] == found.p_fdr[0] == found.p[0]


def test_covariances_follow_from_differences(rng):
    values = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    apart = np.array([[np.var(a - b, ddof=1) for a in values.T] for b in values.T])
    assert_allclose(covariance_of(values.var(axis=0, ddof=1), apart), np.cov(values.T), rtol=1e-10)
