"""Two processes train as one does."""

from __future__ import annotations

import os
import signal
import types

import pytest
import torch
from reference.launch import attempt, launch
from reference.toy_tasks import RegressionTask, TripletTask, train, train_together

from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._processes import Processes

OPTIM = OptimConfig(lr=0.02, schedule="cosine", warmup=3, clip=2.0)
TASKS = {"triplets": TripletTask, "regression": RegressionTask}


def loop_of(**settings):
    # 20 samples in batches of 7: unequal shares, and a smaller last batch
    return LoopConfig(**{"epochs": 3, "batch_size": 7, "device": "cpu", "progress": False, "ema": 0.8, **settings})


def summary(history):
    return {
        "train": [(r.step, r.epoch, r.samples, r.losses["loss"], r.lr, r.grad_norm) for r in history.steps],
        "val": [(r.step, r.metrics["loss"]) for r in history.validations],
    }


def train_in(path, kind, settings):
    """Return what this process saw, and the weights that it was left with."""
    loop, task = loop_of(**settings), TASKS[kind]()
    with Processes.start(loop) as processes:
        history = train_together(path, task, loop, OPTIM, processes)
        return {**summary(history), "weights": processes.full(dict(task.module.named_parameters()))}


def stop_in(path, kind, settings, rank, step):
    """Train until a signal comes to one of the processes."""
    loop, task = loop_of(**settings), TASKS[kind]()
    original, count = task.loss, iter(range(1, 10**9))

    def loss(self, *args):
        if next(count) == step and processes.rank == rank:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*args)

    task.loss = types.MethodType(loss, task)
    with Processes.start(loop) as processes:
        try:
            train_together(path, task, loop, OPTIM, processes)
        except SystemExit as left:
            return left.code
    return 0


def check_equal(got, expected):
    assert [row[:3] for row in got["train"]] == [row[:3] for row in expected["train"]]
    for name in ("train", "val"):
        torch.testing.assert_close(torch.tensor(got[name]), torch.tensor(expected[name]), rtol=1e-6, atol=1e-9)
    assert got["weights"].keys() == expected["weights"].keys()
    for name, value in expected["weights"].items():
        torch.testing.assert_close(got["weights"][name], value, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("kind", "parallel", "accumulate"),
    [("triplets", "ddp", 3), ("triplets", "fsdp", 3), ("regression", "ddp", 1), ("regression", "fsdp", 1)],
)
def test_two_processes_train_as_one_does(tmp_path, kind, parallel, accumulate):
    expected = train_in(tmp_path / "one", kind, {})
    for found in launch(train_in, tmp_path / "two", kind, {"parallel": parallel, "accumulate": accumulate}):
        check_equal(found, expected)


def test_a_signal_to_one_process_stops_both_and_one_goes_on_alone(tmp_path):
    expected = train_in(tmp_path / "one", "triplets", {})
    assert launch(stop_in, tmp_path / "two", "triplets", {}, 1, 5) == [143, 143]
    with pytest.warns(UserWarning, match=r"goes on in other circumstances: .*processes 1 \(was 2\)"):
        check_equal(train_in(tmp_path / "two", "triplets", {}), expected)


@pytest.mark.slow
def test_two_processes_go_on_to_the_same_bits(tmp_path):
    whole = launch(train_in, tmp_path / "whole", "triplets", {"accumulate": 2})
    assert launch(stop_in, tmp_path / "cut", "triplets", {"accumulate": 2}, 1, 4) == [143, 143]
    for got, expected in zip(launch(train_in, tmp_path / "cut", "triplets", {"accumulate": 2}), whole, strict=True):
        assert got["train"] == expected["train"]
        assert all(torch.equal(got["weights"][name], value) for name, value in expected["weights"].items())


def diverge(path):
    task = TripletTask()
    task.loss = lambda outputs, targets: {"loss": outputs["embedding"].sum() * float("nan")}
    task.validate = lambda module, processes: {"loss": 1.0}
    train(path, task, loop_of(), OPTIM)


def test_all_processes_say_that_the_loss_is_no_number(tmp_path):
    outcomes = attempt(diverge, tmp_path / "run")
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert "ValueError: the loss is nan at step 1; the batch holds 'item" in outcome["error"]
