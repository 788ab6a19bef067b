from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from alignkit.report._item_places import item_places


def test_points_of_a_plane_are_found_again():
    points = np.random.default_rng(1).normal(size=(20, 2))
    given = squareform(pdist(points))
    found = item_places(given)
    np.testing.assert_allclose(squareform(pdist(found.places)), given, atol=1e-4)
    assert found.stress < 1e-4


def test_the_stress_falls_below_that_of_classical_scaling_and_is_kruskals():
    points = np.random.default_rng(2).normal(size=(25, 6))
    given = squareform(pdist(points))
    found, classical = item_places(given), item_places(given, n_iterations=1)
    assert found.stress < classical.stress
    there = pdist(found.places)
    assert found.stress == pytest.approx(np.sqrt(((pdist(points) - there) ** 2).sum() / (there**2).sum()))


def test_the_same_items_lie_in_the_same_places():
    given = squareform(pdist(np.random.default_rng(3).normal(size=(12, 5))))
    np.testing.assert_array_equal(item_places(given).places, item_places(given.copy()).places)


@pytest.mark.parametrize("given", [np.zeros((4, 4)), np.array([[0.0, 1.0], [1.0, 0.0]]), -1.0 + np.eye(3)])
def test_degenerate_matrices_have_places(given):
    assert np.isfinite(item_places(given).places).all()
    assert item_places(given).places.shape == (len(given), 2)
