from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import reweighted as reference

from alignkit.rsa._difference_sums import difference_sums, predicted


@given(st.integers(0, 99), st.integers(3, 9), st.integers(1, 6))
def test_sums_equal_products_of_the_design_written_out(seed, n, p):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    x -= x.mean(axis=0)
    targets = rng.random((2, n * (n - 1) // 2)) + 1
    r = reference.design(x)
    r = r - r.mean(axis=0)
    sums = difference_sums(x, targets)
    assert np.allclose(sums.gram, r.T @ r, rtol=0, atol=1e-10)
    assert np.allclose(sums.crossed, r.T @ (targets - targets.mean(axis=1, keepdims=True)).T, rtol=0, atol=1e-10)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("penalty", [1e-4, 0.1, 100.0])
def test_weights_are_those_of_the_design(nonnegative, penalty, rng):
    x = rng.normal(size=(12, 5))
    x -= x.mean(axis=0)
    targets = rng.random((3, 66))
    found = difference_sums(x, targets).weights(penalty, nonnegative=nonnegative)
    expected = [reference.ridge(reference.design(x), y, penalty, nonnegative=nonnegative) for y in targets]
    assert np.allclose(found.T, expected, rtol=0, atol=1e-10)
    assert (found < 0).any() != nonnegative


def test_more_features_than_pairs(rng):
    x = rng.normal(size=(5, 30))
    x -= x.mean(axis=0)
    y = rng.random((1, 10))
    found = difference_sums(x, y).weights(0.01, nonnegative=False)
    assert np.allclose(found[:, 0], reference.ridge(reference.design(x), y[0], 0.01, nonnegative=False), atol=1e-9)


def test_predictions_are_weighted_squared_distances(rng):
    x, weights = rng.normal(size=(9, 4)) + 2, rng.normal(size=(4, 3))
    assert np.allclose(predicted(x, weights), (reference.design(x) @ weights).T, rtol=0, atol=1e-12)


def test_features_that_are_all_constant_weigh_nothing():
    sums = difference_sums(np.zeros((5, 3)), np.ones((1, 10)))
    assert (sums.weights(1.0, nonnegative=True) == 0).all()
