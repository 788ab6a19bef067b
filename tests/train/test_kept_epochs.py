"""Models of whole epochs that a run keeps: whole or not there, and nothing but copies of what trains."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import types
from errno import ENOSPC

import pytest
import torch
from reference.launch import launch
from reference.toy_method.config import ToyConfig as MethodConfig
from reference.toy_tasks import RegressionTask, ToyConfig, TripletTask, train, train_together

from alignkit.train import LoopConfig, OptimConfig, rerun, run
from alignkit.train import _kept_epochs as module
from alignkit.train._kept_epochs import KeptEpochs
from alignkit.train._methods import METHODS
from alignkit.train._processes import Processes
from alignkit.train._run_folder import RunFolder

OPTIM = OptimConfig(lr=0.02, schedule="cosine", warmup=3, clip=2.0, weight_decay=0.1)


def loop_of(**settings):
    # three steps an epoch
    return LoopConfig(**{"epochs": 4, "batch_size": 8, "device": "cpu", "progress": False, **settings})


def names(path):
    return sorted(item.name for item in (path / "epochs").iterdir())


def exported(path, epoch):
    return json.loads((path / "epochs" / f"{epoch:04d}" / "model.json").read_text())


def plain(tensors):
    return {name: value.tolist() for name, value in tensors.items()}


def writing(text):
    return lambda folder: (folder / "model.json").write_text(text)


@pytest.mark.parametrize("known", [True, False])
def test_a_folder_is_replaced_as_a_whole(tmp_path, monkeypatch, known):
    if not known:  # systems that cannot swap two folders
        monkeypatch.setattr(module, "exchange", lambda first, second: False)
    kept = KeptEpochs(tmp_path / "epochs", 2)
    assert [epoch for epoch in range(6) if kept.due(epoch)] == [0, 2, 4]
    kept.keep(2, writing("a"))
    kept.keep(2, writing("b"))
    assert names(tmp_path) == ["0002"]
    assert (tmp_path / "epochs" / "0002" / "model.json").read_text() == "b"
    assert not KeptEpochs(tmp_path / "epochs", None).due(0)


def test_what_was_half_written_is_deleted_and_what_fails_leaves_nothing(tmp_path):
    kept = KeptEpochs(tmp_path / "epochs", 1)
    kept.keep(1, writing("a"))

    def full(folder):
        (folder / "model.json").write_text("half")
        raise OSError(ENOSPC, "No space left on device")

    with pytest.raises(
        OSError, match=r"model of epoch 1 could not be kept in .* \(No space left on device\). Make room"
    ):
        kept.keep(1, full)
    assert (tmp_path / "epochs" / "0001" / "model.json").read_text() == "a"

    def nothing(folder):
        msg = "no dimension is left."
        raise ValueError(msg)

    with pytest.warns(UserWarning, match=r"the model of epoch 2 is not kept in .*: no dimension is left."):
        kept.keep(2, nothing)
    (tmp_path / "epochs" / ".0003.12345678.tmp").mkdir()
    (tmp_path / "epochs" / ".0003.12345678.tmp" / "model.json").write_text("half")
    kept.tidy()
    assert names(tmp_path) == ["0001"]
    kept.forget()
    kept.forget()
    assert not (tmp_path / "epochs").exists()


class Drawing(RegressionTask):
    """Draws random numbers, and computes with its module, whenever it is exported."""

    def export(self, folder):
        torch.rand(7)
        assert not self.module.training
        self.module(self.x_val)
        super().export(folder)


@pytest.mark.filterwarnings("ignore:.*batch normalisation")
@pytest.mark.parametrize("settings", [{}, {"ema": 0.8}, {"accumulate": 2}], ids=str)
def test_keeping_epochs_changes_no_bit_and_they_are_the_weights_of_their_time(tmp_path, settings):
    def task():
        return Drawing(dropout=0.3, batch_norm=True)

    whole, other = task(), task()
    loop = loop_of(**settings, keep_last=9)
    before = plain(whole.module.state_dict())
    with_epochs = dataclasses.replace(loop, keep_epochs=2)
    history = train(tmp_path / "with", whole, with_epochs, OPTIM)
    assert history.steps[-1].losses == train(tmp_path / "without", other, loop, OPTIM).steps[-1].losses
    assert plain(whole.module.state_dict()) == plain(other.module.state_dict())
    assert not (tmp_path / "without" / "epochs").exists()
    assert names(tmp_path / "with") == ["0000", "0002", "0004"]
    assert exported(tmp_path / "with", 0) == before
    kind = "ema" if loop.ema else "model"
    for path, mine in (("with", with_epochs), ("without", loop)):
        with RunFolder.open(tmp_path / path, ToyConfig(loop=mine, optim=OPTIM)) as folder:
            for epoch in (2, 4):
                state = folder.checkpoints._read(3 * epoch)
                found = exported(tmp_path / "with", epoch)
                for name, p in whole.module.named_parameters():
                    if p.requires_grad:
                        assert found[name] == state.tensors[f"{kind}.{name}"].tolist()


def stop_at(task, step, action):
    original, count = task.loss, iter(range(1, 10**9))

    def loss(self, *args):
        if next(count) == step:
            action()
        return original(*args)

    task.loss = types.MethodType(loss, task)
    return task


class Killed(Exception):
    """Stands for a process that is gone."""


def test_a_run_that_goes_on_writes_epochs_after_its_checkpoint_again(tmp_path):
    loop = loop_of(keep_epochs=1, checkpoint_every=5, validate_every=50)
    train(tmp_path / "whole", TripletTask(), loop, OPTIM)

    def kill():
        raise Killed

    path = tmp_path / "cut"
    with pytest.raises(Killed):
        train(path, stop_at(TripletTask(), 8, kill), loop, OPTIM)
    assert names(path) == ["0000", "0001", "0002"]
    (path / "epochs" / "0002" / "model.json").write_text("of another time")
    (path / "epochs" / ".0003.0badcafe.tmp").mkdir()
    train(path, TripletTask(), loop, OPTIM)  # from step 5, before the end of epoch 2
    assert names(path) == names(tmp_path / "whole") == ["0000", "0001", "0002", "0003", "0004"]
    for epoch in range(5):
        assert exported(path, epoch) == exported(tmp_path / "whole", epoch)


def test_an_interrupted_run_has_every_epoch_once(tmp_path):
    loop = loop_of(keep_epochs=1)
    train(tmp_path / "whole", TripletTask(), loop, OPTIM)
    for step in (3, 1):
        task = stop_at(TripletTask(), step, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(SystemExit):
            train(tmp_path / "cut", task, loop, OPTIM)
    train(tmp_path / "cut", TripletTask(), loop, OPTIM)
    assert names(tmp_path / "cut") == ["0000", "0001", "0002", "0003", "0004"]
    for epoch in range(5):
        assert exported(tmp_path / "cut", epoch) == exported(tmp_path / "whole", epoch)


def test_a_part_of_an_epoch_is_not_kept(tmp_path):
    train(tmp_path / "run", RegressionTask(), loop_of(keep_epochs=1, max_steps=7), OPTIM)
    assert names(tmp_path / "run") == ["0000", "0001", "0002"]


def test_epochs_of_other_settings_that_never_trained_are_deleted(tmp_path):
    loop = loop_of(keep_epochs=1)
    with RunFolder.open(tmp_path / "run", ToyConfig(loop=loop, optim=OPTIM)) as folder:
        folder.epochs.keep(0, writing("{}"))
    train(tmp_path / "run", RegressionTask(), dataclasses.replace(loop, keep_epochs=None), OPTIM)
    assert not (tmp_path / "run" / "epochs").exists()


def test_a_rerun_keeps_the_same_epochs(tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS, "ToyConfig", ("reference.toy_method.task", "build"))
    monkeypatch.chdir(tmp_path)
    loop = dataclasses.replace(MethodConfig().loop, keep_epochs=3)
    run(dataclasses.replace(MethodConfig(), out=tmp_path / "a", loop=loop))
    rerun("a", out="b")
    assert names(tmp_path / "a") == names(tmp_path / "b") == ["0000", "0003", "0006"]
    for epoch in (0, 3, 6):
        assert exported(tmp_path / "a", epoch) == exported(tmp_path / "b", epoch)


def together(path, parallel):
    loop = loop_of(keep_epochs=2, ema=0.8, parallel=parallel)
    task = TripletTask()
    with Processes.start(loop) as processes:
        train_together(path, task, loop, OPTIM, processes)
        return processes.full(dict(task.module.named_parameters()))


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_keep_what_one_does(tmp_path, parallel):
    train(tmp_path / "one", TripletTask(), loop_of(keep_epochs=2, ema=0.8), OPTIM)
    launch(together, tmp_path / "two", parallel)
    assert names(tmp_path / "two") == ["0000", "0002", "0004"]
    for epoch in (0, 2, 4):
        found, expected = exported(tmp_path / "two", epoch), exported(tmp_path / "one", epoch)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(torch.tensor(found[name]), torch.tensor(value), rtol=1e-6, atol=1e-8)
