from __future__ import annotations

import numpy as np
import pytest
import torch
from reference.toy_tasks import RegressionTask

from alignkit.train._batch import make_batch, make_batches
from alignkit.train._order import Order, share


def test_parts_cover_a_process_share_in_order():
    task, batch = RegressionTask(), Order(n_samples=20, batch_size=11, seed=0).batch(1)
    for world_size in (1, 2, 3):
        made = [
            make_batch(task, batch, accumulate=3, rank=r, world_size=world_size, pin=False) for r in range(world_size)
        ]
        assert {len(one.parts) for one in made} == {3}
        assert min(len(part) for one in made for part in one.parts) >= 1
        torch.testing.assert_close(torch.cat([part for one in made for part in one.parts]), task.inputs(batch))
        assert all(torch.equal(one.targets, task.targets(batch)) for one in made)


def test_a_loss_that_exchanges_gets_the_targets_of_one_process():
    task, batch = RegressionTask(), Order(n_samples=20, batch_size=11, seed=0).batch(0)
    task.exchanges = True
    made = [make_batch(task, batch, accumulate=2, rank=r, world_size=3, pin=False) for r in range(3)]
    assert [len(one.targets) for one in made] == [len(share(batch, r, 3)) for r in range(3)]
    torch.testing.assert_close(torch.cat([one.targets for one in made]), task.targets(batch))


@pytest.mark.parametrize("exchanges", [False, True])
def test_plain_accumulation_makes_a_batch_of_every_part_of_all_processes(exchanges):
    task, batch = RegressionTask(), Order(n_samples=20, batch_size=11, seed=0).batch(0)
    task.exchanges = exchanges
    made = [make_batches(task, batch, accumulate=3, plain=True, rank=r, world_size=2, pin=False) for r in range(2)]
    seen = []
    for part in range(3):
        of_ranks = [one[part] for one in made]
        expected = [i for one in of_ranks for i in one.own.index]
        seen += expected
        for one in of_ranks:
            assert one.samples.index.tolist() == expected
            assert one.weight == len(expected) / 11
            assert one.first == part
            assert torch.equal(one.targets, task.y[torch.tensor(one.own.index if exchanges else expected)])
            assert torch.equal(one.parts[0], task.x[torch.tensor(one.own.index)])
            assert [batch.index[batch.position == p].item() for p in one.samples.position] == expected
    assert sorted(seen) == sorted(batch.index)
    assert sum(one.weight for one in made[0]) == pytest.approx(1)
    for rank, of_rank in enumerate(made):
        own = np.concatenate([one.own.index for one in of_rank])
        assert own.tolist() == share(batch, rank, 2).index.tolist()


def test_one_part_is_one_batch():
    task, batch = RegressionTask(), Order(n_samples=20, batch_size=3, seed=0).batch(0)
    for accumulate, plain in ((1, True), (4, False)):
        (made,) = make_batches(task, batch, accumulate=accumulate, plain=plain, rank=0, world_size=1, pin=False)
        assert (made.weight, len(made.parts)) == (1.0, min(accumulate, 3))
    assert len(make_batches(task, batch, accumulate=4, plain=True, rank=0, world_size=2, pin=False)) == 1
