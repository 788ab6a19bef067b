"""Outputs for many samples: in order, whatever the batches and the number of processes."""

from __future__ import annotations

import pytest
import torch
from reference.launch import launch
from torch import nn

from alignkit.train import LoopConfig
from alignkit.train._predict import evaluating, predict
from alignkit.train._processes import Processes

N = 7


class Net(nn.Module):
    """Counts its forward passes, and drops numbers where it should not train."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(6.0, dtype=torch.float64).reshape(2, 3))
        self.dropout = nn.Dropout(0.5)
        self.passes = 0

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        self.passes += 1
        return self.dropout(inputs["x"] @ self.weight)


def inputs(index):
    return {"x": torch.stack([torch.tensor([i, i**2], dtype=torch.float64) for i in index.tolist()])}


def expected(n: int = N) -> torch.Tensor:
    return torch.tensor([[3.0 * i**2 + j * (i + i**2) for j in range(3)] for i in range(n)], dtype=torch.float64)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_rows_come_in_order(batch_size):
    net = Net()
    found = predict(net, inputs, N, batch_size=batch_size)
    assert found.equal(expected())
    assert not found.requires_grad
    assert net.passes == -(-N // batch_size)


def predict_together(parallel: str) -> list[tuple[torch.Tensor, int]]:
    loop = LoopConfig(device="cpu", parallel=parallel)
    with Processes.start(loop) as processes:
        net = Net()
        wrapped = processes.wrap(net, loop)
        # 7 samples are 3 and 4, which are 2 passes of at most 3 each; 1 sample leaves a process without
        return [predict(wrapped, inputs, n, batch_size=3, processes=processes) for n in (N, 1)], net.passes


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_processes_share_the_samples(parallel):
    for (seven, one), passes in launch(predict_together, parallel):
        torch.testing.assert_close(seven, expected(), rtol=1e-14, atol=0)
        torch.testing.assert_close(one, expected(1), rtol=1e-14, atol=0)
        assert passes == (3 if parallel == "ddp" else 0)  # a sharded module is a copy


def test_every_part_gets_its_mode_back():
    module = nn.Sequential(Net(), nn.Dropout(), nn.BatchNorm1d(3))
    module[2].eval()
    before = [part.training for part in module.modules()]
    with evaluating(module):
        assert not any(part.training for part in module.modules())
    assert [part.training for part in module.modules()] == before
    with pytest.raises(ZeroDivisionError), evaluating(module):
        _ = 1 / 0
    assert [part.training for part in module.modules()] == before


def test_bad_input():
    with pytest.raises(ValueError, match="n must be at least 1"):
        predict(Net(), inputs, 0, batch_size=1)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        predict(Net(), inputs, 3, batch_size=0)
