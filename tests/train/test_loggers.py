from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest

from alignkit.train import LoopConfig
from alignkit.train._loggers import flat, open_loggers

STEP = {"step": 3, "epoch": 1, "samples": 24, "loss": 0.5, "lr": 0.1, "grad_norm": 2.0, "seconds": 1.5}
VALIDATION = {"step": 4, "val": {"loss": 0.25, "rdm": 0.75}}


def fake(monkeypatch, name, **content):
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, name, module)


def test_none_are_opened_that_nobody_asked_for(tmp_path):
    assert open_loggers(LoopConfig(), tmp_path, step=0) == []


def test_numbers_are_named_by_their_split():
    assert dict(flat(VALIDATION)) == {"val/loss": 0.25, "val/rdm": 0.75}
    assert dict(flat(STEP))["train/loss"] == 0.5
    assert "train/step" not in dict(flat(STEP))


def test_tensorboard_gets_every_number_and_forgets_what_comes_after_the_step(monkeypatch, tmp_path):
    calls = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            calls.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            calls.append((name, value, step))

        def close(self):
            calls.append("closed")

    fake(monkeypatch, "tensorboard")
    fake(monkeypatch, "torch.utils.tensorboard", SummaryWriter=SummaryWriter)
    (logger,) = open_loggers(LoopConfig(tensorboard=True), tmp_path, step=7)
    logger.log(VALIDATION)
    logger.close()
    assert calls == [(tmp_path / "tensorboard", 8), ("val/loss", 0.25, 4), ("val/rdm", 0.75, 4), "closed"]


def test_a_wandb_run_goes_on_under_its_name(monkeypatch, tmp_path):
    calls, logged = [], []

    def init(**settings):
        calls.append(settings)
        return SimpleNamespace(log=lambda line, step: logged.append((line, step)), finish=lambda: logged.append("done"))

    fake(monkeypatch, "wandb", init=init)
    for _ in range(2):
        (logger,) = open_loggers(LoopConfig(wandb="people"), tmp_path, step=0)
        logger.log(VALIDATION)
        logger.close()
    assert calls[0] == calls[1]
    assert calls[0]["project"] == "people"
    assert calls[0]["resume"] == "allow"
    other = tmp_path / "other"
    other.mkdir()
    open_loggers(LoopConfig(wandb="people"), other, step=0)
    assert calls[2]["id"] != calls[0]["id"]
    assert logged == [({"val/loss": 0.25, "val/rdm": 0.75}, 4), "done"] * 2


@pytest.mark.parametrize(("settings", "package"), [({"tensorboard": True}, "tensorboard"), ({"wandb": "p"}, "wandb")])
def test_a_missing_package_is_named(monkeypatch, tmp_path, settings, package):
    monkeypatch.setattr("alignkit.train._loggers.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=f"loop.{package} needs the package '{package}'; .* pip install {package}"):
        open_loggers(LoopConfig(**settings), tmp_path, step=0)
