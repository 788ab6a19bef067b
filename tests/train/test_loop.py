from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import types

import numpy as np
import pytest
import torch
from reference.toy_tasks import RegressionTask, ToyConfig, TripletTask, train
from reference.training import train_plainly

from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._loop import fit
from alignkit.train._order import Order
from alignkit.train._processes import Processes
from alignkit.train._run_folder import RunFolder

OPTIM = OptimConfig(lr=0.02, schedule="cosine", warmup=3, clip=2.0, weight_decay=0.1)


def loop_of(**settings):
    return LoopConfig(**{"epochs": 4, "batch_size": 8, "device": "cpu", "progress": False, **settings})


def weights(task):
    return {name: value.clone() for name, value in task.module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def lines_of(path):
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in ("seconds", "data_seconds")} for line in lines]


def newest(path, loop, optim=OPTIM):
    with RunFolder.open(path, ToyConfig(loop=loop, optim=optim)) as folder:
        return folder.checkpoints.newest()


class Killed(Exception):
    """Stands for a process that is gone."""


def at_step(task, step, action, *, method="loss"):
    """Let a task do something within the ``step``-th step of a session, from 1."""
    original, count = getattr(task, method), iter(range(1, 10**9))

    def called(self, *args, **named):
        if next(count) == step:
            action()
        return original(*args, **named)

    setattr(task, method, types.MethodType(called, task))
    return task


def kill():
    raise Killed


@pytest.mark.parametrize("settings", [{}, {"ema": 0.75}, {"drop_last": True}, {"accumulate": 3}], ids=str)
@pytest.mark.parametrize("task_of", [RegressionTask, TripletTask])
def test_it_trains_as_a_plain_loop_does(tmp_path, task_of, settings):
    task, twin = task_of(), task_of()
    loop = loop_of(**settings)
    history = train(tmp_path / "run", task, loop, OPTIM)
    order = Order(n_samples=20, batch_size=8, seed=0, drop_last=loop.drop_last)
    n_steps = 4 * order.steps_per_epoch
    rates = [record.lr for record in history.steps]
    losses, norms, averages = train_plainly(twin, order, n_steps, rates, optim=OPTIM, ema=loop.ema)
    assert [record.step for record in history.steps] == list(range(1, n_steps + 1))
    np.testing.assert_allclose([record.losses["loss"] for record in history.steps], losses, rtol=1e-9)
    np.testing.assert_allclose([record.grad_norm for record in history.steps], norms, rtol=1e-9)
    assert max(norms) > OPTIM.clip > min(norms)
    assert history.best_step == n_steps
    for name, p in twin.module.named_parameters():
        expected = averages.get(name, p) if loop.ema else p
        torch.testing.assert_close(task.module.get_parameter(name), expected, rtol=1e-9, atol=1e-12)


def slow_data(task, seconds):
    """Let every batch take so long to make."""
    original = task.inputs
    task.inputs = lambda samples: time.sleep(seconds) or original(samples)
    return task


def test_it_says_how_long_it_waited_for_data_and_remembers_it_over_a_pause(tmp_path, capsys):
    loop = loop_of(checkpoint_every=1, progress=True)
    cut = at_step(slow_data(RegressionTask(), 0.1), 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit):
        train(tmp_path / "run", cut, loop, OPTIM)
    kept = newest(tmp_path / "run", loop).values["data_seconds"]
    # nothing makes the first batch of a session ahead
    assert 0.1 <= kept < newest(tmp_path / "run", loop).values["seconds"]
    assert "% waiting for data" in capsys.readouterr().err
    history = train(tmp_path / "run", slow_data(RegressionTask(), 0.1), loop, OPTIM)
    assert [r.data_seconds for r in history.steps][4] == kept
    assert history.steps[5].data_seconds >= kept + 0.1
    assert history.data_stall() > 0.05
    assert "of the time waiting for data" in repr(history)


def test_a_checkpoint_that_does_not_know_the_waiting_goes_on(tmp_path):
    loop = loop_of(checkpoint_every=1)
    cut = at_step(RegressionTask(), 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit):
        train(tmp_path / "run", cut, loop, OPTIM)
    for path in (tmp_path / "run" / "checkpoints").glob("*.json"):
        manifest = json.loads(path.read_text())
        del manifest["values"]["data_seconds"]
        path.write_text(json.dumps(manifest))
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_text(re.sub(r', "data_seconds": [^,}]+', "", log.read_text()))
    history = train(tmp_path / "run", RegressionTask(), loop, OPTIM)
    assert [record.data_seconds for record in history.steps[:2]] == [0, 0]
    assert history.steps[-1].data_seconds > 0


