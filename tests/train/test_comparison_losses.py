from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import comparisons

from alignkit.train._comparison_losses import comparison_loss, cosine_distances, odd_one_out_loss, two_afc_hits

VOTES = [
    ({"objective": "hinge", "margin": 0.05}, comparisons.hinge, 0.05),
    ({"objective": "hinge", "margin": 0.7}, comparisons.hinge, 0.7),
    ({"objective": "hinge", "margin": 0.0}, comparisons.hinge, 0.0),
    ({"objective": "logistic"}, comparisons.logistic, 1.0),
    ({"objective": "logistic", "temperature": 0.1}, comparisons.logistic, 0.1),
]


def drawn(n: int = 9, seed: int = 0, dims: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Return embeddings of different lengths, and votes: shared, unanimous and undecided."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3, dims)) * rng.uniform(0.2, 5, size=(n, 3, 1))
    shares = rng.uniform(size=n)
    shares[:3] = (0, 1, 0.5)[:n]
    return torch.from_numpy(x), torch.from_numpy(shares)


@pytest.mark.parametrize(("options", "vote", "setting"), VOTES)
def test_values_and_gradients_are_those_of_plain_loops(options, vote, setting):
    x, shares = drawn()
    loss = comparison_loss(x.requires_grad_(), shares, **options)
    loss.backward()
    rows, votes = x.detach().tolist(), shares.tolist()
    assert loss.item() == pytest.approx(comparisons.loss(rows, votes, vote, setting), rel=1e-12)
    expected = torch.tensor(comparisons.gradient(rows, votes, vote, setting), dtype=torch.float64)
    torch.testing.assert_close(x.grad, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("options", "vote", "setting"), VOTES)
def test_gradients_are_those_of_finite_differences(options, vote, setting):
    x, shares = drawn(seed=3)
    assert torch.autograd.gradcheck(lambda x: comparison_loss(x, shares, **options), x.requires_grad_())


@pytest.mark.parametrize(("options", "vote", "setting"), VOTES)
def test_odd_one_out_answers_are_two_judgements(options, vote, setting):
    x, _ = drawn()
    loss = odd_one_out_loss(x, **options).item()
    assert loss == pytest.approx(comparisons.odd_one_out(x.tolist(), vote, setting), rel=1e-12)
    assert odd_one_out_loss(x[:, [1, 0, 2]], **options).item() == pytest.approx(loss, rel=1e-12)
    assert odd_one_out_loss(x[:, [0, 2, 1]], **options).item() != pytest.approx(loss, rel=1e-3)


def test_the_hinge_by_hand():
    """Distances 0 and 1; 1 and 0; a tie; and a lead of just the margin, in numbers that floats hold exactly."""
    e0, e1 = [1.0, 0.0], [0.0, 1.0]
    x = torch.tensor([[e0, e0, e1], [e0, e1, e0], [e0, e1, e1]], dtype=torch.float64)
    for choices, terms in (((0, 1, 0), (0, 0, 0.05)), ((1, 0, 1), (1.05, 1.05, 0.05)), ((1, 1, 0.5), (1.05, 0, 0.05))):
        assert comparison_loss(x, torch.tensor(choices)).item() == pytest.approx(sum(terms) / 3, rel=1e-14)
    exact = x[:1].clone().requires_grad_()
    loss = comparison_loss(exact, torch.tensor([0]), margin=1.0)
    loss.backward()
    assert loss.item() == 0
    assert not exact.grad.any()
    # beyond the margin by 1: the reference (1, 0) and the far one (0, 1) are drawn apart no more
    wrong = x[:1].clone().requires_grad_()
    comparison_loss(wrong, torch.tensor([1])).backward()
    # loss = m - (cos right - cos left); cos of (1, 0) and (a, b) changes by b alone, and only away from its top
    assert wrong.grad.tolist() == [[[0, -1], [0, 0], [-1, 0]]]


def test_a_tie_still_pulls_apart():
    e0, e1 = [1.0, 0.0], [0.0, 1.0]
    x = torch.tensor([[e0, e1, e1]], dtype=torch.float64, requires_grad=True)
    comparison_loss(x, torch.tensor([1])).backward()
    # right comes closer to the reference, left goes away; the reference is between both
    assert x.grad.tolist() == [[[0, 0], [1, 0], [-1, 0]]]
    for undecided in ({"objective": "hinge"}, {"objective": "logistic"}):
        x.grad = None
        loss = comparison_loss(x, torch.tensor([0.5]), **undecided)
        loss.backward()
        assert not x.grad.any()
        assert loss.item() == pytest.approx(0.05 if undecided["objective"] == "hinge" else math.log(2))


@given(st.integers(0, 2**31))
def test_swapped_sides_and_other_lengths_change_nothing(seed):
    x, shares = drawn(4, seed)
    for options, _, _ in VOTES:
        loss = comparison_loss(x, shares, **options).item()
        assert comparison_loss(x[:, [0, 2, 1]], 1 - shares, **options).item() == pytest.approx(loss, abs=1e-12)
        assert comparison_loss(3 * x, shares, **options).item() == pytest.approx(loss, abs=1e-12)


def test_shared_votes_are_as_many_judgements():
    x, _ = drawn(1)
    for options, _, _ in VOTES:
        each = comparison_loss(x.repeat(4, 1, 1), torch.tensor([1, 1, 1, 0]), **options)
        torch.testing.assert_close(comparison_loss(x, torch.tensor([0.75]), **options), each, rtol=1e-14, atol=0)


def test_a_temperature_can_be_learnt_and_votes_get_no_gradient():
    x, shares = drawn()
    t = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    shares.requires_grad_()
    assert torch.autograd.gradcheck(lambda t: comparison_loss(x, shares, objective="logistic", temperature=t), t)
    comparison_loss(x.requires_grad_(), shares, objective="logistic", temperature=t).backward()
    assert t.grad is not None
    assert shares.grad is None


def test_distances_that_are_certain_do_no_harm():
    x = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]], requires_grad=True)
    loss = comparison_loss(x, torch.tensor([1]), objective="logistic", temperature=1e-4)
    assert loss.item() == pytest.approx(2e4)
    loss.backward()
    assert torch.isfinite(x.grad).all()


