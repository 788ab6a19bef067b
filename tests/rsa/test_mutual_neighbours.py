from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import feature_similarity as reference

from alignkit.rsa import _feature_rows, similarity
from alignkit.rsa._feature_rows import centred_rows
from alignkit.rsa._mutual_neighbours import MutualNeighbours


def value(x, y, n_neighbours=10) -> float:
    return float(similarity(x, y, method="mutual-knn", n_neighbours=n_neighbours))


@pytest.mark.parametrize("k", [1, 3, 10, 28])
def test_it_equals_the_loop(rng, k, monkeypatch):
    x, y = rng.normal(size=(30, 4)) + 1, rng.normal(size=(30, 9))
    expected = reference.mutual_knn(x, y, n_neighbours=k)
    assert value(x, y, k) == pytest.approx(expected, abs=1e-15)
    monkeypatch.setattr(_feature_rows, "BLOCK", 130)
    assert value(x, y, k) == pytest.approx(expected, abs=1e-15)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_ties_go_to_the_item_that_comes_first(seed, k):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(1, 4, size=(2, 12, 2)).astype(float)
    assert value(x, y, k) == pytest.approx(reference.mutual_knn(x, y, n_neighbours=k), abs=1e-15)
    assert value(x, x * 3.0, k) == 1


def test_copies_are_tied_however_their_products_round(rng):
    x = np.repeat(rng.normal(size=(9, 301)), 4, axis=0)
    y = rng.normal(size=(36, 5))
    assert value(x, y, 2) == pytest.approx(reference.mutual_knn(x, y, n_neighbours=2), abs=1e-15)
    assert value(x, x + 0.0, 2) == 1


def test_neither_length_nor_rotation_matters(rng):
    x, y = rng.normal(size=(2, 30, 5))
    turned = rng.uniform(0.1, 9, size=(30, 1)) * x @ np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert value(turned, y) == value(x, y)
    assert value(turned, x) == 1
    assert value(x * 1e-200, y) == value(x, y)
    assert value(x * (10.0 ** rng.integers(-150, 150, size=(30, 1))), y) == value(x, y)


def test_chance_is_the_share_of_neighbours(rng):
    x, y = rng.normal(size=(2, 60, 8))
    result = similarity(x, y, method="mutual-knn", n_permutations=300, rng=0)
    assert result.baseline == pytest.approx(10 / 59, abs=0.005)


def test_rows_of_zeros_have_no_cosine(rng):
    x, y = rng.normal(size=(2, 20, 3))
    x[[4, 7]] = 0
    with pytest.warns(RuntimeWarning, match="all 0: 'item 4 of x', 'item 7 of x'"):
        assert np.isnan(value(x, y, 3))
    labels = [f"photo{i}" for i in range(20)]
    with pytest.warns(RuntimeWarning, match="'photo4 of x', 'photo7 of x'"):
        similarity(x, y, method="mutual-knn", labels_x=labels, labels_y=labels)


def test_enough_neighbours_for_everybody_are_refused(rng):
    x, y = rng.normal(size=(2, 11, 3))
    with pytest.raises(ValueError, match="mutual 10-NN needs at least 12 items; got 11"):
        value(x, y)
    assert value(x, y, 9) > 0


def test_cosines_that_differ_by_rounding_are_tied():
    """The third item is nearer to the first than the second is by 1e-14 of a cosine: no more than a product rounds."""
    angle = 0.8
    angles = [0.0, angle, -(angle - 2e-14), 2.0, 2.2, 2.5]
    rows = centred_rows(np.stack([np.cos(angles), np.sin(angles)], axis=1), np.arange(6))
    assert MutualNeighbours(1).prepare(rows, 1).indices[0] == 1
    angles[2] = -(angle - 1e-9)
    rows = centred_rows(np.stack([np.cos(angles), np.sin(angles)], axis=1), np.arange(6))
    assert MutualNeighbours(1).prepare(rows, 1).indices[0] == 2