def test_plain_accumulation_trains_the_same_where_losses_are_means_over_samples(tmp_path):
    whole, plain = RegressionTask(), RegressionTask()
    train(tmp_path / "whole", whole, loop_of(), OPTIM)
    train(tmp_path / "plain", plain, loop_of(accumulate=3, accumulation="plain"), OPTIM)
    for name, p in whole.module.named_parameters():
        torch.testing.assert_close(plain.module.get_parameter(name), p, rtol=1e-9, atol=1e-12)


def test_lines_count_steps_epochs_and_samples(tmp_path):
    history = train(tmp_path / "run", RegressionTask(), loop_of(max_steps=8), OPTIM)
    assert history.n_steps == 8
    assert [(r.epoch, r.samples) for r in history.steps] == [
        (1, 8), (1, 16), (1, 20), (2, 28), (2, 36), (2, 40), (3, 48), (3, 56)
    ]  # fmt: skip
    assert [record.step for record in history.validations] == [0, 3, 6, 8]
    lines = lines_of(tmp_path / "run")
    assert lines[0]["step"] == 0
    assert list(lines[0]) == ["step", "val"]
    assert list(lines[1]) == ["step", "epoch", "samples", "loss", "lr", "grad_norm"]
    seconds = [record.seconds for record in history.steps]
    assert seconds == sorted(seconds)
    waited = [record.data_seconds for record in history.steps]
    assert 0 < waited[0] <= waited[-1] < seconds[-1]
    assert waited == sorted(waited)
    dropped = train(tmp_path / "other", RegressionTask(), loop_of(drop_last=True, epochs=2), OPTIM)
    assert [(r.epoch, r.samples) for r in dropped.steps] == [(1, 8), (1, 16), (2, 24), (2, 32)]


HARD = {"ema": 0.9, "accumulate": 2, "log_every": 2}


@pytest.mark.filterwarnings("ignore:.*batch normalisation")
@pytest.mark.parametrize(
    ("stop", "number"), [(1, signal.SIGTERM), (5, signal.SIGINT), (9, signal.SIGTERM), (12, signal.SIGINT)]
)
def test_a_run_that_was_interrupted_comes_to_the_same_bits(tmp_path, stop, number):
    def task():
        return RegressionTask(dropout=0.3, batch_norm=True)

    loop, whole, again = loop_of(**HARD), task(), task()
    train(tmp_path / "whole", whole, loop, OPTIM)
    cut = at_step(task(), stop, lambda: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit) as left:
        train(tmp_path / "cut", cut, loop, OPTIM)
    if number == signal.SIGTERM:
        assert left.value.code == 143
    assert newest(tmp_path / "cut", loop).step == stop
    train(tmp_path / "cut", again, loop, OPTIM)
    assert same(weights(whole), weights(again))
    assert lines_of(tmp_path / "whole") == lines_of(tmp_path / "cut")


@pytest.mark.parametrize("kills", [[1], [6], [2, 7, 3]])
def test_a_run_that_was_killed_comes_to_the_same_bits(tmp_path, kills):
    def task():
        return TripletTask(dropout=0.3)

    loop, whole, again = loop_of(**HARD, checkpoint_every=2, validate_every=5), task(), task()
    train(tmp_path / "whole", whole, loop, OPTIM)
    for step in kills:
        with pytest.raises(Killed):
            train(tmp_path / "cut", at_step(task(), step, kill, method="targets"), loop, OPTIM)
    train(tmp_path / "cut", again, loop, OPTIM)
    assert same(weights(whole), weights(again))
    assert lines_of(tmp_path / "whole") == lines_of(tmp_path / "cut")
    assert newest(tmp_path / "cut", loop).tensors.keys() == newest(tmp_path / "whole", loop).tensors.keys()
    for name, value in newest(tmp_path / "whole", loop).tensors.items():
        assert torch.equal(newest(tmp_path / "cut", loop).tensors[name], value), name


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(tmp_path):
    loop = loop_of()
    with pytest.raises(Killed):
        train(tmp_path / "run", at_step(RegressionTask(), 1, kill, method="validate"), loop, OPTIM)
    assert train(tmp_path / "run", RegressionTask(), loop, OPTIM).best_step == 12


def test_a_finished_run_is_loaded_not_repeated(tmp_path):
    first, again = RegressionTask(), RegressionTask()
    history = train(tmp_path / "run", first, loop_of(), OPTIM)
    at_step(again, 1, kill)
    assert train(tmp_path / "run", again, loop_of(), OPTIM) == history
    assert same(weights(first), weights(again))