def test_an_embedding_of_zeros_is_no_number():
    x, shares = drawn()
    x[4, 1] = 0
    assert cosine_distances(x)[4].isnan().tolist() == [True, False]
    assert math.isnan(comparison_loss(x, shares).item())


def test_hits():
    nan = float("nan")
    table = [  # left, right, choice, hit
        (0.4, 0.2, 1, 1.0),
        (0.4, 0.2, 0, 0.0),
        (0.2, 0.4, 1, 0.0),
        (0.2, 0.4, 0, 1.0),
        (0.3, 0.3, 1, 0.5),
        (0.3, 0.3, 0, 0.5),
        (0.4, 0.2, 0.75, 0.75),
        (0.2, 0.4, 0.75, 0.25),
        (0.3, 0.3, 0.75, 0.5),
        (math.inf, math.inf, 1, 0.5),
        (nan, 0.2, 1, nan),
        (nan, nan, 0, nan),
    ]
    left, right, choice, expected = (torch.tensor(column, dtype=torch.float64) for column in zip(*table, strict=True))
    hits = two_afc_hits(torch.stack([left, right], dim=1), choice)
    torch.testing.assert_close(hits, expected, rtol=0, atol=0, equal_nan=True)
    assert two_afc_hits(torch.tensor([[0.4, 0.2]]), torch.tensor([True])).tolist() == [1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dims", [3, 17, 66, 512, 513])
def test_images_that_are_the_same_tie_exactly(dtype, dims):
    x = torch.randn((41, 3, dims), dtype=dtype, generator=torch.Generator().manual_seed(dims))
    x[:, 2] = x[:, 1]
    hits = two_afc_hits(cosine_distances(x), torch.arange(41) % 2)
    assert hits.tolist() == [0.5] * 41


def test_shuffled_choices_are_hit_by_chance():
    rng = np.random.default_rng(0)
    distances = torch.from_numpy(rng.uniform(size=(20_000, 2)))
    choices = torch.from_numpy((distances[:, 1] < distances[:, 0]).numpy().astype(float))
    assert two_afc_hits(distances, choices).mean().item() == 1.0
    shuffled = choices[torch.from_numpy(rng.permutation(20_000))]
    assert two_afc_hits(distances, shuffled).mean().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(20_000))


def test_what_does_not_fit_is_refused():
    x, shares = drawn()
    with pytest.raises(ValueError, match=r"shape \(judgements, 3, dimensions\).* got \(9, 2, 5\)"):
        comparison_loss(x[:, :2], shares)
    with pytest.raises(ValueError, match=r"with at least one; got \(0, 3, 5\)"):
        comparison_loss(x[:0], shares[:0])
    with pytest.raises(ValueError, match=r"shape \(judgements, 3, dimensions\).* got \(9, 4, 5\)"):
        odd_one_out_loss(torch.cat([x, x[:, :1]], dim=1))
    with pytest.raises(ValueError, match=r"right must have shape \(9,\), one choice per judgement; got \(9, 1\)"):
        comparison_loss(x, shares[:, None])
    with pytest.raises(ValueError, match=r"right must be 1 where .*; got -1 to 1\."):
        comparison_loss(x, torch.tensor([1, -1, 1, 1, 1, 1, 1, 1, 1]))
    with pytest.raises(ValueError, match=r"share of votes for right; got nan to nan"):
        comparison_loss(x, shares * float("nan"))
    with pytest.raises(ValueError, match="objective must be one of 'hinge', 'logistic'; got 'bce'"):
        comparison_loss(x, shares, objective="bce")
    with pytest.raises(ValueError, match="margin must be"):
        comparison_loss(x, shares, margin=-0.1)
    with pytest.raises(ValueError, match="temperature must be"):
        comparison_loss(x, shares, temperature=0.0)
    with pytest.raises(ValueError, match=r"distances must have shape \(judgements, 2\) with at least one; got \(9,\)"):
        two_afc_hits(shares, shares)
