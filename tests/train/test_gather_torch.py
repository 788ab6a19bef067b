"""Rows of all processes: in order, of any kind, with the gradient of the whole batch's loss."""

from __future__ import annotations

import torch
from reference.launch import launch

from alignkit.train import LoopConfig
from alignkit.train._processes import Processes

CPU = LoopConfig(device="cpu", progress=False)
#: How 5 rows may lie on 2 processes.
SPLITS = [(3, 2), (5, 0), (0, 5)]


def rows(n: int, n_features: int = 3) -> torch.Tensor:
    return torch.arange(n * n_features, dtype=torch.float64).reshape(n, n_features).sin()


def own_rows(x: torch.Tensor, split: tuple[int, ...], rank: int) -> torch.Tensor:
    return x.split(split)[rank].clone()


def compare_all(x: torch.Tensor) -> torch.Tensor:
    """Return a loss of which every row's part depends on every other row."""
    return ((x @ x.T).softmax(dim=1) * torch.cdist(x.flip(0), x) ** 2).sum()


def gather_kinds() -> dict[str, torch.Tensor]:
    with Processes.start(CPU) as processes:
        x = own_rows(rows(5), (3, 2), processes.rank)
        outputs = {
            "double": x,
            "bfloat16": x.bfloat16(),
            "bool": x > 0,
            "int": (10 * x).long()[:, 0],
            "image": x[:, :, None].expand(-1, 3, 4),
            "scale": torch.tensor(7.0),
        }
        gathered = processes.gather(outputs)
        nested = processes.gather([x, (x[:, :1],)])
        return gathered | {"listed": nested[0], "nested": nested[1][0]}


def test_rows_of_any_kind_come_in_order():
    x = rows(5)
    for found in launch(gather_kinds):
        assert found["double"].equal(x)
        assert found["bfloat16"].equal(x.bfloat16())
        assert found["bool"].equal(x > 0)
        assert found["int"].equal((10 * x).long()[:, 0])
        assert found["image"].equal(x[:, :, None].expand(-1, 3, 4))
        assert found["scale"].equal(torch.tensor(7.0))
        assert found["listed"].equal(x)
        assert found["nested"].equal(x[:, :1])


def gradients(splits: list[tuple[int, ...]]) -> list[torch.Tensor]:
    with Processes.start(CPU) as processes:
        found = []
        for split in splits:
            x = own_rows(rows(5), split, processes.rank).requires_grad_()
            compare_all(processes.gather(x)).backward()
            found.append(x.grad)
        return found


def test_the_average_over_processes_is_the_gradient_of_the_whole_batch():
    x = rows(5).requires_grad_()
    compare_all(x).backward()
    found = launch(gradients, SPLITS)
    for number, split in enumerate(SPLITS):
        assert [len(of_rank[number]) for of_rank in found] == list(split)
        # a parameter's gradient is the sum over rows, divided by the number of processes when these are averaged
        torch.testing.assert_close(torch.cat([of_rank[number] for of_rank in found]) / 2, x.grad, rtol=1e-12, atol=0)


def gradients_of_own_losses() -> torch.Tensor:
    from alignkit.train._gather_torch import gather

    with Processes.start(CPU) as processes:
        x = own_rows(rows(5), (3, 2), processes.rank).requires_grad_()
        # every process weighs the rows in its own way
        ((processes.rank + 1) * gather(x, same_loss=False) ** 2).sum().backward()
        return x.grad


def test_losses_of_processes_add_up():
    found = torch.cat(launch(gradients_of_own_losses))
    torch.testing.assert_close(found, (1 + 2) * 2 * rows(5), rtol=1e-14, atol=0)


def test_one_process_gets_its_outputs_back():
    with Processes.start(CPU) as processes:
        outputs = {"a": rows(2)}
        assert processes.gather(outputs) is outputs
