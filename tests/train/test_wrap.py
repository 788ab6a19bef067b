"""Training on two processes, replicated or sharded, equals training on one."""

from __future__ import annotations

import copy
import dataclasses
import functools
import shutil
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from reference.launch import launch
from reference.toy_clip import make_towers
from torch import nn

from alignkit.train import LoopConfig
from alignkit.train._full_state import trained_tensors
from alignkit.train._order import Order, share
from alignkit.train._processes import Processes

#: 11 samples in batches of 5, 5 and 1: uneven slices, and a process without samples.
ORDER = Order(n_samples=11, batch_size=5, seed=3)
#: Steps before a checkpoint, and in all.
HALF, N_STEPS = 3, 6


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
            processes.copy(trained_tensors(module), state["model"])
            processes.load_optimizer_state(wrapped, optimizer, state["optim"])
        losses, norms = [], []
        halfway = None
        for step in range(*steps):
            if step == HALF:
                halfway = {
                    "model": processes.full(trained_tensors(module)),
                    "optim": processes.optimizer_state(wrapped, optimizer),
                }
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
            "model": processes.full(trained_tensors(module)),
            "optim": processes.optimizer_state(wrapped, optimizer),
            "halfway": halfway,
        }


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for kind, value in expected.items():
        if isinstance(value, dict):
            assert list(found[kind]) == list(value)
        # the issue asks for 1e-6; float64 gives more
        torch.testing.assert_close(found[kind], value, rtol=1e-9, atol=1e-11, msg=lambda text: f"{kind}: {text}")  # noqa: B023


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    return train(settings("none"), (0, N_STEPS))


def test_all_that_trains_is_in_the_state(alone):
    names = [name for name, p in Net().named_parameters() if p.requires_grad]
    assert sorted(alone["model"]) == sorted([*names, "prompts"])
    assert sorted(alone["optim"]) == sorted(
        f"{name}.{slot}" for name in names for slot in ("exp_avg", "exp_avg_sq", "step")
    )
    assert alone["losses"][-1] < alone["losses"][0]


@pytest.fixture(scope="module")
def together() -> Callable[[str], list[dict[str, Any]]]:
    """Return a function that trains on two processes, once."""
    return functools.cache(lambda parallel: launch(train, settings(parallel), (0, N_STEPS)))


@pytest.mark.parametrize("parallel", ["auto", "fsdp"])
def test_two_processes_train_as_one_does(parallel, alone, together):
    for found in together(parallel):
        assert_same(found, alone)


@pytest.mark.parametrize("parallel", ["auto", "fsdp"])
def test_one_process_goes_on_from_the_checkpoint_of_two(parallel, alone, together):
    for written in together(parallel):
        found = train(settings("none"), (HALF, N_STEPS), written["halfway"])
        assert_same(found, {name: alone[name] for name in ("model", "optim")})


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_go_on_from_the_checkpoint_of_one(parallel, alone):
    for found in launch(train, settings(parallel), (HALF, N_STEPS), alone["halfway"]):
        assert_same(found, {name: alone[name] for name in ("model", "optim")})


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_gradients_accumulate_and_blocks_are_computed_again(parallel, alone):
    for found in launch(train, settings(parallel, gradient_checkpointing=True), (0, N_STEPS), None, True):
        assert_same(found, alone)


def learn_and_use_alone(parallel: str) -> dict[str, Any]:
    loop = settings(parallel)
    with Processes.start(loop) as processes:
        net = Net()
        with torch.no_grad():  # all start from the weights of the main process
            net.head.bias += processes.rank
            net.log_scale += processes.rank
        wrapped = processes.wrap(net, loop)
        trained = processes.unwrap(wrapped)
        batch_loss(wrapped(samples())).backward()
        with torch.no_grad():
            for parameter in trained.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad
        together = wrapped(samples())["embedding"].detach()
        processes.finish(wrapped, net)
        found: dict[str, Any] = {"together": together}
        if processes.is_main:
            found |= {"state": dict(net.state_dict()), "alone": net(samples())["embedding"].detach()}
        processes.barrier()
        return found


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_all_start_from_one_module_and_one_can_use_what_they_made_of_it(parallel):
    net = Net()
    batch_loss(net(samples())).backward()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    expected = net(samples())["embedding"]
    found = launch(learn_and_use_alone, parallel)
    torch.testing.assert_close(found[0]["state"], dict(net.state_dict()))
    for embedded in (found[0]["together"], found[1]["together"], found[0]["alone"]):
        torch.testing.assert_close(embedded, expected)


def hear_warning_and_error() -> list[str]:
    with Processes.start(settings("fsdp")) as processes, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        processes.wrap(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), settings("fsdp"))
        with pytest.raises(ValueError, match="fp16") as error:
            processes.wrap(Net(), settings("fsdp", precision="fp16"))
        return [str(caught[0].message), str(error.value)]


def test_what_parts_of_a_batch_or_of_a_module_cannot_do_is_said():
    for warning, error in launch(hear_warning_and_error):
        assert "'1': batch normalisation sees one process's share" in warning
        assert error.startswith("precision 'fp16' with parallel 'fsdp' cannot train parameters without axes")
        assert error.endswith("('log_scale'); choose 'bf16', or parallel 'ddp'.")


def train_prompt_model(parallel: str, **options: Any) -> dict[str, Any]:
    """Return losses and weights of a small CLIP with adapters in both towers, fed from the cached prefix."""
    pytest.importorskip("open_clip")
    from alignkit.models import AdapterConfig
    from alignkit.models._prompt_model import PromptModel

    loop = settings(parallel, **options)
    with Processes.start(loop) as processes, torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        adapter = AdapterConfig(kind="dora", rank=2, dropout=0.0, image_blocks=2, text_blocks=1)
        prompts = ["a red thing", "an animal", "a tool"]
        model = PromptModel.build(make_towers(layers=3), prompts, adapter, affine=True)
        hidden, goal = model.image.prefix(torch.randn(11, 3, 32, 32)), 50 * torch.rand(11, 3)
        wrapped = processes.wrap(model, loop).train()
        module = processes.unwrap(wrapped)
        optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 1e-6)
        losses = []
        for step in range(2):
            index = torch.tensor(ORDER.batch(step).index)
            own = torch.tensor(share(ORDER.batch(step), processes.rank, processes.world_size).index)
            loss = ((processes.gather(wrapped({"hidden": hidden[own]})) - goal[index]) ** 2).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
        return {"losses": torch.stack(losses), "model": processes.full(trained_tensors(module))}


@pytest.mark.slow
def test_adapters_in_both_towers_are_sharded_as_anything_else():
    expected = train_prompt_model("none")
    for found in launch(train_prompt_model_again):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def train_prompt_model_again() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other libraries'
        return train_prompt_model("fsdp", gradient_checkpointing=True)


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True])
def test_compiled_blocks_give_the_same(again, alone, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    if not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        pytest.skip("no C++ compiler at hand, which torch.compile needs on a CPU")
    from torch._inductor import config as inductor

    # plain C++ will do: trying out which vector instructions there are takes longer than all else; and no other
    # processes are to import torch
    fast = inductor.patch({"cpp.vec_isa_ok": False, "compile_threads": 1})
    with fast, warnings.catch_warnings():
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
