from __future__ import annotations

import numpy as np
import pytest
from reference.slopes import central_differences
from reference.teacher import cross_entropy
from scipy.special import log_softmax

from alignkit.align import _triplet_objective
from alignkit.align._soft_triplets import draw_triplets
from alignkit.align._triplet_objective import product, triplet_objective

N = 9


@pytest.fixture(params=["hard", "soft"])
def answers(request, rng):
    items = draw_triplets(N, 40, rng)
    return items, None if request.param == "hard" else rng.dirichlet(np.ones(3), len(items))


@pytest.fixture(params=["all pairs", "some pairs", "torch"])
def objective(request, monkeypatch, answers):
    """The objective by every route, as a function of an array."""
    if request.param == "some pairs":
        monkeypatch.setattr(_triplet_objective, "MATRIX_LIMIT", 2)
    if request.param != "torch":
        return triplet_objective(answers[0], N, answers[1], np.empty(0))
    torch = pytest.importorskip("torch")
    on_device = triplet_objective(answers[0], N, answers[1], torch.empty(0, dtype=torch.float64))

    def call(y):
        value, gradient = on_device(torch.from_numpy(y.copy()))
        return value, gradient.numpy()

    return call


def test_value_and_gradient_equal_loops_and_differences(objective, answers, rng, readonly):
    y = readonly(rng.normal(size=(N, 4)))
    value, gradient = objective(y)
    assert value == pytest.approx(cross_entropy(y, *answers), rel=1e-12)
    expected = central_differences(lambda z: objective(z)[0], y)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-9)


def test_logits_of_any_size_are_safe(objective, answers, rng):
    y = 40.0 * rng.normal(size=(N, 4))
    s = y @ y.T
    a, b, c = answers[0].T
    logs = log_softmax(np.stack([s[b, c], s[a, c], s[a, b]]), axis=0)
    p = np.array([[0.0, 0.0, 1.0]] * 40) if answers[1] is None else answers[1]
    assert objective(y)[0] == pytest.approx(-np.mean(np.sum(p.T * logs, axis=0)), rel=1e-12)


def test_soft_targets_that_are_certain_are_hard_ones(rng):
    items, y = draw_triplets(N, 40, rng), rng.normal(size=(N, 4))
    hard = triplet_objective(items, N, None, y)(y)
    certain = triplet_objective(items, N, np.tile([0.0, 0.0, 1.0], (40, 1)), y)(y)
    assert hard[0] == pytest.approx(certain[0], rel=1e-14)
    np.testing.assert_allclose(hard[1], certain[1], atol=1e-15)


def test_many_rows_take_several_blocks(rng):
    # more items than a block of rows, and more triplets than a block of them
    items, y = draw_triplets(600, 70_000, rng), rng.normal(size=(600, 3)) * 0.3
    value, gradient = triplet_objective(items, 600, None, y)(y)
    s = y @ y.T
    a, b, c = items.T
    logits = np.stack([s[b, c], s[a, c], s[a, b]])
    logs = log_softmax(logits, axis=0)
    assert value == pytest.approx(-logs[2].mean(), rel=1e-12)
    slopes = np.exp(logs) / len(items)
    slopes[2] -= 1.0 / len(items)
    total = np.zeros((600, 600))
    for (i, j), slope in zip(((b, c), (a, c), (a, b)), slopes, strict=True):
        np.add.at(total, (i, j), slope)
    np.testing.assert_allclose(gradient, (total + total.T) @ y, atol=1e-14)


def test_products_do_not_depend_on_the_number_of_threads(rng):
    from threadpoolctl import threadpool_limits

    a, b = rng.normal(size=(700, 90)), rng.normal(size=(90, 50))
    found = []
    for n in (1, 2):
        with threadpool_limits(n):
            found.append(product(a, b))
    assert np.array_equal(*found)
    np.testing.assert_allclose(found[0], a @ b, rtol=1e-12, atol=1e-12)
