from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from scipy.spatial.distance import jensenshannon

from alignkit.train._similarity_losses import pair_similarities, similarity_loss

OBJECTIVES = ("jsd", "kl", "cross-entropy")


def drawn(n: int = 7, seed: int = 0, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(scale * rng.normal(size=(n, 3))), torch.from_numpy(scale * rng.normal(size=(n, 3)))


def probabilities(s: torch.Tensor, t: torch.Tensor, *, temperature: float, target: float) -> tuple[np.ndarray, ...]:
    return special.softmax(t.numpy() / target, axis=1), special.softmax(s.numpy() / temperature, axis=1)


@pytest.mark.parametrize(("temperature", "target"), [(1.0, 1.0), (100.0, 1.0), (0.5, 2.0)])
def test_divergences_are_scipys(temperature, target):
    s, t = drawn()
    p, q = probabilities(s, t, temperature=temperature, target=target)
    options = {"temperature": temperature, "target_temperature": target}
    jsd = similarity_loss(s, t, objective="jsd", **options).item()
    assert jsd == pytest.approx(np.mean(jensenshannon(p, q, axis=1) ** 2), abs=1e-12)
    m = (p + q) / 2
    assert jsd == pytest.approx(np.mean(stats.entropy(p, m, axis=1) + stats.entropy(q, m, axis=1)) / 2, abs=1e-12)
    assert similarity_loss(s, t, objective="kl", **options).item() == pytest.approx(
        np.mean(stats.entropy(p, q, axis=1)), abs=1e-12
    )
    chosen = -special.log_softmax(s.numpy() / temperature, axis=1)[np.arange(len(s)), t.numpy().argmax(axis=1)]
    assert similarity_loss(s, t, objective="cross-entropy", **options).item() == pytest.approx(chosen.mean(), abs=1e-12)


@given(st.integers(0, 2**31), st.floats(0.1, 30.0))
def test_jsd_is_symmetric_and_bounded(seed, scale):
    s, t = drawn(3, seed, scale)
    there, back = similarity_loss(s, t).item(), similarity_loss(t, s).item()
    assert there == pytest.approx(back, abs=1e-12)
    assert -1e-12 <= there <= math.log(2) + 1e-12
    assert similarity_loss(s, s).item() == pytest.approx(0.0, abs=1e-12)


def test_probabilities_that_vanish_do_no_harm():
    s = torch.tensor([[1e5, 0.0, -1e5]], requires_grad=True)
    t = torch.tensor([[-1e5, 0.0, 1e5]])
    loss = similarity_loss(s, t)
    assert loss.item() == pytest.approx(math.log(2))
    loss.backward()
    assert torch.isfinite(s.grad).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradients_are_those_of_finite_differences(objective):
    s, t = drawn()
    assert torch.autograd.gradcheck(
        lambda s: similarity_loss(s, t, objective=objective, temperature=2.0), s.requires_grad_()
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_gradient_reaches_the_teacher(objective):
    s, t = drawn()
    t.requires_grad_()
    similarity_loss(s.requires_grad_(), t, objective=objective).backward()
    assert t.grad is None


def test_pairs_are_in_the_order_of_the_files():
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(4, 3, 5)))
    for row, three in zip(pair_similarities(x), x, strict=True):
        expected = [three[0] @ three[1], three[0] @ three[2], three[1] @ three[2]]
        assert row.tolist() == pytest.approx([float(value) for value in expected])


def test_what_does_not_fit_is_refused():
    s, t = drawn()
    with pytest.raises(ValueError, match=r"x must have shape \(triplets, 3, dimensions\); got \(7, 3\)"):
        pair_similarities(s)
    with pytest.raises(ValueError, match=r"one shape; got \(7, 3\) and \(6, 3\)"):
        similarity_loss(s, t[:6])
    with pytest.raises(ValueError, match=r"with at least one; got \(0, 3\)"):
        similarity_loss(s[:0], t[:0])
    with pytest.raises(ValueError, match="objective must be one of"):
        similarity_loss(s, t, objective="mse")
    with pytest.raises(ValueError, match="temperature must be"):
        similarity_loss(s, t, temperature=0.0)
    with pytest.raises(ValueError, match="target_temperature must be"):
        similarity_loss(s, t, target_temperature=-1.0)
