"""Noise on rectified dimensions: what all draws average to, and single draws."""

from __future__ import annotations

import pytest
import torch

from alignkit.models._dynamic_noise import draw_noise, mean_of_noise


def values(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def test_the_mean_is_that_of_many_draws() -> None:
    x, spread, gain = values(4, 3, 5) - 1.0, values(3, 5), torch.tensor([1.0, 0.5, 2.0]).double()
    drawn = torch.randn((200_000, 4, 3, 5), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    many = torch.relu(gain[:, None] * (x + spread * drawn))
    error = many.std(dim=0) / len(many) ** 0.5
    assert bool(((mean_of_noise(x, spread, gain) - many.mean(dim=0)).abs() < 5 * error).all())


def test_without_noise_dimensions_stay_and_gradients_are_numbers() -> None:
    x = (values(2, 3, 4) - 1.0).requires_grad_()
    spread = torch.zeros(3, 4, dtype=torch.float64)
    spread[1] = 0.7
    found = mean_of_noise(x, spread, torch.ones(3, dtype=torch.float64))
    assert torch.equal(found[:, [0, 2]], torch.relu(x)[:, [0, 2]])
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert bool(torch.isfinite(gradient).all())
    torch.autograd.gradcheck(lambda y: mean_of_noise(y, spread[1:2].expand(3, 4), torch.ones(3).double()), (x,))


@pytest.mark.parametrize("gain", [0.0, 0.5])
def test_a_draw_has_the_batch_s_spread_and_a_little_more(gain: float) -> None:
    n = 20_000
    x = torch.full((n, 1, 2), 50.0) + torch.randn((n, 1, 2), generator=torch.Generator().manual_seed(2)) * 2.0
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        found = draw_noise(x, torch.tensor([1.5]), torch.ones(1, 2), torch.tensor([gain]))
    added = found - gain * x
    assert bool((found > 0).all())
    torch.testing.assert_close(added.std(dim=0), torch.full((1, 2), gain * 1.5 * 2.0), rtol=0.03, atol=1e-5)
    if gain == 0.0:
        assert float(found.min()) >= 1e-6
        assert float(found.max()) <= 1.1e-5


def test_a_single_image_has_the_stored_spread() -> None:
    x, stored = torch.full((1, 1, 40_000), 50.0), torch.full((1, 40_000), 3.0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(4)
        found = draw_noise(x, torch.ones(1), stored, torch.ones(1))
    assert float(found.std()) == pytest.approx(3.0, rel=0.02)
