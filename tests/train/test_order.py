"""The order of samples: plain loops over epochs say which batch is which."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.train._order import Order, share


@st.composite
def orders(draw):
    n_samples, drop_last = draw(st.integers(1, 30)), draw(st.booleans())
    batch_size = draw(st.integers(1, n_samples if drop_last else 40))
    return Order(n_samples=n_samples, batch_size=batch_size, seed=draw(st.integers(0, 99)), drop_last=drop_last)


def sizes(order):
    """Return the sizes of an epoch's batches, filled one sample after the other."""
    whole = [order.batch_size] * (order.n_samples // order.batch_size)
    rest = order.n_samples - sum(whole)
    return whole if order.drop_last or not rest else [*whole, rest]


@given(orders())
def test_an_epoch_is_cut_into_batches(order):
    for epoch in range(3):
        first = epoch * order.steps_per_epoch
        batches = [order.batch(first + step) for step in range(order.steps_per_epoch)]
        assert [len(batch) for batch in batches] == sizes(order)
        assert order.smallest_batch == min(map(len, batches))
        index = np.concatenate([batch.index for batch in batches]).tolist()
        assert len(set(index)) == len(index)
        assert set(index) <= set(range(order.n_samples))


@given(orders())
def test_no_two_draws_share_a_position(order):
    batches = [order.batch(step) for step in range(3 * order.steps_per_epoch)]
    positions = np.concatenate([batch.position for batch in batches])
    assert all(a < b for a, b in itertools.pairwise(positions.tolist()))


@given(orders(), st.integers(1, 5))
def test_processes_share_a_batch_in_order(order, world_size):
    batch = order.batch(order.steps_per_epoch - 1)
    parts = [share(batch, rank, world_size) for rank in range(world_size)]
    assert np.concatenate([part.index for part in parts]).tolist() == batch.index.tolist()
    assert np.concatenate([part.uniform(1) for part in parts]).tolist() == batch.uniform(1).tolist()
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1


def test_numbers_are_uniform_and_streams_apart():
    batch = Order(n_samples=20_000, batch_size=20_000, seed=4).batch(0)
    one, other = batch.uniform(0), batch.uniform(1)
    assert np.histogram(one, bins=10, range=(0, 1))[0] == pytest.approx(2000, abs=200)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


@pytest.mark.parametrize(("n_samples", "batch_size", "drop_last"), [(0, 4, False), (3, 4, True)])
def test_not_one_batch_is_refused(n_samples, batch_size, drop_last):
    with pytest.raises(ValueError, match=f"there are {n_samples} training samples and batches of 4: not one whole"):
        Order(n_samples=n_samples, batch_size=batch_size, seed=0, drop_last=drop_last)
