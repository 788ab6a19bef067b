"""The losses are the published ones, computed one value after the other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from reference.embeddings import answer_loss, spose_loss, vice_penalty

from alignkit.train.embedding._model import VICE, SPoSE, log_prior
from alignkit.train.embedding._rotate import sparse_rotation
from alignkit.train.embedding.config import SPoSEConfig, VICEConfig

ITEMS = np.array([[0, 1, 2], [4, 2, 3], [1, 0, 4]])


def test_spose_loss():
    config = SPoSEConfig(n_dims=3, init_mean=0.0, init_sd=0.5, penalty=0.3, penalty_per="items", negative_penalty=0.2)
    model = SPoSE(5, config, 100).double()
    out = model(torch.from_numpy(ITEMS))
    loss = -torch.log_softmax(out["logits"], dim=1)[:, 2].mean() + out["penalty"]
    x = model.values_ND.detach().numpy()
    assert (x < 0).any()
    assert loss.item() == pytest.approx(spose_loss(x, ITEMS, penalty=0.3, negative_penalty=0.2), abs=1e-12)


def test_the_penalty_may_grow_as_chance_does():
    one, other = (SPoSE(5, SPoSEConfig(penalty_per=per, negative_penalty=0.0), 80) for per in ("items", "chance"))
    items = torch.from_numpy(ITEMS)
    assert one(items)["penalty"].item() == pytest.approx(4 * other(items)["penalty"].item(), rel=1e-5)


@pytest.mark.parametrize("prior", ["normal", "laplace"])
def test_vice_loss(prior):
    config = VICEConfig(n_dims=2, spike=0.2, slab=0.7, spike_share=0.6, prior=prior, init_sd=0.5, init_log_scale=-1.0)
    model = VICE(5, config, 1000).double()
    torch.manual_seed(1)
    out = model(torch.from_numpy(ITEMS))
    torch.manual_seed(1)
    mean = model.values_ND.detach()
    x = (mean + np.exp(-1.0) * torch.randn_like(mean)).numpy()
    sd = np.full_like(x, np.exp(-1.0))
    expected = vice_penalty(x, mean.numpy(), sd, 1000, spike=0.2, slab=0.7, share=0.6, family=prior)
    assert out["penalty"].shape == (3,)
    np.testing.assert_allclose(out["penalty"].detach().numpy(), expected, rtol=1e-10)
    found = -torch.log_softmax(out["logits"], dim=1)[:, 2].mean().item()
    assert found == pytest.approx(answer_loss(np.maximum(x, 0), ITEMS), abs=1e-12)


@pytest.mark.parametrize("prior", ["normal", "laplace"])
def test_the_prior_is_a_density(prior):
    grid = torch.linspace(-40, 40, 400_001, dtype=torch.float64)
    density = log_prior(grid, VICEConfig(prior=prior)).exp()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1.0, abs=1e-6)


def test_the_free_embedding_is_rotated_and_clipped_where_the_method_begins():
    model = VICE(6, VICEConfig(n_dims=3, init_mean=0.0, init_sd=1.0, start_penalty=2.0), 24)
    model.begin_free()
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["values_ND"]
    before = model.values_ND.detach().double().numpy().copy()
    assert model(torch.from_numpy(ITEMS[:, :]))["penalty"].item() == pytest.approx((before**2).sum() / 6, rel=1e-5)
    model.begin_constrained()
    assert all(p.requires_grad for p in model.parameters())
    after, turned = model.values_ND.detach().numpy(), np.maximum(sparse_rotation(before), 0.0)
    assert (after > 0).all()
    np.testing.assert_allclose(after, turned, rtol=0, atol=0.1)
    large = turned > 0.1
    np.testing.assert_allclose(after[large], turned[large], rtol=1e-5)


def test_random_values_are_those_of_the_seed():
    config = SPoSEConfig(n_dims=3)
    again = dataclasses.replace(config, loop=dataclasses.replace(config.loop, seed=1))
    first, same, other = (SPoSE(4, c, 10).values_ND for c in (config, config, again))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
