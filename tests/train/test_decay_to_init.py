"""Decay to initial weights against its closed form, beside other settings of the optimiser, and in resumed runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from reference.toy_method.config import ToyConfig
from torch import nn

from alignkit.train import OptimConfig, run
from alignkit.train._decay_to_init import decay_to_init
from alignkit.train._methods import METHODS
from alignkit.train._optim import make_optimizer, set_rate


def parameters(seed: int = 0) -> dict[str, nn.Parameter]:
    rng = np.random.default_rng(seed)
    shapes = {"weight": (4, 3), "bias": (4,)}
    return {name: nn.Parameter(torch.from_numpy(rng.normal(size=shape))) for name, shape in shapes.items()}


def test_without_a_gradient_the_distance_shrinks_by_one_minus_the_rate():
    those = parameters()
    optimizer = make_optimizer(those, OptimConfig(lr=0.1, weight_decay=0.0, decay_to_init=1.0))
    first = {name: p.detach().clone() for name, p in those.items()}
    with torch.no_grad():
        for p in those.values():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1), dtype=p.dtype))
    away = {name: p.detach() - first[name] for name, p in those.items()}
    for step in range(1, 6):
        for p in those.values():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        for name, p in those.items():
            np.testing.assert_allclose(p.detach() - first[name], away[name] * 0.9**step, atol=1e-14)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("decay_all", [False, True])
def test_a_step_is_adams_plus_the_pull(weight_decay, decay_all):
    config = OptimConfig(lr=0.05, weight_decay=weight_decay, decay_all=decay_all, decay_to_init=0.7)
    those = parameters()
    first = {name: p.detach().numpy().copy() for name, p in those.items()}
    theta = {name: value.copy() for name, value in first.items()}
    mean = {name: np.zeros_like(value) for name, value in first.items()}
    square = {name: np.zeros_like(value) for name, value in first.items()}
    optimizer = make_optimizer(those, config)
    rng = np.random.default_rng(3)
    for step, rate in enumerate([0.05, 0.02, 0.3, 0.1], start=1):
        set_rate(optimizer, rate)
        for name, p in those.items():
            gradient = rng.normal(size=p.shape)
            p.grad = torch.from_numpy(gradient)
            mean[name] = 0.9 * mean[name] + 0.1 * gradient
            square[name] = 0.999 * square[name] + 0.001 * gradient**2
            adam = mean[name] / (1 - 0.9**step) / (np.sqrt(square[name] / (1 - 0.999**step)) + 1e-8)
            decay = weight_decay if decay_all or p.ndim >= 2 else 0.0
            pull = decay * theta[name] + 0.7 * (theta[name] - first[name])
            theta[name] = theta[name] - rate * (adam + pull)
        optimizer.step()
        for name, p in those.items():
            np.testing.assert_allclose(p.detach(), theta[name], rtol=1e-12, atol=1e-13)


def test_a_factor_of_the_rate_is_one_of_the_pull():
    those = parameters()
    optimizer = make_optimizer(those, OptimConfig(lr=1.0, weight_decay=0.0, decay_to_init=1.0), {"bias": 0.5})
    set_rate(optimizer, 0.2)
    first = {name: p.detach().clone() for name, p in those.items()}
    for p in those.values():
        p.grad = torch.zeros_like(p)
        p.detach().add_(1.0)
    optimizer.step()
    assert float((those["weight"].detach() - first["weight"]).mean()) == pytest.approx(0.8)
    assert float((those["bias"].detach() - first["bias"]).mean()) == pytest.approx(0.9)


def test_what_has_no_gradient_and_a_rate_of_zero_stay():
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], lr=0.0, weight_decay=0.0)
    decay_to_init(optimizer, 1.0)
    weight.detach().add_(1.0)
    weight.grad = torch.ones(3)
    optimizer.step()
    assert weight.tolist() == [2.0, 2.0, 2.0]
    optimizer.param_groups[0]["lr"] = 0.1
    weight.grad = None
    optimizer.step()
    assert weight.tolist() == [2.0, 2.0, 2.0]


def test_a_share_that_is_no_share_is_refused():
    with pytest.raises(ValueError, match="decay_to_init must be"):
        OptimConfig(decay_to_init=-1.0)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setitem(METHODS, "ToyConfig", ("reference.toy_method.task", "build"))


def toy_run(out: str, **optim: float) -> Path:
    config = ToyConfig(out=Path(out))
    return run(dataclasses.replace(config, optim=dataclasses.replace(config.optim, **optim))).path


@pytest.mark.usefixtures("toy")
def test_a_run_that_is_cut_off_goes_on_pulled_to_its_first_weights(tmp_path, monkeypatch):
    whole = toy_run("whole", decay_to_init=5.0)
    from reference.toy_method import task as toy_task

    plain = toy_task.SlowTask.loss
    calls: list[int] = []

    def stops(self, outputs, targets):
        calls.append(1)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return plain(self, outputs, targets)

    monkeypatch.setattr(toy_task.SlowTask, "loss", stops)
    with pytest.raises(KeyboardInterrupt):
        toy_run("cut", decay_to_init=5.0)
    monkeypatch.setattr(toy_task.SlowTask, "loss", plain)
    cut = toy_run("cut", decay_to_init=5.0)
    assert (cut / "model.json").read_bytes() == (whole / "model.json").read_bytes()
    same = dataclasses.replace(ToyConfig().optim, decay_to_init=5.0)
    words = run(ToyConfig(out=Path("cut"), optim=same)).methods_text()
    assert "decoupled decay 5 to the initial weights" in words
    assert (toy_run("free") / "model.json").read_bytes() != (whole / "model.json").read_bytes()
