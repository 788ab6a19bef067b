"""The order of pairs: a permutation in each epoch, a pure function of seed and place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignkit.data._pair_order import PairOrder

SIZES = (7, 0, 13, 1, 29, 10)


@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=8).filter(sum),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 3),
    window=st.integers(1, 100),
)
@settings(max_examples=60, deadline=None)
def test_every_epoch_is_a_permutation_that_moves_no_further_than_a_window(sizes, seed, epoch, window):
    n = sum(sizes)
    order = PairOrder(tuple(sizes), seed, window).at(epoch * n + np.arange(n))
    assert sorted(order) == list(range(n))
    # put side by side in the shards' order of this epoch, pairs lie within a window of where they are read
    shards = np.random.default_rng([seed, epoch, 1]).permutation(len(sizes))
    firsts = np.cumsum([0, *sizes])
    plain = [pair for shard in shards for pair in range(firsts[shard], firsts[shard + 1])]
    assert all(abs(plain.index(pair) - place) < window for place, pair in enumerate(order))


def test_places_asked_for_one_by_one_agree_with_all_at_once():
    n = sum(SIZES)
    order = PairOrder(SIZES, 3, 16)
    whole = order.at(np.arange(3 * n))
    asked = np.random.default_rng(0).permutation(3 * n)
    np.testing.assert_array_equal([order.at(place) for place in asked], whole[asked])
    np.testing.assert_array_equal(PairOrder(SIZES, 3, 16).at(asked), whole[asked])
    assert whole[:n].tolist() != whole[n : 2 * n].tolist() != whole[2 * n :].tolist()
    assert order.at(np.arange(n)).tolist() != PairOrder(SIZES, 4, 16).at(np.arange(n)).tolist()


def test_orders_of_many_seeds_have_no_favourite():
    counts = np.zeros((6, 6))
    for seed in range(3000):
        counts[np.arange(6), PairOrder((2, 2, 2), seed, 6).at(np.arange(6))] += 1
    # 500 expected in each cell; the largest of 36 deviations stays below 5 standard deviations
    assert abs(counts - 500).max() < 5 * np.sqrt(3000 / 6 * 5 / 6)


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_processes_take_equal_parts_of_the_same_sequence(world_size):
    n = sum(SIZES)
    order = PairOrder(SIZES, 1, 8)
    expected = order.at(2 * n + np.arange(n))
    taken = []
    for step in range(n // 12):
        parts = [
            order.batch(2, step, batch_size=12, rank=rank, world_size=world_size).tolist() for rank in range(world_size)
        ]
        assert {len(part) for part in parts} == {12 // world_size}
        taken += [pair for part in parts for pair in part]
    assert taken == expected[: len(taken)].tolist()
    assert len(set(taken)) == len(taken) == n // 12 * 12


def test_a_killed_run_goes_on_with_the_same_pairs():
    def run(first, last):
        order = PairOrder(SIZES, 5, 10)  # a new process
        return [
            order.batch(*divmod(step, 6), batch_size=10, rank=rank, world_size=2).tolist()
            for step in range(first, last)
            for rank in range(2)
        ]

    assert run(0, 4) + run(4, 15) == run(0, 15)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"world_size": 5}, "batch_size must be a multiple of the 5 processes; got 12"),
        ({"rank": 2, "world_size": 2}, "rank must lie below 2"),
        ({"step": 5}, "step below 5, the whole batches of 60 pairs"),
        ({"epoch": -1}, "epoch must be at least 0"),
    ],
)
def test_parts_that_are_not_there_are_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        PairOrder(SIZES, 1, 8).batch(**{"epoch": 0, "step": 0, "batch_size": 12, **change})


def test_settings_are_checked():
    with pytest.raises(ValueError, match="window must be at least 1"):
        PairOrder(SIZES, 1, 0)
    with pytest.raises(ValueError, match="seed must be at least 0"):
        PairOrder(SIZES, -1, 4)
