"""Contrastive losses on several processes: which of the four ways to gather has the gradient of the whole batch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from reference.launch import launch
from reference.pair_towers import N_PAIRS, TwoTowers, loop_contrastive, pairs
from torch import nn

from alignkit.train import LoopConfig
from alignkit.train._contrastive import contrastive_loss
from alignkit.train._processes import Processes

#: local_loss, gather_with_grad.
COMBINATIONS = list(itertools.product([False, True], repeat=2))


def embedded(module: nn.Module, inputs: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    out = module(inputs)
    return out["image"], out["text"], out["scale"]


def encoder_gradient(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for name, p in module.named_parameters() if name != "log_scale"])


def whole_batch() -> dict[str, torch.Tensor]:
    module = TwoTowers(bias=None)
    loss = loop_contrastive(*embedded(module, pairs()))
    loss.backward()
    return {"loss": loss.detach(), "encoders": encoder_gradient(module), "scale": module.log_scale.grad}


def distributed(bounds: list[int]) -> list[dict[str, torch.Tensor]]:
    """Return loss and gradients of this process under DDP, for each combination."""
    loop = LoopConfig(device="cpu", parallel="ddp")
    found = []
    with Processes.start(loop) as processes:
        part = slice(bounds[processes.rank], bounds[processes.rank + 1])
        for local, with_grad in COMBINATIONS:
            module = TwoTowers(bias=None)
            wrapped = processes.wrap(module, loop)
            image, text, scale = embedded(wrapped, tuple(x[part] for x in pairs()))
            loss = contrastive_loss(image, text, scale, local=local, with_grad=with_grad, processes=processes)
            loss.backward()
            found.append({"loss": loss.detach(), "encoders": encoder_gradient(module), "scale": module.log_scale.grad})
    return found


@pytest.mark.parametrize("n", [2, 4])
def test_the_four_ways_to_gather(n):
    true = whole_batch()
    of_ranks = launch(distributed, np.linspace(0, N_PAIRS, n + 1).astype(int).tolist(), n=n)
    for number, (local, with_grad) in enumerate(COMBINATIONS):
        found = [of_rank[number] for of_rank in of_ranks]
        # DDP leaves all processes with one gradient
        assert all(other["encoders"].equal(found[0]["encoders"]) for other in found)
        torch.testing.assert_close(found[0]["scale"], true["scale"], rtol=1e-12, atol=0)
        gradient = found[0]["encoders"]
        ratio = float(gradient.norm() / true["encoders"].norm())
        cosine = float(torch.cosine_similarity(gradient, true["encoders"], dim=0))
        if local and not with_grad:
            assert cosine < 0.95
            continue
        assert cosine == pytest.approx(1, abs=1e-12)
        assert ratio == pytest.approx(1 if with_grad else 1 / n, rel=1e-12)


def test_the_loss_is_the_mean_over_processes():
    true = whole_batch()["loss"]
    of_ranks = launch(distributed, [0, 3, 8])
    for number, (local, with_grad) in enumerate(COMBINATIONS):
        losses = torch.stack([of_rank[number]["loss"] for of_rank in of_ranks])
        torch.testing.assert_close(losses.mean(), true, rtol=1e-12, atol=0)
        if local:
            assert losses[0] != losses[1]
        if with_grad:
            gradient = of_ranks[0][number]["encoders"]
            torch.testing.assert_close(gradient, whole_batch()["encoders"], rtol=1e-10, atol=1e-14)


def test_one_process():
    image, text, scale = embedded(TwoTowers(bias=None), pairs())
    torch.testing.assert_close(
        contrastive_loss(image, text, scale), loop_contrastive(image, text, scale), rtol=1e-13, atol=0
    )
    alike = torch.ones(5, 3)
    assert contrastive_loss(alike, alike, 2.0).item() == pytest.approx(math.log(5), rel=1e-6)


def test_it_equals_open_clip():
    open_clip = pytest.importorskip("open_clip")
    image, text, scale = embedded(TwoTowers(bias=None), pairs())
    expected = open_clip.ClipLoss()(image, text, scale)
    torch.testing.assert_close(contrastive_loss(image, text, scale), expected, rtol=1e-13, atol=0)


def test_bad_input():
    with pytest.raises(TypeError, match=r"image must be a tensor; got ndarray"):
        contrastive_loss(np.eye(2), torch.eye(2), 1.0)
    with pytest.raises(ValueError, match=r"same|both have shape \(n, features\); got \(2, 2\) and \(3, 3\)"):
        contrastive_loss(torch.eye(2), torch.eye(3), 1.0)
