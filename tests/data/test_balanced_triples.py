"""Sets of three that show items and pairs evenly."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from reference.studies import pairs_shown

from alignkit.data._balanced_triples import all_triples, balanced_triples, pair_counts


def drawn(n_items, size, seed=0):
    return balanced_triples(n_items, size, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("n_items", "size"), [(4, 1), (4, 4), (7, 7), (9, 12), (10, 60), (10, 61), (10, 119), (30, 500)]
)
def test_sets_are_distinct_and_even(n_items, size):
    triples = drawn(n_items, size)
    assert triples.shape == (size, 3)
    assert len({tuple(sorted(row)) for row in triples.tolist()}) == size
    assert all(len(set(row)) == 3 for row in triples.tolist())
    items = np.bincount(triples.ravel(), minlength=n_items)
    assert np.ptp(items) <= 2
    pairs = pair_counts(triples, n_items)
    assert pairs.tolist() == pairs_shown(triples, n_items)
    assert np.ptp(pairs) <= 3


def test_pairs_are_far_more_even_than_at_random():
    triples = drawn(50, 2000)
    rng = np.random.default_rng(1)
    at_random = np.array([rng.choice(50, size=3, replace=False) for _ in range(2000)])
    assert pair_counts(triples, 50).std() < pair_counts(at_random, 50).std() / 3


def test_every_start_of_the_order_is_even():
    triples = drawn(40, 1200)
    for stop in (40, 200, 1200):
        assert np.ptp(np.bincount(triples[:stop].ravel(), minlength=40)) <= 2


def test_all_sets():
    assert all_triples(5).tolist() == [[a, b, c] for a in range(5) for b in range(a + 1, 5) for c in range(b + 1, 5)]
    everything = drawn(8, math.comb(8, 3))
    assert sorted(map(sorted, everything.tolist())) == all_triples(8).tolist()


def test_a_seed_makes_the_same_sets():
    assert np.array_equal(drawn(20, 100, 3), drawn(20, 100, 3))
    assert not np.array_equal(drawn(20, 100, 3), drawn(20, 100, 4))


@pytest.mark.slow
def test_a_hundred_thousand_sets_of_things_take_less_than_a_minute():
    start = time.process_time()
    triples = drawn(1854, 100_000)
    assert time.process_time() - start < 60
    assert pair_counts(triples, 1854).max() == 1
    assert np.ptp(np.bincount(triples.ravel())) <= 2
