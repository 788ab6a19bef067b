"""The share of pairs that were in a batch together, against sets of pairs."""

from __future__ import annotations

import itertools
import math

import pytest

from alignkit.train._order import Order
from alignkit.train.hba_meg._coverage import Coverage


def seen(order: Order, n_steps: int) -> float:
    pairs = set()
    for step in range(n_steps):
        pairs |= {frozenset(pair) for pair in itertools.combinations(order.batch(step).index.tolist(), 2)}
    return len(pairs) / math.comb(order.n_samples, 2)


@pytest.mark.parametrize("drop_last", [False, True])
def test_the_share_is_that_of_the_pairs_seen_up_to_a_step_in_whatever_order_it_is_asked(drop_last):
    order = Order(n_samples=11, batch_size=4, seed=3, drop_last=drop_last)
    coverage = Coverage(order)
    for step in (0, 1, 2, 5, 4, 0, 9):
        assert coverage.share(order.batch(step)) == pytest.approx(seen(order, step + 1))


def test_all_pairs_are_seen_over_training_as_batches_are_drawn_anew():
    """The official code draws the members of batches once: 3.4 % of the pairs are ever seen."""
    order = Order(n_samples=40, batch_size=8, seed=0)
    coverage = Coverage(order)
    once = coverage.share(order.batch(order.steps_per_epoch - 1))
    assert once == pytest.approx(5 * math.comb(8, 2) / math.comb(40, 2))
    assert coverage.share(order.batch(60 * order.steps_per_epoch)) == 1.0


def test_of_too_many_items_no_share_is_kept():
    order = Order(n_samples=8193, batch_size=4, seed=0)
    assert math.isnan(Coverage(order).share(order.batch(0)))
