"""A rotation changes no dot product, and finds sparse dimensions again."""

from __future__ import annotations

import numpy as np
from scipy.stats import ortho_group

from alignkit.train.embedding._rotate import sparse_rotation


def test_dot_products_stay(rng):
    x = rng.normal(size=(30, 5))
    turned = sparse_rotation(x)
    np.testing.assert_allclose(turned @ turned.T, x @ x.T, atol=1e-10)
    assert ((turned**3).sum(axis=0) > 0).all()


def test_sparse_dimensions_are_found_whatever_the_rotation(known):
    mixed = known @ ortho_group.rvs(known.shape[1], random_state=1)
    found = [np.corrcoef(known.T, x.T)[:4, 4:].max(axis=1) for x in (mixed, sparse_rotation(mixed))]
    assert found[0].min() < 0.7
    assert found[1].min() > 0.85


def test_dimensions_that_are_empty_stay_empty(known):
    wide = np.hstack([known, np.zeros((len(known), 3))])
    assert np.sort(np.abs(sparse_rotation(wide)).max(axis=0))[:3].max() < 1e-6
