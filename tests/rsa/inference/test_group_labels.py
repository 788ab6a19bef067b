from __future__ import annotations

import itertools
import math

import numpy as np

from alignkit.rsa._inference._group_labels import divisions, smallest_p


def test_all_divisions_begin_with_the_observed_one():
    found, exact = divisions(2, 3, 10, np.random.default_rng(0))
    assert exact
    expected = [[s in who for s in range(5)] for who in itertools.combinations(range(5), 2)]
    assert found.tolist() == expected
    assert found[0].tolist() == [True, True, False, False, False]


def test_random_divisions_are_uniform():
    found, exact = divisions(2, 3, 9, np.random.default_rng(0))
    assert (exact, found.shape) == (False, (9, 5))
    many, _ = divisions(3, 4, 34, np.random.default_rng(0))
    assert (many.sum(axis=1) == 3).all()
    rng = np.random.default_rng(1)
    share = np.mean([divisions(2, 3, 9, rng)[0].mean(axis=0) for _ in range(500)], axis=0)
    assert np.allclose(share, 0.4, atol=4 * math.sqrt(0.24 / 4500))


def test_the_smallest_p():
    assert smallest_p(3, 3, 20, exact=True, symmetric=True) == 0.1
    assert smallest_p(3, 3, 20, exact=True, symmetric=False) == 0.05
    assert smallest_p(3, 4, 35, exact=True, symmetric=True) == 1 / 35
    assert smallest_p(9, 9, 99, exact=False, symmetric=True) == 0.01
