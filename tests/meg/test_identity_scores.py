"""Scores of a matrix of people by models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignkit.meg._identity_scores import centred, judge_owners, own_minus_others, owner_orders, rank_one, two_way
from tests.reference.identify import all_scores, p_values

matrices = st.integers(0, 10_000).map(lambda seed: np.random.default_rng(seed).normal(size=(4, 4)))


def judged(matrix, n_permutations=10_000, rng=0):
    orders, exact = owner_orders(len(matrix), n_permutations, np.random.default_rng(rng))
    return {one.name: one for one in judge_owners(matrix, orders, exact=exact)}


@given(matrices)
@settings(max_examples=30, deadline=None)
def test_values_and_exact_p_equal_plain_loops(matrix):
    found = judged(matrix)
    assert {name: one.value for name, one in found.items()} == pytest.approx(all_scores(matrix, range(4)))
    assert {name: one.p for name, one in found.items()} == pytest.approx(p_values(matrix))


@pytest.mark.parametrize("matrix", [np.round(np.random.default_rng(s).normal(size=(5, 5))) for s in range(4)])
def test_ties_share_credit_as_in_plain_loops(matrix):
    found = judged(matrix)
    expected = all_scores(matrix, range(5))
    for name in ("rank-1", "two-way", "own - others"):
        assert found[name].value == pytest.approx(expected[name])
        assert found[name].p == pytest.approx(p_values(matrix)[name])


@given(matrices)
@settings(max_examples=30, deadline=None)
def test_means_over_all_owners_are_chance(matrix):
    found = judged(matrix)
    assert found["rank-1"].chance == pytest.approx(1 / 4)
    assert found["two-way, centred"].chance == pytest.approx(1 / 2)
    assert found["own - others"].chance == pytest.approx(0)


@given(matrices, st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.lists(st.floats(-5, 5), min_size=4, max_size=4))
@settings(max_examples=30, deadline=None)
def test_a_model_that_suits_everybody_changes_no_centred_score(matrix, by_model, by_person):
    plain, shifted = judged(matrix), judged(matrix + by_model + np.array(by_person)[:, None])
    for name in ("rank-1, centred", "two-way, centred", "own - others"):
        assert shifted[name].value == pytest.approx(plain[name].value, abs=1e-9)
        assert shifted[name].p == pytest.approx(plain[name].p)
    # a person with more reliable RDMs changes no score at all
    reliable = judged(matrix + np.array(by_person)[:, None])
    assert {k: v.value for k, v in reliable.items()} == pytest.approx({k: v.value for k, v in plain.items()}, abs=1e-9)


def test_own_minus_others_is_the_same_on_average_after_centring():
    matrix = np.random.default_rng(3).normal(size=(7, 7))
    plain, less = (np.diagonal(own_minus_others(one)) for one in (matrix, centred(matrix)))
    assert plain.mean() == pytest.approx(less.mean())


def test_one_model_that_suits_everybody_hides_the_others_unless_its_mean_is_taken_off():
    matrix = np.eye(6) * 0.1 + np.array([1.0, 0, 0, 0, 0, 0])
    found = judged(matrix)
    assert found["rank-1"].value == pytest.approx(1 / 6)
    assert found["rank-1, centred"].value == 1
    assert found["rank-1, centred"].p == pytest.approx(1 / 720)


def test_equal_models_identify_nobody():
    matrix = np.repeat(np.random.default_rng(0).normal(size=(5, 1)), 5, axis=1)
    found = judged(matrix)
    assert found["rank-1"].value == pytest.approx(1 / 5)
    assert found["two-way"].value == pytest.approx(1 / 2)
    assert all(one.p == 1 for one in found.values())


def test_ties_by_rounding_share_too():
    alike = np.full((4, 4), 0.1) + 1e-16 * np.random.default_rng(0).normal(size=(4, 4))
    assert judged(alike)["rank-1, centred"].value == pytest.approx(1 / 4)
    matrix = np.full((3, 3), 0.3)
    matrix[0, 0] += 1e-16
    np.testing.assert_allclose(rank_one(matrix), 1 / 3)
    np.testing.assert_allclose(two_way(matrix), 1 / 2)


def test_undefined_cells_make_what_depends_on_them_undefined():
    matrix = np.eye(4)
    matrix[1, 2] = np.nan
    assert np.isnan(rank_one(matrix)[1]).all()
    assert not np.isnan(rank_one(matrix)[[0, 2, 3]]).any()
    found = judged(matrix)
    assert np.isnan(found["rank-1"].value)
    assert np.isnan(found["rank-1"].p)
    assert np.isnan(found["own - others"].p_corrected)


def test_random_permutations_are_permutations_and_count_the_observed_one():
    orders, exact = owner_orders(12, 500, np.random.default_rng(1))
    assert not exact
    assert orders.shape == (500, 12)
    assert (np.sort(orders, axis=1) == np.arange(12)).all()
    again, _ = owner_orders(12, 500, np.random.default_rng(1))
    np.testing.assert_array_equal(orders, again)
    found = judged(np.eye(12), n_permutations=500)
    assert found["own - others"].p == pytest.approx(1 / 501)


def test_corrected_p_is_no_smaller_than_p():
    found = judged(np.random.default_rng(5).normal(size=(5, 5)) + 0.5 * np.eye(5))
    assert all(one.p_corrected >= one.p for one in found.values())


def test_p_is_uniform_where_models_are_nobodys():
    rng = np.random.default_rng(7)
    ps = [judged(rng.normal(size=(5, 5)))["own - others"].p for _ in range(300)]
    assert 0.02 <= np.mean(np.array(ps) <= 0.05) <= 0.09
    assert 0.44 <= np.mean(ps) <= 0.57
