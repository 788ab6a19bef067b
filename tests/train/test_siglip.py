"""The sigmoid loss on one process and on several: always the gradient of the whole batch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference.launch import launch
from reference.pair_towers import N_PAIRS, TwoTowers, loop_siglip, pairs

from alignkit.train import LoopConfig
from alignkit.train._processes import Processes
from alignkit.train._siglip import siglip_loss

#: Where the pairs of 2 and of 3 processes begin and end: equally many, not, and none.
SPLITS = {2: [[0, 4, 8], [0, 3, 8], [0, 8, 8]], 3: [[0, 2, 5, 8]]}


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in module.named_parameters()}


def whole_batch() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    module = TwoTowers()
    out = module(pairs())
    loss = loop_siglip(out["image"], out["text"], out["scale"], out["bias"])
    loss.backward()
    return loss.detach(), gradients(module)


def distributed(splits: list[list[int]]) -> list[dict[str, torch.Tensor]]:
    """Return loss and gradients of this process under DDP, for each split of the batch."""
    loop = LoopConfig(device="cpu", parallel="ddp")
    found = []
    with Processes.start(loop) as processes:
        for bounds in splits:
            part = slice(bounds[processes.rank], bounds[processes.rank + 1])
            module = TwoTowers()
            wrapped = processes.wrap(module, loop)
            out = wrapped(tuple(x[part] for x in pairs()))
            loss = siglip_loss(out["image"], out["text"], out["scale"], out["bias"], processes=processes)
            loss.backward()
            found.append({"loss": loss.detach()} | gradients(module))
    return found


@pytest.mark.parametrize("n", SPLITS)
def test_gradients_on_several_processes_are_those_of_the_whole_batch(n):
    true, expected = whole_batch()
    of_ranks = launch(distributed, SPLITS[n], n=n)
    for number in range(len(SPLITS[n])):
        found = [of_rank[number] for of_rank in of_ranks]
        # a process compares its own images only
        assert found[0]["loss"] != found[1]["loss"]
        torch.testing.assert_close(torch.stack([one["loss"] for one in found]).mean(), true, rtol=1e-12, atol=0)
        for one in found:
            for name, gradient in expected.items():
                torch.testing.assert_close(one[name], gradient, rtol=1e-10, atol=1e-14)


def test_one_process():
    out = TwoTowers()(pairs())
    args = out["image"], out["text"], out["scale"], out["bias"]
    torch.testing.assert_close(siglip_loss(*args), loop_siglip(*args), rtol=1e-13, atol=0)
    # scores of 0 everywhere: every text of every image costs log 2
    assert siglip_loss(out["image"], out["text"], 0.0, 0.0).item() == pytest.approx(N_PAIRS * math.log(2), rel=1e-12)


def test_it_equals_open_clip():
    of_open_clip = pytest.importorskip("open_clip.loss").SigLipLoss()
    for loss_of in (siglip_loss, of_open_clip):
        module = TwoTowers()
        out = module(pairs())
        loss = loss_of(out["image"], out["text"], out["scale"], out["bias"])
        loss.backward()
        true, expected = whole_batch()
        torch.testing.assert_close(loss.detach(), true, rtol=1e-13, atol=0)
        for name, gradient in expected.items():
            torch.testing.assert_close(gradients(module)[name], gradient, rtol=1e-11, atol=1e-14)


def test_gradients_are_those_of_finite_differences():
    out = {name: value.detach().requires_grad_() for name, value in TwoTowers()(pairs(3)).items()}
    assert torch.autograd.gradcheck(siglip_loss, tuple(out[name] for name in ("image", "text", "scale", "bias")))


def test_scores_without_doubt_do_no_harm():
    x = torch.eye(3, requires_grad=True)
    assert siglip_loss(x, x, 2e4, -1e4).item() == 0
    loss = siglip_loss(x, x, -2e4, 1e4)
    loss.backward()
    assert loss.item() == pytest.approx(3e4)
    assert torch.isfinite(x.grad).all()


def test_bad_input():
    with pytest.raises(TypeError, match=r"text must be a tensor; got ndarray"):
        siglip_loss(torch.eye(2), np.eye(2), 1.0, 0.0)
    with pytest.raises(ValueError, match=r"both have shape \(n, features\); got \(2, 2\) and \(3, 3\)"):
        siglip_loss(torch.eye(2), torch.eye(3), 1.0, 0.0)