def scripted(task, values):
    """Let validation give these numbers, one after the other."""
    numbers = iter(values)
    task.validate = lambda module, processes: {"rdm": next(numbers), "loss": 0.0}
    return task


def test_it_stops_when_patience_is_at_its_end_and_keeps_the_best(tmp_path):
    settings = {"epochs": 50, "monitor": "rdm", "mode": "max", "validate_every": 2}
    task, twin = RegressionTask(), RegressionTask()
    loop, optim = loop_of(**settings, patience=2), OptimConfig(lr=0.02)
    history = train(tmp_path / "run", scripted(task, [0.1, 0.3, 0.5, 0.4, 0.5, 0.9]), loop, optim)
    assert (history.stopped, history.best_step, history.best, history.last_step) == ("patience", 4, 0.5, 8)
    assert history.n_steps == 150
    kept = newest(tmp_path / "run", loop, optim)
    assert (kept.step, kept.values["monitor"]) == (8, {"best": 0.5, "best_step": 4, "n_worse": 2})
    train(tmp_path / "short", scripted(twin, [0.1, 0.3, 0.5]), loop_of(**settings, max_steps=4), optim)
    assert same(weights(task), weights(twin))
    assert train(tmp_path / "run", RegressionTask(), loop, optim) == history  # and it stays stopped


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_metrics_that_are_no_numbers_are_never_the_best(tmp_path, mode, odd):
    task, twin, loop = RegressionTask(), RegressionTask(), {"monitor": "rdm", "mode": mode}
    with pytest.warns(UserWarning, match="validation gives .* for 'rdm' at step 0; such weights are not") as caught:
        history = train(tmp_path / "run", scripted(task, [odd, odd, 0.5, odd, 0.5]), loop_of(**loop), OPTIM)
    assert len(caught) == 1
    assert (history.best_step, history.best) == (6, 0.5)
    state = at_step(twin, 7, kill)
    with pytest.raises(Killed):
        train(tmp_path / "short", state, loop_of(), OPTIM)
    kept = newest(tmp_path / "short", loop_of())
    assert kept.step == 6
    for name, p in task.module.named_parameters():
        if p.requires_grad:
            assert torch.equal(p, kept.tensors[f"model.{name}"])


def test_batch_normalisation_in_parts_is_told(tmp_path):
    with pytest.warns(UserWarning, match="'1': batch normalisation sees one process's share or part of a batch alone"):
        train(tmp_path / "run", RegressionTask(24, batch_norm=True), loop_of(accumulate=2), OPTIM)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_outputs_that_are_detached_are_refused(tmp_path, accumulate):
    task = RegressionTask()
    layers = list(task.module)
    task.module.forward = lambda x: torch.nn.Sequential(*layers)(x).detach()
    with pytest.raises(ValueError, match=r"depend.* on nothing that trains"):
        train(tmp_path / "run", task, loop_of(accumulate=accumulate), OPTIM)


def test_weights_of_another_validation_never_stand_for_the_best(tmp_path):
    values = {"epochs": 6, "monitor": "rdm", "mode": "max", "keep_last": 4}
    loop, path = loop_of(**values), tmp_path / "run"
    train(path, scripted(RegressionTask(), [0.1, 0.2, 0.3, 0.5, 0.6, 0.4, 0.4]), loop, OPTIM)
    (path / "checkpoints" / "step-000000012.safetensors").write_bytes(b"damaged")
    message = r"checkpoint of the best validation, of step 12, in .* is gone or damaged; delete it and those of later"
    with pytest.warns(UserWarning, match="the best checkpoint"), pytest.raises(ValueError, match=message):
        train(path, RegressionTask(), loop, OPTIM)
    for step in (12, 15, 18):
        (path / "checkpoints" / f"step-{step:09d}.json").unlink()
    history = train(path, scripted(RegressionTask(), [0.6, 0.4, 0.4]), loop, OPTIM)
    assert (history.best_step, len(history.validations)) == (12, 7)


def test_the_untrained_model_is_kept_where_training_only_harms(tmp_path):
    task = RegressionTask()
    before = weights(task)
    history = train(tmp_path / "run", task, loop_of(patience=1), OptimConfig(lr=50.0))
    assert (history.best_step, history.stopped, history.last_step) == (0, "patience", 3)
    assert same(before, weights(task))


