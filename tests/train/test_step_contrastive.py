"""Contrastive losses in parts and processes: always the gradient of the whole batch, of scale and bias too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from reference.launch import attempt, launch
from reference.pair_towers import TwoTowers, loop_contrastive, loop_siglip, pairs
from torch.utils._python_dispatch import TorchDispatchMode

from alignkit.train import LoopConfig
from alignkit.train._batch import make_batch
from alignkit.train._contrastive import contrastive_loss
from alignkit.train._order import Order, Samples, share
from alignkit.train._precision import Precision
from alignkit.train._processes import Processes
from alignkit.train._siglip import siglip_loss
from alignkit.train._step import Gradients

CPU = torch.device("cpu")
KINDS = ("contrastive", "siglip")
#: Of so many pairs is the batch; the parts of a process are then not equally large.
N = 11


class PairTask:
    """Learn which image and text belong together."""

    n_samples = N

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.module = TwoTowers(bias=-2.0 if kind == "siglip" else None)
        self.image, self.text = pairs(N)

    def inputs(self, samples: Samples) -> tuple[torch.Tensor, torch.Tensor]:
        index = torch.tensor(samples.index)
        return self.image[index], self.text[index]

    def targets(self, samples: Samples) -> None:
        return None

    def loss(self, outputs: Mapping[str, torch.Tensor], targets: None) -> Mapping[str, torch.Tensor]:
        if self.kind == "siglip":
            return {"loss": siglip_loss(outputs["image"], outputs["text"], outputs["scale"], outputs["bias"])}
        return {"loss": contrastive_loss(outputs["image"], outputs["text"], outputs["scale"])}

    def validate(self, module: torch.nn.Module, *, processes: Processes) -> Mapping[str, float]:
        return {}

    def names(self, samples: Samples) -> Sequence[str]:
        return [f"pair{i}" for i in samples.index]

    def export(self, folder: Path) -> None:
        """Nothing to keep."""


class ExchangingTask(PairTask):
    """The same, with losses that get what they need of other processes themselves."""

    exchanges = True

    def __init__(self, kind: str, broken: int | None = None) -> None:
        super().__init__(kind)
        self.broken = broken

    def targets(self, samples: Samples) -> torch.Tensor:
        return torch.tensor(samples.index)

    def loss(
        self, outputs: Mapping[str, torch.Tensor], targets: torch.Tensor, *, processes: Processes
    ) -> Mapping[str, torch.Tensor]:
        order = Order(n_samples=N, batch_size=N, seed=0).batch(0)
        assert targets.tolist() == share(order, processes.rank, processes.world_size).index.tolist()
        assert len(outputs["image"]) == len(targets)
        if processes.rank == self.broken:
            return {"loss": outputs["image"].sum() * float("nan")}
        if self.broken is not None:
            return {"loss": outputs["image"].sum()}
        if self.kind == "siglip":
            scale, bias = outputs["scale"], outputs["bias"]
            return {"loss": siglip_loss(outputs["image"], outputs["text"], scale, bias, processes=processes)}
        return {"loss": contrastive_loss(outputs["image"], outputs["text"], outputs["scale"], processes=processes)}


def gradients(
    kind: str,
    n_parts: int,
    processes: Processes | None = None,
    loop: LoopConfig | None = None,
    task: PairTask | None = None,
):
    """Return the loss and the gradients by name, as the loop gets them."""
    task, processes = task or PairTask(kind), processes or Processes(device=CPU)
    module = task.module if loop is None else processes.wrap(task.module, loop)
    samples = Order(n_samples=N, batch_size=N, seed=0).batch(0)
    batch = make_batch(
        task, samples, accumulate=n_parts, rank=processes.rank, world_size=processes.world_size, pin=False
    )
    assert len(batch.parts) == n_parts
    losses = Gradients(task, module, Precision("fp32", CPU), processes, seed=0).compute(batch, 0)
    trained = processes.unwrap(module)
    return losses["loss"], processes.full({name: p.grad for name, p in trained.named_parameters()})


def whole(kind: str) -> SimpleNamespace:
    """Return loss and gradients of the batch by plain loops over pairs."""
    task = PairTask(kind)
    out = task.module((task.image, task.text))
    loss = (loop_siglip if kind == "siglip" else loop_contrastive)(**out)
    loss.backward()
    named = {name: p.grad for name, p in task.module.named_parameters()}
    assert {"log_scale"} < set(named)
    assert ("bias" in named) == (kind == "siglip")
    return SimpleNamespace(loss=loss.item(), gradients=named)


def check(kind: str, loss: float, found: dict[str, torch.Tensor]) -> None:
    expected = whole(kind)
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    assert set(found) == set(expected.gradients)
    for name, gradient in expected.gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("n_parts", [1, 2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_in_any_number_of_parts_are_the_whole_batchs(kind, n_parts):
    check(kind, *gradients(kind, n_parts))


@pytest.mark.parametrize("kind", KINDS)
def test_one_and_four_parts_give_one_gradient_of_scale_and_bias(kind):
    (_, whole_batch), (_, parts) = gradients(kind, 1), gradients(kind, 4)
    for name in ("log_scale", "bias") if kind == "siglip" else ("log_scale",):
        assert whole_batch[name].abs() > 1e-3
        torch.testing.assert_close(parts[name], whole_batch[name], rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_accumulation_would_be_another_gradient(kind):
    """The toy pairs tell the two apart; otherwise the tests here would show nothing."""
    _, exact = gradients(kind, 1)
    task = PairTask(kind)
    for part in (slice(0, 6), slice(6, N)):
        n = part.stop - part.start
        outputs = task.module((task.image[part], task.text[part]))
        (task.loss(outputs, None)["loss"] * n / N).backward()
    plain = {name: p.grad for name, p in task.module.named_parameters()}
    assert torch.linalg.norm(plain["image.weight"] - exact["image.weight"]) > 0.05 * exact["image.weight"].norm()


def distributed(parallel: str) -> list[dict[str, torch.Tensor]]:
    loop = LoopConfig(device="cpu", parallel=parallel, accumulate=2)
    with Processes.start(loop) as processes:
        found = []
        for kind in KINDS:
            loss, named = gradients(kind, 2, processes, loop)
            found.append({"loss": torch.tensor(loss, dtype=torch.float64)} | named)
        return found


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_of_two_parts_are_one_batch(parallel):
    for of_rank in launch(distributed, parallel):
        for kind, found in zip(KINDS, of_rank, strict=True):
            check(kind, found.pop("loss").item(), found)


@pytest.mark.parametrize("n_parts", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_one_process_exchanges_with_itself(kind, n_parts):
    check(kind, *gradients(kind, n_parts, task=ExchangingTask(kind)))


def exchanging(parallel: str, n_parts: int) -> list[dict[str, torch.Tensor]]:
    loop = LoopConfig(device="cpu", parallel=parallel, accumulate=n_parts)
    with Processes.start(loop) as processes:
        found = []
        for kind in KINDS:
            loss, named = gradients(kind, n_parts, processes, loop, ExchangingTask(kind))
            found.append({"loss": torch.tensor(loss, dtype=torch.float64)} | named)
        return found


@pytest.mark.parametrize(("parallel", "n_parts"), [("ddp", 1), ("ddp", 4), ("fsdp", 4)])
def test_losses_that_exchange_themselves_have_the_whole_batchs_gradient(parallel, n_parts):
    for of_rank in launch(exchanging, parallel, n_parts):
        for kind, found in zip(KINDS, of_rank, strict=True):
            check(kind, found.pop("loss").item(), found)


def largest_products() -> list[int]:
    """Return how many scores of pairs this process computes, with and without the exchange."""
    loop, found = LoopConfig(device="cpu", parallel="ddp"), []
    with Processes.start(loop) as processes:
        for task in (PairTask("contrastive"), ExchangingTask("contrastive")):
            with Largest() as largest:
                gradients("contrastive", 1, processes, loop, task)
            found.append(largest.n)
    return found


class Largest(TorchDispatchMode):
    """How many numbers the largest product of two matrices has."""

    n = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **kwargs or {})
        if func is torch.ops.aten.mm.default:
            self.n = max(self.n, result.numel())
        return result


def test_each_process_compares_its_own_rows_alone():
    shares = [5, 6]  # of 11 pairs
    found = launch(largest_products)
    assert [whole_batch for whole_batch, _ in found] == [N * N, N * N]
    assert sorted(own for _, own in found) == [n * N for n in shares]


def break_one(rank: int) -> None:
    loop = LoopConfig(device="cpu", parallel="ddp")
    with Processes.start(loop) as processes:
        gradients("contrastive", 2, processes, loop, ExchangingTask("contrastive", broken=rank))


def test_a_loss_that_is_no_number_on_one_process_ends_all():
    for outcome in attempt(break_one, 1):
        assert "FloatingPointError: the loss is nan at step 1; the batch holds 'pair" in outcome["error"]


def spoil_one() -> None:
    loop, task = LoopConfig(device="cpu", parallel="ddp"), ExchangingTask("siglip")
    task.image[7] = float("inf")
    with Processes.start(loop) as processes:
        gradients("siglip", 2, processes, loop, task)


def test_items_whose_outputs_are_no_numbers_are_named_on_all_processes():
    for outcome in attempt(spoil_one):
        assert "the model gives no finite numbers for 'pair7'.\n" in outcome["error"]
