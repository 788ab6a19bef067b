"""State of other modules is refused by name; what two processes gather is tested with wrapping."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit.train import LoopConfig
from alignkit.train._full_state import trained_tensors
from alignkit.train._processes import Processes


@pytest.fixture
def processes():
    with Processes.start(LoopConfig(device="cpu")) as started:
        yield started


def net(n_out: int = 2) -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, n_out))
    module[0].requires_grad_(False)
    return module


def adam(module: nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW([parameter for parameter in module.parameters() if parameter.requires_grad], lr=0.1)


def step(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    module(torch.arange(12.0).reshape(4, 3).sin()).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_what_trains_is_copied_with_running_means_and_nothing_frozen(processes):
    module = net()
    state = processes.full(trained_tensors(module))
    assert sorted(state) == sorted(name for name in module.state_dict() if not name.startswith("0."))
    before = state["2.weight"].clone()
    with torch.no_grad():
        module[2].weight.add_(1)
    assert state["2.weight"].equal(before)
    processes.copy(trained_tensors(module), state)
    assert module[2].weight.equal(before)


def test_going_on_from_a_state_is_going_on(processes):
    module = net()
    optimizer = adam(module)
    step(module, optimizer)
    twin = net()
    twin[0].load_state_dict(module[0].state_dict())
    other = adam(twin)
    processes.copy(trained_tensors(twin), processes.full(trained_tensors(module)))
    processes.load_optimizer_state(twin, other, processes.optimizer_state(module, optimizer))
    for each in ((module, optimizer), (twin, other)):
        step(*each)
    assert all(a.equal(b) for a, b in zip(twin.state_dict().values(), module.state_dict().values(), strict=True))


def test_an_optimiser_that_has_not_begun(processes):
    module = net()
    optimizer = adam(module)
    assert processes.optimizer_state(module, optimizer) == {}
    processes.load_optimizer_state(module, optimizer, {})
    step(module, optimizer)


def test_state_of_another_module_is_refused(processes):
    module = net()
    optimizer = adam(module)
    step(module, optimizer)
    with pytest.raises(ValueError, match=r"does not fit the module .*2\.weight is \(2, 4\) instead of \(3, 4\)"):
        processes.copy(trained_tensors(net(3)), processes.full(trained_tensors(module)))
    other = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"that of another module, which has the parameters '1\.weight'"):
        processes.load_optimizer_state(other, adam(other), processes.optimizer_state(module, optimizer))


def test_the_norm_of_the_gradient(processes):
    module = net()
    assert processes.grad_norm(module.parameters()) == 0
    module(torch.arange(12.0).reshape(4, 3).sin()).square().sum().backward()
    expected = torch.nn.utils.clip_grad_norm_(module.parameters(), float("inf"))
    torch.testing.assert_close(processes.grad_norm(module.parameters()), expected)