def test_validation_sees_the_averaged_weights_in_evaluation_mode_and_training_goes_on(tmp_path):
    task = RegressionTask(dropout=0.5)
    seen, modes = [], []

    def validate(module, processes):
        modes.append((module.training, torch.is_grad_enabled()))
        seen.append(weights(task))
        return {"loss": float(len(seen))}

    task.validate = validate
    task.module[3].register_forward_hook(lambda module, *_: modes.append(module.training))
    train(tmp_path / "run", task, loop_of(ema=0.5, epochs=1, keep_last=9, checkpoint_every=1), OPTIM)
    assert modes == [(False, False), True, True, True, (False, False)]
    state = newest(tmp_path / "run", loop_of(ema=0.5, epochs=1, keep_last=9, checkpoint_every=1))
    for name, p in task.module.named_parameters():
        if p.requires_grad:
            assert torch.equal(seen[1][name], state.tensors[f"ema.{name}"])
            assert not torch.equal(seen[1][name], state.tensors[f"model.{name}"])


def nan_at(task, step):
    count = iter(range(1, 10**9))
    original = task.loss

    def loss(outputs, targets):
        losses = original(outputs, targets)
        return {"loss": losses["loss"] * float("nan")} if next(count) == step else losses

    task.loss = loss
    return task


def test_a_loss_that_is_no_number_stops_and_leaves_the_last_checkpoint(tmp_path):
    order = Order(n_samples=20, batch_size=8, seed=0)
    names = ", ".join(repr(f"item{i}") for i in order.batch(4).index)
    loop = loop_of(checkpoint_every=2)
    message = f"the loss is nan at step 5; the batch holds {names}. The checkpoint of step 4 in"
    with pytest.raises(ValueError, match=re.escape(message)):
        train(tmp_path / "run", nan_at(RegressionTask(), 5), loop, OPTIM)
    assert newest(tmp_path / "run", loop).step == 4
    whole, again = RegressionTask(), RegressionTask()
    train(tmp_path / "whole", whole, loop, OPTIM)
    train(tmp_path / "run", again, loop, OPTIM)
    assert same(weights(whole), weights(again))


def test_a_gradient_that_is_no_number_stops_too(tmp_path):
    task = RegressionTask()
    task.loss = lambda outputs, targets: {"loss": (outputs - outputs.detach()).abs().sqrt().sum()}
    match = r"the gradient's norm is nan at step 1 \(no parameter's is finite\); the batch holds 'item.* step 0 in"
    with pytest.raises(ValueError, match=match):
        train(tmp_path / "run", task, loop_of(), OPTIM)


def test_the_parameter_whose_gradient_is_no_number_is_named(tmp_path):
    task = RegressionTask()
    name, parameter = next((name, p) for name, p in reversed(list(task.module.named_parameters())) if p.requires_grad)
    parameter.register_hook(lambda gradient: gradient * float("inf"))
    match = rf"at step 1 \(that of '{re.escape(name)}' is not finite\); the batch holds 'item"
    with pytest.raises(ValueError, match=match):
        train(tmp_path / "run", task, loop_of(), OPTIM)


def test_float16_leaves_out_steps_that_overflow_and_resumes_its_scale(tmp_path):
    def task():
        return RegressionTask(dtype=torch.float32, dropout=0.2)

    loop, whole, again = loop_of(precision="fp16", ema=0.9), task(), task()
    history = train(tmp_path / "whole", whole, loop, OPTIM)
    assert history.best < history.validations[0].metrics["loss"]
    overflowed = [not np.isfinite(record.grad_norm) for record in history.steps]
    assert 0 < sum(overflowed) < len(overflowed)
    with pytest.raises(SystemExit):
        train(tmp_path / "cut", at_step(task(), 5, lambda: os.kill(os.getpid(), signal.SIGTERM)), loop, OPTIM)
    assert newest(tmp_path / "cut", loop).values["scaler"]["scale"] < 65536.0
    train(tmp_path / "cut", again, loop, OPTIM)
    assert same(weights(whole), weights(again))
    assert lines_of(tmp_path / "whole") == lines_of(tmp_path / "cut")


def test_bfloat16_learns(tmp_path):
    history = train(tmp_path / "run", RegressionTask(dtype=torch.float32), loop_of(precision="bf16"), OPTIM)
    assert history.best < history.validations[0].metrics["loss"]


def test_the_callers_random_numbers_and_module_are_left_alone(tmp_path):
    task = RegressionTask(dropout=0.5)
    frozen = task.module[0].weight.clone()
    torch.manual_seed(11)
    before = torch.get_rng_state()
    train(tmp_path / "run", task, loop_of(), OPTIM)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(frozen, task.module[0].weight)


