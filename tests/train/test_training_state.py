from __future__ import annotations

import copy

import pytest
import torch
from reference.toy_tasks import RegressionTask, TripletTask

from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._processes import Processes
from alignkit.train._training_state import TrainingState, warn_of_dead

ALONE = Processes(device=torch.device("cpu"))


def state_of(task, **loop):
    return TrainingState(task.module, LoopConfig(**loop), OptimConfig(), processes=ALONE)


def move(state, task):
    """Take some steps, so that every part of the state has changed."""
    for _ in range(3):
        loss = (task.module(task.x) ** 2).mean()
        loss.backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        if state.ema is not None:
            state.ema.update()
    state.step, state.seconds = 3, 1.5
    state.monitor.update(2, {"loss": 0.5})


def test_a_checkpoint_holds_what_trains_and_nothing_frozen():
    task = RegressionTask(batch_norm=True)
    state = state_of(task, ema=0.9)
    names = set(state.to_checkpoint({}).tensors)
    assert "model.0.weight" not in names
    assert not any(name.startswith("model.1.running") for name in names)  # as they were made
    move(state, task)
    tensors = state.to_checkpoint({}).tensors
    trained = {"1.weight", "1.bias", "4.weight", "4.bias", "6.weight", "6.bias"}
    moved = {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert {name[6:] for name in tensors if name.startswith("model.")} == trained | moved
    assert {name[4:] for name in tensors if name.startswith("ema.")} == trained
    slots = {f"{name}.{slot}" for name in trained for slot in ("step", "exp_avg", "exp_avg_sq")}
    assert {name[6:] for name in tensors if name.startswith("optim.")} == slots
    assert {name for name in tensors if name.startswith("rng.")} == {"rng.0.cpu"}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_it_comes_back_bit_by_bit(precision):
    task, twin = RegressionTask(batch_norm=True), RegressionTask(batch_norm=True)
    state = state_of(task, ema=0.9, precision=precision)
    move(state, task)
    if precision == "fp16":
        state.precision.scaler.load_state_dict({**state.precision.scaler.state_dict(), "scale": 128.0})
    kept = state.to_checkpoint({"epoch": 2})
    tensors = copy.deepcopy(kept.tensors)
    move(state, task)  # what was kept does not follow
    for name, value in tensors.items():
        assert torch.equal(kept.tensors[name], value), name
    again = state_of(twin, ema=0.9, precision=precision)
    again.restore(kept)
    back = again.to_checkpoint({"epoch": 2})
    assert back.values == kept.values
    assert (back.step, back.values["seconds"], back.values["epoch"]) == (3, 1.5, 2)
    assert back.values["scaler"].get("scale", 128.0) == 128.0
    assert back.tensors.keys() == kept.tensors.keys()
    for name, value in kept.tensors.items():
        assert torch.equal(back.tensors[name], value), name


def test_the_best_weights_are_the_averaged_ones_where_there_are_any():
    task = RegressionTask(batch_norm=True)
    state = state_of(task, ema=0.9)
    first = state.to_checkpoint({})
    move(state, task)
    kept = state.to_checkpoint({})
    for averaged, kind in ((True, "ema"), (False, "model")):
        state.restore_weights(kept, averaged=averaged)
        assert all(torch.equal(p, kept.tensors[f"{kind}.{name}"]) for name, p in state.parameters.items())
    state.restore_weights(first, averaged=True)
    assert task.module[1].num_batches_tracked == 0


def test_state_of_another_module_is_refused():
    kept = state_of(TripletTask()).to_checkpoint({})
    with pytest.raises(ValueError, match="does not fit the module that is trained"):
        state_of(RegressionTask()).restore(kept)


def test_parameters_that_nothing_computes_with_are_named():
    used, dead = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    used.grad = torch.ones(1)
    warn_of_dead({"used": used})
    with pytest.warns(UserWarning, match="the loss does not depend on 'dead', which should train"):
        warn_of_dead({"used": used, "dead": dead})
