from __future__ import annotations

import numpy as np
import pytest
from reference.slopes import central_differences
from reference.teacher import distance_from_identity, local_term

from alignkit.align._penalties import LocalTerm, weight_penalty


@pytest.mark.parametrize("regulariser", ["global", "naive"])
def test_penalties_equal_loops_and_differences(rng, regulariser):
    weights, eye = rng.normal(size=(4, 4)), np.eye(4)
    value, gradient = weight_penalty(weights, eye, regulariser)
    expected = distance_from_identity(weights) if regulariser == "global" else np.sqrt((weights**2).sum())
    assert value == pytest.approx(expected, rel=1e-12)
    slopes = central_differences(lambda w: weight_penalty(w, eye, regulariser)[0], weights)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-9)


def test_a_scaled_identity_costs_nothing():
    value, gradient = weight_penalty(0.7 * np.eye(3), np.eye(3), "global")
    assert value == pytest.approx(0.0, abs=1e-30)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-15)
    np.testing.assert_array_equal(weight_penalty(np.zeros((3, 3)), np.eye(3), "naive")[1], 0.0)


@pytest.mark.parametrize("tau", [1.0, 0.1])
def test_the_local_term_equals_loops_and_differences(rng, readonly, tau):
    x, y = readonly(rng.normal(size=(7, 4))), readonly(rng.normal(size=(7, 3)))
    term = LocalTerm(x, tau)
    value, gradient = term(y)
    assert value == pytest.approx(local_term(x, y, tau), rel=1e-12)
    np.testing.assert_allclose(gradient, central_differences(lambda z: term(z)[0], y), rtol=1e-5, atol=1e-8)


def test_a_scaled_identity_leaves_the_local_term_at_the_entropy_of_the_features(rng):
    x = rng.normal(size=(300, 4))  # more than a block of rows
    term = LocalTerm(x, 0.5)
    value, gradient = term(3.0 * x)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    logits = unit @ unit.T / 0.5
    np.fill_diagonal(logits, -np.inf)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(p * np.log(p)) / 300
    assert value == pytest.approx(entropy, abs=1e-10)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)
