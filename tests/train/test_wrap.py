"""Training on two processes, replicated or sharded, equals training on one."""

from __future__ import annotations

import copy
import dataclasses
import shutil
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from reference.launch import launch
from torch import nn

from alignkit.train import LoopConfig
from alignkit.train._order import Order, share
from alignkit.train._processes import Processes

#: 11 samples in batches of 5, 5 and 1: uneven slices, and a process without samples.
ORDER = Order(n_samples=11, batch_size=5, seed=3)


class Block(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.dropout(self.down(nn.functional.gelu(self.up(self.norm(x)))))


class Net(nn.Module):
    """Blocks, the first of them frozen, and a scale without axes that trains beside one that does not."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(5, dropout) for _ in range(3))
        self.head = nn.Linear(5, 3)
        self.log_scale = nn.Parameter(torch.tensor(0.5))
        self.fixed = nn.Parameter(torch.tensor(2.0), requires_grad=False)
        self.register_buffer("prompts", torch.ones(3, 2))
        self.blocks[0].requires_grad_(False)
        rng = np.random.default_rng(5)
        for parameter in self.parameters():
            parameter.data = torch.from_numpy(np.asarray(rng.normal(size=parameter.shape) / 2))
        self.prompts = torch.from_numpy(rng.normal(size=(3, 2)))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"embedding": self.embed(x) @ self.prompts, "scale": self.fixed * self.log_scale.exp()}

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def samples() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(6).normal(size=(11, 5)))


def batch_loss(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return a loss that compares all samples of a batch."""
    cosines = outputs["embedding"] @ outputs["embedding"].T
    return (outputs["scale"] * cosines).logsumexp(dim=1).mean() + 0.1 * (outputs["embedding"] ** 2).sum(dim=1).mean()


def settings(parallel: str, **options: Any) -> LoopConfig:
    return LoopConfig(device="cpu", parallel=parallel, **options)


def train(
    loop: LoopConfig, steps: tuple[int, int], state: dict[str, Any] | None = None, accumulate: bool = False
) -> dict[str, Any]:
    """Return losses, and all that trains, after the steps in a range."""
    with Processes.start(loop) as processes:
        wrapped = processes.wrap(Net(), loop)
        module = processes.unwrap(wrapped)
        trained = [p for p in module.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=0.02, weight_decay=0.1)
        if state is not None:
            processes.load_state_dict(wrapped, state["model"])
            processes.load_optimizer_state(wrapped, optimizer, state["optim"])
        losses, norms = [], []
        for step in range(*steps):
            own = samples()[torch.tensor(share(ORDER.batch(step), processes.rank, processes.world_size).index)]
            if accumulate:  # twice half of the loss
                with processes.no_sync(wrapped):
                    (batch_loss(processes.gather(wrapped(own))) / 2).backward()
                loss = batch_loss(processes.gather(wrapped(own)))
                (loss / 2).backward()
            else:
                loss = batch_loss(processes.gather(wrapped(own)))
                loss.backward()
            losses.append(loss.detach())
            norms.append(processes.grad_norm(trained))
            optimizer.step()
            optimizer.zero_grad()
        return {
            "losses": torch.stack(losses),
            "norms": torch.stack(norms),
            "model": processes.state_dict(wrapped),
            "optim": processes.optimizer_state(wrapped, optimizer),
        }


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for kind, value in expected.items():
        if isinstance(value, dict):
            assert list(found[kind]) == list(value)
        # the issue asks for 1e-6; float64 gives more
        torch.testing.assert_close(found[kind], value, rtol=1e-9, atol=1e-11, msg=lambda text: f"{kind}: {text}")  # noqa: B023


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    return train(settings("none"), (0, 6))


def test_all_that_trains_is_in_the_state(alone):
    names = [name for name, p in Net().named_parameters() if p.requires_grad]
    assert sorted(alone["model"]) == sorted([*names, "prompts"])
    assert sorted(alone["optim"]) == sorted(
        f"{name}.{slot}" for name in names for slot in ("exp_avg", "exp_avg_sq", "step")
    )
    assert alone["losses"][-1] < alone["losses"][0]


@pytest.mark.parametrize("parallel", ["auto", "fsdp"])
def test_two_processes_train_as_one_does(parallel, alone):
    for found in launch(train, settings(parallel), (0, 6)):
        assert_same(found, alone)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_gradients_accumulate(parallel, alone):
    for found in launch(train, settings(parallel), (0, 6), None, True):
        assert_same(found, alone)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_checkpoint_fits_another_number_of_processes(parallel, alone):
    first = launch(train, settings(parallel), (0, 3))[0]
    assert_same({**train(settings("none"), (3, 6), first), "losses": 0, "norms": 0}, {**alone, "losses": 0, "norms": 0})
    before = train(settings("none"), (0, 3))
    for found in launch(train, settings(parallel), (3, 6), before):
        assert_same({**found, "losses": 0, "norms": 0}, {**alone, "losses": 0, "norms": 0})


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_blocks_may_be_computed_again(parallel, alone):
    for found in launch(train, settings(parallel, gradient_checkpointing=True), (0, 6)):
        assert_same(found, alone)


def start_differently(parallel: str) -> torch.Tensor:
    loop = settings(parallel)
    with Processes.start(loop) as processes:
        net = Net()
        with torch.no_grad():
            net.head.bias.fill_(processes.rank)
            net.log_scale.fill_(processes.rank)
        wrapped = processes.wrap(net, loop)
        own = samples()[5 * processes.rank :][:5]
        return processes.gather(wrapped(own)["embedding"] + wrapped(own)["scale"])


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_all_start_from_the_weights_of_the_main_process(parallel):
    net = Net()
    torch.nn.init.zeros_(net.head.bias)
    torch.nn.init.zeros_(net.log_scale)
    expected = net(samples()[:10])
    for found in launch(start_differently, parallel):
        torch.testing.assert_close(found, expected["embedding"] + expected["scale"])


def learn_and_use_alone(parallel: str) -> dict[str, Any]:
    loop = settings(parallel)
    with Processes.start(loop) as processes:
        net = Net()
        wrapped = processes.wrap(net, loop)
        trained = processes.unwrap(wrapped)
        trained.embed(samples())  # by all: a method besides forward
        batch_loss(wrapped(samples())).backward()
        with torch.no_grad():
            for parameter in trained.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad
        embedded = trained.embed(samples()).detach()
        processes.finish(wrapped, net)
        found: dict[str, Any] = {"embedded": embedded}
        if processes.is_main:
            found |= {"state": dict(net.state_dict()), "alone": net.embed(samples()).detach()}
        processes.barrier()
        return found


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_one_process_can_use_what_all_have_trained(parallel):
    net = Net()
    batch_loss(net(samples())).backward()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    expected = net.embed(samples())
    found = launch(learn_and_use_alone, parallel)
    torch.testing.assert_close(found[0]["state"], dict(net.state_dict()))
    for embedded in (found[0]["embedded"], found[1]["embedded"], found[0]["alone"]):
        torch.testing.assert_close(embedded, expected)


def warned() -> str:
    loop = settings("ddp")
    with Processes.start(loop) as processes, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        processes.wrap(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), loop)
        return str(caught[0].message)


def test_batch_normalisation_on_parts_of_a_batch_is_said():
    for text in launch(warned):
        assert "'1': batch normalisation sees one process's share" in text


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True])
def test_compiled_blocks_give_the_same(again, alone):
    if not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        pytest.skip("no C++ compiler at hand, which torch.compile needs on a CPU")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch hides its own by other means
        found = train(settings("none", compile=True, gradient_checkpointing=again), (0, 2))
    assert_same(found, train(settings("none"), (0, 2)))
    assert list(found["model"]) == list(alone["model"])


def test_wrapping_leaves_a_module_that_can_be_copied():
    loop = dataclasses.replace(settings("none"), gradient_checkpointing=True)
    with Processes.start(loop) as processes:
        net = processes.wrap(Net(), loop)
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin.head.bias.add_(1)
        twin.blocks[2].down.bias.add_(1)
    assert not torch.equal(twin(samples())["embedding"], net(samples())["embedding"])
    torch.testing.assert_close(net(samples()), Net()(samples()))
