from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.triplets import probabilities
from scipy.special import log_softmax as scipy_log_softmax

from alignkit.rsa import Triplets, choice_probabilities, human_distribution, odd_one_out
from alignkit.rsa._choice_probabilities import log_softmax, softmax


@pytest.mark.parametrize("temperature", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("kernel", ["dot", "cosine", "euclidean"])
def test_equals_the_loop(kernel, temperature, rng, readonly):
    x = readonly(rng.standard_normal((10, 4)))
    triplets = readonly(np.array([rng.permutation(10)[:3] for _ in range(50)]))
    p = choice_probabilities(x, triplets, kernel=kernel, temperature=temperature)
    np.testing.assert_allclose(p, probabilities(x, triplets, kernel, temperature), atol=1e-12)


@given(seed=st.integers(0, 1000), size=st.floats(1e-3, 1e4))
def test_rows_sum_to_one_and_the_largest_is_the_choice(seed, size):
    rng = np.random.default_rng(seed)
    x = size * rng.standard_normal((7, 3))
    triplets = np.array([rng.permutation(7)[:3] for _ in range(20)])
    p = choice_probabilities(x, triplets)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(p.argmax(axis=1), odd_one_out(x, triplets).clip(0))


@given(seed=st.integers(0, 1000), size=st.floats(1e-3, 1e5))
def test_softmax_is_scipys(seed, size):
    values = size * np.random.default_rng(seed).standard_normal((3, 20))
    np.testing.assert_allclose(log_softmax(values), scipy_log_softmax(values, axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(softmax(values), np.exp(scipy_log_softmax(values, axis=0)), atol=1e-12)


def test_large_temperatures_make_answers_alike(rng):
    x = rng.standard_normal((5, 3))
    np.testing.assert_allclose(choice_probabilities(x, [[0, 1, 2]], temperature=1e9), 1 / 3, atol=1e-6)


def test_takes_a_human_distribution_with_its_labels(rng):
    x = rng.standard_normal((4, 3))
    answers = Triplets([[2, 1, 0], [0, 1, 2], [3, 1, 0]], labels=["a", "b", "c", "d"])
    human = human_distribution(answers)
    order = [2, 3, 0, 1]
    np.testing.assert_allclose(
        choice_probabilities(x[order], human, labels=["c", "d", "a", "b"]),
        choice_probabilities(x, [[0, 1, 2], [0, 1, 3]]),
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_refuses_temperatures(temperature, rng):
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        choice_probabilities(rng.random((3, 2)), [[0, 1, 2]], temperature=temperature)


def test_undefined_triplets_are_rows_of_nan(rng):
    x = rng.random((4, 2))
    x[0, 0] = np.nan
    with pytest.warns(RuntimeWarning, match="'item 0'"):
        p = choice_probabilities(x, [[0, 1, 2], [3, 1, 2]])
    np.testing.assert_array_equal(np.isnan(p), [[True] * 3, [False] * 3])
    with pytest.raises(ValueError, match="nan_policy must be one of 'propagate', 'raise'"):
        choice_probabilities(x, [[0, 1, 2]], nan_policy="omit")


def test_many_triplets_are_shared_out_without_a_seam():
    from scipy.special import softmax as oracle

    from alignkit.rsa._choice_probabilities import softmax
    from alignkit.rsa._kernels._triplets_numpy import BLOCK

    logits = np.random.default_rng(0).normal(size=(3, 2 * BLOCK + 5)) * 900
    np.testing.assert_allclose(softmax(logits, 2.0), oracle(logits / 2, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(softmax(logits[:, BLOCK - 3 : BLOCK + 3]), softmax(logits)[:, BLOCK - 3 : BLOCK + 3])
