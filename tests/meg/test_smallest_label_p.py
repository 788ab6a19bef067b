"""The smallest p-value of permuted labels."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from alignkit.meg import label_test
from alignkit.meg._smallest_label_p import n_symmetries


def categories(*sizes: int) -> np.ndarray:
    """An RDM of items of several categories: 0 within, 1 between."""
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    i, j = np.triu_indices(len(kinds), 1)
    return (kinds[i] != kinds[j]).astype(float)


def by_enumeration(row: np.ndarray, n: int) -> int:
    matrix, upper = np.zeros((n, n)), np.triu_indices(n, 1)
    matrix[upper] = matrix.T[upper] = row
    orders = map(list, itertools.permutations(range(n)))
    return sum(bool((matrix[np.ix_(order, order)] == matrix).all()) for order in orders)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("n_values", [1, 2, 3, 50])
def test_symmetries_are_those_that_enumeration_finds(rng, n, n_values):
    for _ in range(4):
        row = rng.integers(n_values, size=n * (n - 1) // 2) + 1.0
        assert n_symmetries(row, n) == by_enumeration(row, n)


def test_symmetries_of_many_items_take_no_time(rng):
    start = time.perf_counter()
    assert n_symmetries(categories(15, 15), 30) == 2 * np.prod(np.arange(1.0, 16)) ** 2
    assert n_symmetries(categories(29, 1), 30) == n_symmetries(np.ones(29 * 14), 29)
    assert n_symmetries(rng.random(435), 30) == 1
    i, j = np.triu_indices(25, 1)
    rook = ((i // 5 == j // 5) | (i % 5 == j % 5)) + 1.0
    assert n_symmetries(rook, 25) == 2 * 120**2
    assert time.perf_counter() - start < 5


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(
    ("sizes", "smallest"), [((1, 4), 1 / 5), ((2, 2), 1 / 3), ((3, 2), 1 / 10), ((1, 1, 1), 1), ((6, 1), 1 / 7)]
)
def test_the_smallest_p_of_a_model_is_that_of_the_model_as_data(sizes, smallest):
    model = categories(*sizes)
    movie = np.stack([model, model])
    if smallest == 1:
        model[0] = 2.0  # an equal-sided triangle has no correlation; of a two-sided one 2 of 6 orders change nothing
        smallest, movie = 1 / 3, np.stack([model, model])
    with pytest.warns(RuntimeWarning, match="is impossible") as caught:
        found = label_test({"category": model}, movie, rng=0)
    assert found.p.min() == pytest.approx(smallest, abs=1e-12 if found.exact else 0.03)
    (said,) = {str(one.message) for one in caught}
    if sum(sizes) > 3:
        assert f"below {'' if found.exact else 'about '}{smallest:.4g} for 'category'" in said
    assert said.rstrip(".") in found.note
    assert caught[0].filename == __file__


def test_models_that_can_pass_are_not_complained_of(rng):
    label_test({"a": categories(3, 3), "b": rng.random(15)}, rng.random((2, 15)), alpha=0.11, rng=0)
    with pytest.warns(RuntimeWarning, match="below 0.1 for 'a' "):
        label_test({"a": categories(3, 3), "b": rng.random(15)}, rng.random((2, 15)), alpha=0.05, rng=0)
