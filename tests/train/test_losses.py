from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import losses as reference
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr

from alignkit.rsa import odd_one_out, pair_probabilities
from alignkit.train._losses import agreeing_triplets, mse_loss, rdm_loss, triplet_loss


def embedding(rng, n=7, d=4, *, grad=False):
    return torch.from_numpy(rng.normal(size=(n, d))).requires_grad_(grad)


def test_squared_error_is_the_mean_over_all_entries(rng):
    x, y = embedding(rng), embedding(rng)
    assert mse_loss(x, y).item() == pytest.approx(float(((x - y) ** 2).numpy().mean()), rel=1e-12)


@pytest.mark.parametrize(("a", "b"), [((5, 1), (5,)), ((5, 3), (1, 3)), ((5, 3), (5, 1)), ((5,), (5,))])
def test_squared_error_refuses_what_would_be_broadcast(a, b):
    with pytest.raises(ValueError, match="must have"):
        mse_loss(torch.zeros(a), torch.zeros(b))


@pytest.mark.parametrize("chunk", [1, 4, 10_000])
def test_soft_triplets_are_the_loop_over_all_of_them(rng, chunk):
    x, y = embedding(rng), embedding(rng, d=6)
    assert triplet_loss(x, y, chunk=chunk).item() == pytest.approx(reference.soft_triplets(x, y), rel=1e-12)


@pytest.mark.parametrize("chunk", [1, 4, 10_000])
def test_the_gradient_of_soft_triplets_is_exact(rng, chunk):
    x, y = embedding(rng, grad=True), embedding(rng)
    assert torch.autograd.gradcheck(lambda x: triplet_loss(x, y, chunk=chunk), (x,))


def test_soft_triplets_pass_no_gradient_to_their_targets(rng):
    x, y = embedding(rng, grad=True), embedding(rng, grad=True)
    triplet_loss(x, y).backward()
    assert x.grad is not None
    assert y.grad is None


@given(st.integers(3, 9), st.integers(1, 60), st.integers(0, 2**16))
def test_soft_triplets_do_not_depend_on_order_or_chunks(n, chunk, seed):
    rng = np.random.default_rng(seed)
    x, y = embedding(rng, n), embedding(rng, n)
    order = torch.from_numpy(rng.permutation(n))
    whole = triplet_loss(x, y).item()
    assert triplet_loss(x[order], y[order], chunk=chunk).item() == pytest.approx(whole, rel=1e-10)


def test_soft_triplets_are_lowest_at_the_target_where_they_are_its_entropy(rng):
    x = embedding(rng, grad=True)
    at_target = triplet_loss(x, x.detach())
    at_target.backward()
    assert x.grad.abs().max() < 1e-12
    assert at_target < triplet_loss(x + 0.1 * embedding(rng), x.detach())


def test_soft_triplets_of_nothing_are_at_chance():
    assert triplet_loss(torch.zeros(5, 2), torch.ones(5, 2)).item() == pytest.approx(np.log(3))


def test_soft_triplets_stand_large_similarities():
    x = (100 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0))).requires_grad_(True)
    loss = triplet_loss(x, x.detach())
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()


def test_answers_are_the_loop_over_them(rng):
    x = embedding(rng, grad=True)
    answers = torch.tensor([[0, 1, 2], [4, 2, 6], [0, 2, 1], [0, 1, 2]])
    loss = triplet_loss(x, answers)
    assert loss.item() == pytest.approx(reference.answers(x.detach(), answers.tolist()), rel=1e-12)
    assert torch.autograd.gradcheck(lambda x: triplet_loss(x, answers), (x,))


def test_answers_have_the_probabilities_of_odd_one_out_models(rng):
    # mean over all third items of the probability to keep a pair, as the RSA side computes it
    x = embedding(rng, 5)
    kept = pair_probabilities(x.numpy(), temperature=1.0)
    rest = [[0, 1, k] for k in (2, 3, 4)]
    mean = np.mean([np.exp(-triplet_loss(x, torch.tensor([answer])).item()) for answer in rest])
    assert mean == pytest.approx(kept[0, 1], rel=1e-10)


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        (torch.zeros(6, 4), "one row per item: expected 7, got 6"),
        (torch.zeros(7), "shape"),
        (torch.zeros((0, 3), dtype=torch.long), "at least one"),
        (torch.tensor([[0, 1, 7]]), "the 7 rows"),
        (torch.tensor([[0, -1, 2]]), "the 7 rows"),
        (torch.tensor([[0, 1]]), "shape"),
    ],
)
def test_triplets_refuse_targets_that_do_not_fit(targets, text):
    with pytest.raises(ValueError, match=text):
        triplet_loss(torch.zeros(7, 4), targets)


def test_triplets_need_three_items():
    with pytest.raises(ValueError, match="at least 3 items; got 2"):
        triplet_loss(torch.zeros(2, 4), torch.zeros(2, 4))


def test_rdm_loss_is_one_minus_the_correlation_of_correlation_distances(rng):
    x, y = embedding(rng, grad=True), embedding(rng, d=9)
    loss = rdm_loss(x, y)
    assert loss.item() == pytest.approx(reference.rdm_loss(x.detach(), y), rel=1e-10)
    by_scipy = pearsonr(pdist(x.detach().numpy(), "correlation"), pdist(y.numpy(), "correlation")).statistic
    assert loss.item() == pytest.approx(1 - by_scipy, rel=1e-10)
    assert torch.autograd.gradcheck(lambda x: rdm_loss(x, y), (x,))


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_rdm_loss_does_not_see_scale_and_offset(scale, offset):
    rng = np.random.default_rng(3)
    x, y = embedding(rng), embedding(rng)
    assert rdm_loss(scale * x + offset, y).item() == pytest.approx(rdm_loss(x, y).item(), abs=1e-10)


def test_rdm_loss_refuses_what_has_no_correlation():
    with pytest.raises(ValueError, match="2 dimensions"):
        rdm_loss(torch.rand(5, 1), torch.rand(5, 4))
    with pytest.raises(ValueError, match="one row per item"):
        rdm_loss(torch.rand(5, 3), torch.rand(4, 3))


def test_agreement_is_the_loop_over_all_triplets(rng):
    x, y = embedding(rng, 9), embedding(rng, 9)
    assert agreeing_triplets(x, y, chunk=5) == pytest.approx(reference.agreeing(x, y))
    assert agreeing_triplets(x, x) == 1.0


def test_agreement_gives_no_credit_for_ties(rng):
    assert agreeing_triplets(torch.zeros(6, 2), embedding(rng, 6)) == 0.0


def test_agreement_is_that_of_odd_one_out(rng):
    x, y = embedding(rng, 8), embedding(rng, 8)
    triples = [[i, j, k] for i in range(8) for j in range(i + 1, 8) for k in range(j + 1, 8)]
    same = odd_one_out(x.numpy(), triples) == odd_one_out(y.numpy(), triples)
    assert agreeing_triplets(x, y) == pytest.approx(same.mean())
