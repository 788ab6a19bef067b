from __future__ import annotations

import numpy as np
import pytest
from reference.slopes import central_differences

from alignkit.align._maps import make_map, scale_of

KINDS = [("full", None, 25), ("lowrank", 3, 15), ("diagonal", None, 5), ("orthogonal", None, 1), ("orthogonal", 3, 10)]


@pytest.fixture
def x(rng):
    return rng.normal(size=(20, 5)) * [3.0, 1.0, 2.0, 0.5, 0.1]


@pytest.mark.parametrize(("kind", "rank", "n_parameters"), KINDS)
def test_gradients_are_pulled_back_as_differences_say(x, rng, kind, rank, n_parameters):
    form = make_map(kind, x, rank)
    assert form.n_parameters == n_parameters
    slope = rng.normal(size=form.reference.shape)
    vector = form.start(0.3 * form.reference)
    vector = vector + 0.1 * rng.normal(size=vector.shape)
    expected = central_differences(lambda v: float(np.vdot(slope, form.weights(v))), vector)
    np.testing.assert_allclose(form.pull(vector, slope), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("kind", "rank", "n_parameters"), KINDS)
def test_a_map_starts_where_it_is_told(x, kind, rank, n_parameters):
    form = make_map(kind, x, rank)
    np.testing.assert_allclose(form.weights(form.start(0.3 * form.reference)), 0.3 * form.reference, atol=1e-14)
    assert scale_of(0.3 * form.reference, form.reference) == pytest.approx(0.3)


def test_orthonormal_columns_stay_orthonormal(x, rng):
    form = make_map("orthogonal", x, 3)
    weights = form.weights(np.concatenate([[np.log(2.0)], rng.normal(size=15)]))
    np.testing.assert_allclose(weights.T @ weights, 4.0 * np.eye(3), atol=1e-12)


def test_the_reference_of_a_rank_holds_the_leading_principal_directions(x):
    values, vectors = np.linalg.eigh(x.T @ x)
    reference = make_map("lowrank", x, 2).reference
    np.testing.assert_allclose(np.abs(vectors[:, [-1, -2]].T @ reference), np.eye(2), atol=1e-10)
    assert values[-1] > values[-2]