def test_it_trains_in_another_thread(tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(train(tmp_path / "run", RegressionTask(), loop_of(), OPTIM)))
    thread.start()
    thread.join()
    assert done[0].best_step == 12


def test_parameters_without_a_gradient_are_named(tmp_path):
    task = RegressionTask()
    task.module.spare = torch.nn.Linear(2, 2)
    task.module.forward = lambda x: torch.nn.Sequential(*list(task.module.children())[:-1])(x)
    with pytest.warns(UserWarning, match="the loss does not depend on 'spare.weight', 'spare.bias'"):
        train(tmp_path / "run", task, loop_of(epochs=1), OPTIM)


@pytest.mark.parametrize(
    ("settings", "optim", "message"),
    [
        ({"monitor": "rdm"}, OPTIM, "monitor names 'rdm', which validation does not give; it gives 'loss'"),
        ({"max_steps": 2}, OPTIM, "optim.warmup is 3 steps, but the run has 2"),
        ({"batch_size": 21, "drop_last": True}, OPTIM, "not one whole batch"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, settings, optim, message):
    with pytest.raises(ValueError, match=message):
        train(tmp_path / "run", RegressionTask(), loop_of(**settings), optim)


def test_more_processes_than_samples_are_refused(tmp_path):
    loop = loop_of(batch_size=19)
    two = Processes(device=torch.device("cpu"), world_size=2)
    with (
        RunFolder.open(tmp_path / "run", ToyConfig(loop=loop, optim=OPTIM)) as folder,
        pytest.raises(ValueError, match="20 training samples in batches of 19 leave a batch of 1 to 2 processes"),
    ):
        fit(RegressionTask(), loop, OPTIM, folder=folder, processes=two)


def test_the_bar_is_shown_where_asked_for(tmp_path, capsys):
    train(tmp_path / "run", RegressionTask(), loop_of(progress=True), OPTIM)
    assert "step 12/12" in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_gpu_trains_as_the_cpu_does(tmp_path, accumulate):
    task, twin = TripletTask(), TripletTask()
    settings = {"accumulate": accumulate, "ema": 0.9}
    on_gpu = train(tmp_path / "gpu", task, loop_of(**settings, device="cuda"), OPTIM)
    on_cpu = train(tmp_path / "cpu", twin, loop_of(**settings), OPTIM)
    losses = [[record.losses["loss"] for record in history.steps] for history in (on_gpu, on_cpu)]
    np.testing.assert_allclose(*losses, rtol=1e-9)
    for name, p in twin.module.named_parameters():
        torch.testing.assert_close(task.module.get_parameter(name).cpu(), p, rtol=1e-8, atol=1e-11)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_gpu_learns_in_half_precision(tmp_path, precision):
    task = RegressionTask(dtype=torch.float32, dropout=0.1)
    history = train(tmp_path / "run", task, loop_of(precision=precision, device="cuda"), OPTIM)
    assert history.best < history.validations[0].metrics["loss"]


def test_the_last_weights_are_kept_where_the_mode_says_so(tmp_path):
    last, best = RegressionTask(), RegressionTask()
    rising = OptimConfig(lr=0.4)  # too fast to end at its best
    history = train(tmp_path / "last", last, loop_of(mode="last"), rising)
    of_best = train(tmp_path / "best", best, loop_of(), rising)
    assert history.best_step == history.n_steps == history.last_step
    assert of_best.best_step < history.best_step
    assert not same(weights(last), weights(best))
    kept = newest(tmp_path / "last", loop_of(mode="last"), rising)
    assert all(
        torch.equal(kept.tensors[f"model.{name}"], p) for name, p in last.module.named_parameters() if p.requires_grad
    )
    assert "the last, whatever its validation loss was" in history.methods_text()


def test_a_task_may_bound_what_trains_after_every_step(tmp_path):
    free, bounded = TripletTask(), TripletTask()
    seen = []

    def after_step(self, module):
        with torch.no_grad():
            module.log_scale.clamp_(min=0.5)
        seen.append(float(module.log_scale.detach()))

    bounded.after_step = types.MethodType(after_step, bounded)
    train(tmp_path / "free", free, loop_of(mode="last"), OPTIM)
    history = train(tmp_path / "bounded", bounded, loop_of(mode="last"), OPTIM)
    assert float(free.module.log_scale.detach()) < 0.5 <= float(bounded.module.log_scale.detach())
    assert len(seen) == history.n_steps
