from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from alignkit.rsa._inference._largest_t import largest_t_p


@pytest.mark.parametrize("dof", [1, 5, 60])
def test_one_test_is_a_t_test(dof):
    found = largest_t_p(np.array([1.3]), None, np.array([[2.5]]), dof, np.random.default_rng(0), two_sided=False)
    assert found[0] == pytest.approx(stats.t.sf(1.3, dof), abs=0.015)
    found = largest_t_p(np.array([1.3]), None, np.array([[2.5]]), dof, np.random.default_rng(0), two_sided=True)
    assert found[0] == pytest.approx(2 * stats.t.sf(1.3, dof), abs=0.02)


def test_independent_tests_are_sidaks():
    extreme = np.full(4, 2.0)
    found = largest_t_p(extreme, None, np.diag([1.0, 4, 9, 16]), 6, np.random.default_rng(1), two_sided=False)
    assert_allclose(found, 1 - (1 - stats.t.sf(2.0, 6)) ** 4, atol=0.015)
    assert len(set(found)) == 1


def test_tests_that_are_one_need_no_correction():
    found = largest_t_p(np.full(5, 2.0), None, np.ones((5, 5)), 6, np.random.default_rng(1), two_sided=False)
    assert_allclose(found, stats.t.sf(2.0, 6), atol=0.01)


def test_all_pairs_are_tukeys():
    # differences of independent means of n each, every pair with its own error: near Tukey's studentised range
    contrasts = np.array(np.triu_indices(4, k=1)).T
    found = largest_t_p(np.full(6, 2.6), contrasts, np.eye(4), 200, np.random.default_rng(2), two_sided=True)
    assert_allclose(found, stats.studentized_range.sf(2.6 * np.sqrt(2), 4, np.inf), atol=0.015)


def test_what_is_not_tested_does_not_count():
    covariance = np.array([[1.0, 0.3, np.nan], [0.3, 2.0, np.nan], [np.nan, np.nan, np.nan]])
    found = largest_t_p(np.array([1.0, 2.0, np.nan]), None, covariance, 4, np.random.default_rng(3), two_sided=True)
    expected = largest_t_p(np.array([1.0, 2.0]), None, covariance[:2, :2], 4, np.random.default_rng(3), two_sided=True)
    assert_array_equal(found[:2], expected)
    assert np.isnan(found[2])
    assert np.isnan(largest_t_p(np.array([np.nan]), None, np.eye(1), 4, np.random.default_rng(3), two_sided=True))


def test_a_covariance_that_is_none_is_brought_to_one():
    covariance = np.array([[1.0, 2.0], [2.0, 1.0]])
    found = largest_t_p(np.array([1.0, 1.5]), None, covariance, 4, np.random.default_rng(3), two_sided=True)
    assert ((found > 0) & (found < 1)).all()
