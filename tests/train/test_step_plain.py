"""Plain accumulation: the mean of the parts' own losses, by hand, on one process and on two."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch
from reference.launch import attempt, launch
from reference.pair_towers import TwoTowers, loop_contrastive, pairs
from reference.toy_tasks import RegressionTask, TripletTask

from alignkit.train import LoopConfig
from alignkit.train._batch import make_batches
from alignkit.train._contrastive import contrastive_loss
from alignkit.train._order import Order
from alignkit.train._precision import Precision
from alignkit.train._processes import Processes
from alignkit.train._step import Gradients

CPU = torch.device("cpu")
ALONE = Processes(device=CPU)
#: A batch that three parts cannot share equally.
N = 11
#: Which samples of the batch (by their place in it) are in which part, for one process and for two.
PARTS = {
    1: [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9, 10]],
    2: [[0, 1, 6, 7], [2, 3, 8], [4, 5, 9, 10]],
}


class Pairs:
    """The whole of a task that a step needs, with a contrastive loss."""

    def __init__(self, *, exchanges: bool = False) -> None:
        self.module, self.exchanges = TwoTowers(bias=None), exchanges
        self.image, self.text = pairs(20)

    def inputs(self, samples):
        index = torch.tensor(samples.index)
        return self.image[index], self.text[index]

    def targets(self, samples):
        return None

    def loss(self, outputs, targets, *, processes=None):
        loss = contrastive_loss(outputs["image"], outputs["text"], outputs["scale"], processes=processes)
        return {"loss": loss, "twice": 2 * loss.detach()}

    def names(self, samples):
        return [f"pair{i}" for i in samples.index]


TASKS = {
    "regression": RegressionTask,
    "triplets": TripletTask,
    "pairs": Pairs,
    "exchange": lambda: Pairs(exchanges=True),
}


def batch_of():
    return Order(n_samples=20, batch_size=N, seed=0).batch(0)


def gradients(kind, *, plain=True, n_parts=3, processes=ALONE, loop=None, seen=None, precision="fp32"):
    """Return losses and gradients by name, as the loop gets them."""
    task = TASKS[kind]()
    module = task.module if loop is None else processes.wrap(task.module, loop)
    if seen is not None:
        module.register_forward_hook(lambda *_: seen.append(1))
    ranks = {"rank": processes.rank, "world_size": processes.world_size}
    batches = make_batches(task, batch_of(), accumulate=n_parts, plain=plain, pin=False, **ranks)
    losses = Gradients(task, module, Precision(precision, CPU), processes, seed=0).accumulate(batches, 0)
    named = {name: p.grad for name, p in processes.unwrap(module).named_parameters() if p.grad is not None}
    return losses, processes.full(named)


def by_hand(kind, world_size):
    """Return the loss and gradients of a loop over parts."""
    task, batch, total = TASKS["pairs" if kind == "exchange" else kind](), batch_of(), 0.0
    for places in PARTS[world_size]:
        samples = batch[np.array(places)]
        outputs = task.module(task.inputs(samples))
        if kind in ("pairs", "exchange"):
            loss = loop_contrastive(**outputs)
        else:
            loss = task.loss(outputs, task.targets(samples))["loss"]
        (loss * len(places) / N).backward()
        total += loss.item() * len(places) / N
    return total, {name: p.grad for name, p in task.module.named_parameters() if p.grad is not None}


def check(found, expected):
    losses, named = found
    loss, gradients_by_hand = expected
    assert float(losses["loss"]) == pytest.approx(loss, rel=1e-12)
    if "twice" in losses:
        assert losses["twice"] == pytest.approx(2 * loss, rel=1e-12)
    assert set(named) == set(gradients_by_hand)
    for name, gradient in gradients_by_hand.items():
        torch.testing.assert_close(named[name], gradient, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", TASKS)
def test_it_is_the_mean_of_the_parts_in_one_forward_pass(kind):
    seen = []
    check(gradients(kind, seen=seen), by_hand(kind, 1))
    assert len(seen) == 3


def differs(kind):
    (one, plain), (other, exact) = gradients(kind), gradients(kind, plain=False)
    return abs(one["loss"] - other["loss"]) > 0.01 or any(
        (plain[name] - exact[name]).norm() > 0.05 * exact[name].norm() for name in exact
    )


def test_it_is_exact_for_means_over_samples_alone():
    (loss, plain), (_, exact) = gradients("regression"), gradients("regression", plain=False)
    check((loss, plain), (gradients("regression", n_parts=1)[0]["loss"], exact))
    assert differs("pairs")
    assert differs("triplets")


def together(parallel, kinds):
    loop = LoopConfig(device="cpu", parallel=parallel, accumulate=3, accumulation="plain")
    with Processes.start(loop) as processes:
        return [gradients(kind, processes=processes, loop=loop) for kind in kinds]


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_part_is_that_of_all_processes(parallel):
    kinds = ["regression", "pairs", "exchange"] if parallel == "ddp" else ["pairs", "exchange"]
    for of_rank in launch(together, parallel, kinds):
        for kind, found in zip(kinds, of_rank, strict=True):
            check(found, by_hand(kind, 2))


def break_third(*_):
    loop = LoopConfig(device="cpu", parallel="ddp", accumulate=3, accumulation="plain")
    with Processes.start(loop) as processes:
        TASKS["pairs"] = broken
        gradients("pairs", processes=processes, loop=loop)


def broken():
    task, count = Pairs(), iter(range(1, 100))
    original = task.loss

    def loss(self, outputs, targets, **named):
        return {"loss": original(outputs, targets)["loss"] * (float("nan") if next(count) == 2 else 1)}

    task.loss = types.MethodType(loss, task)
    return task


def test_a_loss_that_is_no_number_names_the_items_of_its_part(monkeypatch):
    monkeypatch.setitem(TASKS, "broken", broken)
    for world_size in (1, 2):
        names = ", ".join(f"'pair{batch_of().index[place]}'" for place in PARTS[world_size][1])
        message = f"the loss is nan at step 1; part 2 of the batch holds {names}."
        if world_size == 1:
            with pytest.raises(FloatingPointError, match=message):
                gradients("broken")
        else:
            assert all(message in outcome["error"] for outcome in attempt(break_third))


def test_parts_draw_other_numbers_as_those_of_exact_accumulation_do():
    """Dropout of a part does not depend on how gradients are accumulated."""
    task = RegressionTask(dropout=0.5)
    task.module.train()
    drawn = {}
    for plain in (False, True):
        task.module.zero_grad()
        made = make_batches(task, batch_of(), accumulate=3, plain=plain, rank=0, world_size=1, pin=False)
        losses = Gradients(task, task.module, Precision("fp32", CPU), ALONE, seed=5).accumulate(made, 7)
        drawn[plain] = losses["loss"], task.module[3].weight.grad.clone()
    assert drawn[True][0] == pytest.approx(drawn[False][0], rel=1e-12)
    torch.testing.assert_close(drawn[True][1], drawn[False][1], rtol=1e-10, atol=1e-13)


def test_half_precision_scales_every_part():
    exact = gradients("triplets")[1]
    half = Precision("fp16", CPU)
    scaled = gradients("triplets", precision="fp16")[1]
    for name, gradient in exact.items():
        scale = half.scaler.get_scale()
        assert (scaled[name] / scale - gradient).norm() < 0.1 * gradient.norm()
