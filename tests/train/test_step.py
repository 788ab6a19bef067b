from __future__ import annotations

import types

import numpy as np
import pytest
import torch
from reference.toy_tasks import RegressionTask, TripletTask

from alignkit.train._batch import make_batch
from alignkit.train._order import Order, Samples
from alignkit.train._precision import Precision
from alignkit.train._processes import Processes
from alignkit.train._seeded import seed_of
from alignkit.train._step import Gradients

CPU = torch.device("cpu")
#: Of float16 losses.
SCALE = 1024.0
ALONE = Processes(device=CPU)


def samples(n=7, seed=0):
    return Order(n_samples=20, batch_size=n, seed=seed).batch(1)


def gradients(task, n_parts, *, step=3, precision="fp32", batch=None):
    """Return losses and gradients by name, as the loop gets them."""
    batch = batch or samples()
    task.module.train()
    task.module.zero_grad()
    made = make_batch(task, batch, accumulate=n_parts, rank=0, world_size=1, pin=False)
    half = Precision(precision, CPU)
    if half.scales:
        half.scaler.load_state_dict({**half.scaler.state_dict(), "scale": SCALE})
    losses = Gradients(task, task.module, half, ALONE, seed=5).compute(made, step)
    return losses, {name: p.grad for name, p in task.module.named_parameters()}


def plain_gradients(task, outputs, batch):
    named = {name: p for name, p in task.module.named_parameters() if p.requires_grad}
    loss = task.loss(outputs, task.targets(batch))["loss"]
    return float(loss.detach()), dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))


@pytest.mark.parametrize("n_parts", [1, 2, 3, 4, 7, 50])
@pytest.mark.parametrize("task", [TripletTask(), RegressionTask()], ids=["triplets", "regression"])
def test_gradients_are_the_whole_batchs_in_any_number_of_parts(task, n_parts):
    losses, got = gradients(task, n_parts)
    loss, expected = plain_gradients(task, task.module(task.inputs(samples())), samples())
    assert losses == {"loss": pytest.approx(loss, rel=1e-12)}
    assert {name for name, gradient in got.items() if gradient is not None} == set(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-10, atol=1e-13)


def test_the_scale_without_axes_gets_its_gradient_once():
    task = TripletTask()
    (_, whole), (_, parts) = gradients(task, 1), gradients(task, 4)
    assert whole["log_scale"].abs() > 1e-3
    torch.testing.assert_close(parts["log_scale"], whole["log_scale"], rtol=1e-12, atol=0)


def test_plain_accumulation_would_be_another_gradient():
    """The toy loss tells the two apart; otherwise the tests above would show nothing."""
    task, batch = TripletTask(), samples(8)
    _, exact = gradients(task, 2, batch=batch)
    halves = [plain_gradients(task, task.module(task.inputs(half)), half)[1] for half in (batch[:4], batch[4:])]
    plain = (halves[0]["log_scale"] + halves[1]["log_scale"]) / 2
    assert abs(plain - exact["log_scale"]) > 0.01 * abs(plain)


@pytest.mark.parametrize("n_parts", [1, 3])
def test_dropout_is_the_same_in_both_passes_and_a_pure_function_of_the_step(n_parts):
    task, batch = TripletTask(dropout=0.5), samples()
    losses, got = gradients(task, n_parts)
    torch.manual_seed(123)
    again, same = gradients(task, n_parts)
    assert losses == again
    assert all(torch.equal(got[name], same[name]) for name in got)
    assert gradients(task, n_parts, step=4)[0] != losses
    made = make_batch(task, batch, accumulate=n_parts, rank=0, world_size=1, pin=False)
    outputs = []
    for part, inputs in enumerate(made.parts):
        torch.manual_seed(seed_of(5, 3, 0, part))
        outputs.append(task.module(inputs))
    joined = {"embedding": torch.cat([part["embedding"] for part in outputs]), "scale": outputs[0]["scale"]}
    loss, expected = plain_gradients(task, joined, batch)
    assert losses["loss"] == pytest.approx(loss, rel=1e-12)
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("n_parts", [1, 2])
def test_running_means_move_once_per_part(n_parts):
    task, twin = RegressionTask(batch_norm=True), RegressionTask(batch_norm=True)
    gradients(task, n_parts, batch=samples(8))
    made = make_batch(twin, samples(8), accumulate=n_parts, rank=0, world_size=1, pin=False)
    for inputs in made.parts:
        twin.module(inputs)
    for name, buffer in twin.module.named_buffers():
        assert torch.equal(dict(task.module.named_buffers())[name], buffer), name


