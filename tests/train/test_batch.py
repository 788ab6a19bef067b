from __future__ import annotations

import torch
from reference.toy_tasks import RegressionTask

from alignkit.train._batch import make_batch
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
