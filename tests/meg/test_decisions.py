"""Counted decisions: how many there are, how they become accuracies, in how few bytes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from alignkit.meg._decisions import Decisions, Tally, accuracy_levels, condense_both


def test_condense_both_adds_the_two_halves_of_a_square(rng):
    square = rng.integers(0, 9, (5, 5)).astype(np.uint8)
    expected = [square[i, j] + square[j, i] for i, j in combinations(range(5), 2)]
    condensed = condense_both(square)
    np.testing.assert_array_equal(condensed, expected)
    assert condensed.dtype == np.uint8


@pytest.mark.parametrize(("each", "dtype"), [(12, np.uint8), (63, np.uint8), (64, np.uint16), (20_000, np.uint32)])
def test_the_smallest_integers_that_hold_every_count(each, dtype):
    tally = Tally.of(np.full((3, 3), each))
    assert (tally.dtype, tally.n_decisions) == (dtype, 2 * each)
    halves = np.full((3, 3), 2 * each, dtype=dtype)
    np.testing.assert_array_equal(tally.finish(halves), 4 * each)


def test_conditions_with_other_numbers_of_trials_weigh_the_same():
    tally = Tally.of(np.array([[0, 2, 2], [8, 0, 8], [0, 0, 0]]))
    assert tally.n_decisions is None
    np.testing.assert_array_equal(tally.undefined, [False, True, True])
    halves = np.array([[0, 4, 4], [8, 0, 1], [0, 0, 0]], dtype=tally.dtype)
    np.testing.assert_array_equal(tally.finish(halves), [(2 / 2 + 4 / 8) / 2, np.nan, np.nan])


def test_nothing_to_decide_leaves_nan():
    tally = Tally.of(np.zeros((2, 2), dtype=np.int64))
    assert tally.n_decisions is None
    assert np.isnan(tally.finish(tally.start())).all()


def test_values_are_counts_over_twice_their_number():
    found = Decisions(np.array([[0, 12, 24, 48]], dtype=np.uint8), 24, np.zeros(4, dtype=bool))
    np.testing.assert_array_equal(found.values, [[0.0, 0.25, 0.5, 1.0]])
    np.testing.assert_array_equal(found.values, found.counts / 48)
    assert found.as_dtype(np.float32).dtype == np.float32
    assert len(accuracy_levels(24)) == 49


def test_values_without_counts_are_what_is_stored():
    stored = np.array([[0.3, np.nan]])
    found = Decisions(stored, None, np.array([False, True]))
    assert found.counts is None
    np.testing.assert_array_equal(found.values, stored)
