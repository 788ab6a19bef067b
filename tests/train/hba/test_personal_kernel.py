from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from alignkit.train.hba._personal_kernel import Answers, differences_of, maximise
from tests.reference import personal as reference

RNG = np.random.default_rng(3)
X = RNG.random((9, 3)) * 1.5
ITEMS = np.stack([RNG.permutation(9)[:3] for _ in range(40)])
MEAN, PRECISION = np.array([0.1, -0.2, 0.0, 0.3]), np.array([4.0, 4.0, 4.0, 1.0])


def two_people(n=17):
    """The first 40 - n answers by one person, the others by another, padded."""
    first, second = np.full((2, 40), -1)
    first[: 40 - n], second[:n] = np.arange(40 - n), np.arange(40 - n, 40)
    rows = np.stack([first, second])
    return Answers(differences_of(X, ITEMS[rows]), (rows >= 0).astype(float)), (ITEMS[: 40 - n], ITEMS[40 - n :])


def test_costs_are_those_of_loops():
    answers, own = two_people()
    theta = RNG.normal(size=(2, 4))
    expected = [reference.cost(X, items, row) for items, row in zip(own, theta, strict=True)]
    assert answers.cost(theta) == pytest.approx(expected, rel=1e-12)
    each = [reference.cost(X, [item], theta[0]) for item in own[0]]
    assert answers.costs(theta)[0, : len(each)] == pytest.approx(each, rel=1e-12)


def test_the_gradient_is_that_of_differences():
    answers, own = two_people()
    theta = RNG.normal(size=(2, 4)) / 2
    cost, gradient, _ = answers.derivatives(theta)
    assert cost == pytest.approx(answers.cost(theta))
    for p in range(2):
        for k in range(4):
            up, down = theta[p].copy(), theta[p].copy()
            up[k] += 1e-6
            down[k] -= 1e-6
            slope = (reference.cost(X, own[p], up) - reference.cost(X, own[p], down)) / 2e-6
            assert gradient[p, k] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_the_curvature_is_the_expected_one():
    # the mean, over the three answers that could be given, of the outer product of each one's gradient
    theta = RNG.normal(size=(1, 4)) / 2
    item = ITEMS[:1]
    _, _, curvature = Answers(differences_of(X, item[None]), np.ones((1, 1))).derivatives(theta)
    expected = np.zeros((4, 4))
    for order in ([1, 2, 0], [0, 2, 1], [0, 1, 2]):
        _, slope, _ = Answers(differences_of(X, item[None][..., order]), np.ones((1, 1))).derivatives(theta)
        expected += np.exp(-reference.cost(X, item[:, order], theta[0])) * np.outer(slope[0], slope[0])
    assert curvature[0] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_maximum_is_that_of_a_general_optimiser():
    answers, own = two_people()
    found = maximise([answers], np.zeros((2, 4)), MEAN, PRECISION)
    for p in range(2):
        best = minimize(
            lambda theta, p=p: reference.objective(X, own[p], theta, MEAN, PRECISION), np.zeros(4), method="BFGS"
        )
        assert found.theta[p] == pytest.approx(best.x, abs=2e-4)
        value = reference.objective(X, own[p], found.theta[p], MEAN, PRECISION)
        assert value <= best.fun + 1e-9


def test_answers_in_parts_add_up_and_padding_counts_nothing():
    whole = Answers(differences_of(X, ITEMS[None]), np.ones((1, 40)))
    parts = [
        Answers(differences_of(X, ITEMS[None, :25]), np.ones((1, 25))),
        Answers(
            differences_of(X, np.vstack([ITEMS[25:], ITEMS[:9]])[None]),
            np.concatenate([np.ones(15), np.zeros(9)])[None],
        ),
    ]
    one = maximise([whole], np.zeros((1, 4)), MEAN, PRECISION)
    two = maximise(parts, np.zeros((1, 4)), MEAN, PRECISION)
    assert two.theta == pytest.approx(one.theta, abs=1e-9)
    assert two.evidence == pytest.approx(one.evidence, abs=1e-8)


def test_without_answers_the_prior_stays():
    nothing = Answers(differences_of(X, ITEMS[None]), np.zeros((1, 40)))
    found = maximise([nothing], np.zeros((1, 4)), MEAN, PRECISION)
    assert found.theta[0] == pytest.approx(MEAN)
    assert found.evidence[0] == pytest.approx(0.0, abs=1e-12)


def test_the_evidence_is_the_integral_over_the_prior():
    # one dimension and the scale, on a grid
    x = X[:, :1]
    answers = Answers(differences_of(x, ITEMS[None]), np.ones((1, 40)))
    mean, precision = np.zeros(2), np.array([25.0, 4.0])
    w, b = np.meshgrid(np.linspace(-1.2, 1.2, 61), np.linspace(-3, 3, 61), indexing="ij")
    values = [answers.cost(np.array([[p, q]]))[0] for p, q in zip(w.ravel(), b.ravel(), strict=True)]
    density = np.exp(-0.5 * (25 * w**2 + 4 * b**2)).ravel() * np.sqrt(25 * 4) / (2 * np.pi)
    cell = (w[1, 0] - w[0, 0]) * (b[0, 1] - b[0, 0])
    integral = np.log((np.exp(-np.array(values)) * density).sum() * cell)
    assert maximise([answers], np.zeros((1, 2)), mean, precision).evidence[0] == pytest.approx(integral, abs=0.02)


def test_a_start_far_away_arrives_as_well():
    answers, _ = two_people()
    near = maximise([answers], np.zeros((2, 4)), MEAN, PRECISION)
    far = maximise([answers], np.full((2, 4), 2.5), MEAN, PRECISION)
    assert far.theta == pytest.approx(near.theta, abs=1e-5)