@pytest.mark.parametrize("n_parts", [1, 2])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_gives_float32_losses_and_nearly_the_same_gradients(precision, n_parts):
    task = RegressionTask(dtype=torch.float32)
    losses, got = gradients(task, n_parts, precision=precision)
    scale = SCALE if precision == "fp16" else 1.0
    exact_losses, exact = gradients(RegressionTask(dtype=torch.float32), 1)
    assert losses["loss"] == pytest.approx(exact_losses["loss"], rel=0.05)
    for name in (name for name, gradient in exact.items() if gradient is not None):
        assert got[name].dtype == torch.float32
        assert torch.linalg.norm(got[name] / scale - exact[name]) < 0.05 * torch.linalg.norm(exact[name])


def with_loss(task, loss):
    task.loss = types.MethodType(lambda self, outputs, targets: loss(outputs), task)
    return task


class Broken(RegressionTask):
    def inputs(self, samples: Samples):
        return self.x[torch.tensor(samples.index)] * torch.tensor(np.where(samples.index == 3, np.nan, 1.0))[:, None]


@pytest.mark.parametrize("n_parts", [1, 3])
def test_a_loss_that_is_no_number_names_the_step_and_the_items(n_parts):
    batch = Samples(np.array([5, 3, 7, 1]), np.arange(4), 0)
    with pytest.raises(
        FloatingPointError, match=r"the loss is nan at step 4; the model gives no finite numbers for 'item3'.$"
    ):
        gradients(Broken(), n_parts, batch=batch)
    task = with_loss(RegressionTask(), lambda outputs: {"loss": outputs.sum() / 0})
    with pytest.raises(FloatingPointError, match=r"at step 4; the batch holds 'item5', 'item3', 'item7', 'item1'.$"):
        gradients(task, n_parts, batch=batch)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda x: {"mse": x.sum()}, "must give a value named 'loss'; it gives 'mse'"),
        (lambda x: {"loss": x.sum(dim=0)}, r"loss 'loss' must be one number, as a tensor; it has shape \(1,\)"),
        (lambda x: {"loss": 0.5}, r"loss 'loss' must be one number, as a tensor; it is 0.5"),
        (lambda x: x.sum(), "must give a value named 'loss'; it gives a Tensor"),
        (lambda x: {"loss": torch.ones(())}, "the loss has no gradient: it does not depend on the outputs"),
        (lambda x: {"loss": x.sum(), "lr": x.sum()}, "may not be named 'lr'"),
    ],
)
def test_losses_of_another_kind_are_refused(loss, message):
    with pytest.raises(ValueError, match=message):
        gradients(with_loss(RegressionTask(), loss), 1)


class Wrong(torch.nn.Module):
    def __init__(self, give):
        super().__init__()
        self.give = give
        self.w = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x):
        return self.give(x * self.w)


def test_outputs_need_a_row_per_sample_or_no_axes():
    task = with_loss(RegressionTask(), lambda outputs: {"loss": outputs["x"].sum()})
    task.module = Wrong(lambda x: {"x": x[:2]})
    with pytest.raises(ValueError, match="output 'x' has 2 rows for a batch of 7 samples; it must give one per sample"):
        gradients(task, 1)
    task.module = Wrong(lambda x: x[:2])
    with pytest.raises(ValueError, match="module's output has 2 rows for a batch of 7"):
        gradients(task, 1)
    task.module = Wrong(lambda x: {"x": x.sum()})
    gradients(task, 1)
    with pytest.raises(ValueError, match="'x' has no axes, but depends on the samples"):
        gradients(task, 2)


def test_outputs_that_the_loss_leaves_out_train_nothing():
    task = with_loss(RegressionTask(), lambda outputs: {"loss": outputs["x"].sum()})
    task.module = Wrong(lambda x: {"x": x, "flag": x > 0, "n": torch.tensor(3)})
    _, whole = gradients(task, 1)
    _, parts = gradients(task, 3)
    torch.testing.assert_close(whole, parts)


def test_the_loop_takes_inputs_of_any_nesting():
    task = RegressionTask()
    task.inputs = lambda s: {"x": [task.x[torch.tensor(s.index)]], "name": "a"}
    inner = task.module
    task.module = torch.nn.Module()
    task.module.inner = inner
    task.module.forward = lambda inputs: inner(inputs["x"][0])
    assert gradients(task, 2)[0]["loss"] == pytest.approx(gradients(RegressionTask(), 1)[0]["loss"])
