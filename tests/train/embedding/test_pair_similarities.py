"""Both routes to the pairs' dot products give the same numbers and gradients, those of a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference.embeddings import answer_loss

from alignkit.rsa import triplet_similarities
from alignkit.train.embedding import _pair_similarities
from alignkit.train.embedding._pair_similarities import pair_similarities


@pytest.mark.parametrize("rows_cost", [0, 10**9])  # rows, and the Gram
def test_similarities_are_those_of_scoring(rng, monkeypatch, rows_cost):
    monkeypatch.setattr(_pair_similarities, "_ROWS_COST", rows_cost)
    x, items = rng.normal(size=(9, 3)), np.array([[0, 1, 2], [3, 8, 5], [8, 3, 0], [0, 1, 2]])
    found = pair_similarities(torch.from_numpy(x), torch.from_numpy(items))
    np.testing.assert_allclose(found.numpy(), triplet_similarities(x, items), rtol=0, atol=1e-13)


@pytest.mark.parametrize("rows_cost", [0, 10**9])
def test_the_gradient_is_that_of_differences(rng, monkeypatch, rows_cost):
    monkeypatch.setattr(_pair_similarities, "_ROWS_COST", rows_cost)
    x, items = rng.normal(size=(6, 2)), rng.permuted(np.tile(np.arange(6), (20, 1)), axis=1)[:, :3]
    free = torch.from_numpy(x).requires_grad_()
    loss = -torch.log_softmax(pair_similarities(free, torch.from_numpy(items)), dim=1)[:, 2].mean()
    assert loss.item() == pytest.approx(answer_loss(x, items), abs=1e-12)
    loss.backward()
    for i, d in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[i, d] = 1e-6
        slope = (answer_loss(x + step, items) - answer_loss(x - step, items)) / 2e-6
        assert free.grad[i, d].item() == pytest.approx(slope, abs=1e-8)


def test_many_answers_take_the_gram():
    x = torch.rand(30, 4, requires_grad=True)
    few, many = torch.randint(0, 30, (5, 3)), torch.randint(0, 30, (500, 3))
    assert "GramPairs" not in type(pair_similarities(x, few).grad_fn).__name__
    assert "GramPairs" in type(pair_similarities(x, many).grad_fn).__name__
