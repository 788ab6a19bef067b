from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import triplets as reference
from scipy.stats import entropy as scipy_entropy

from alignkit.rsa import (
    choice_entropy,
    choice_probabilities,
    cross_entropy,
    expected_calibration_error,
    human_distribution,
    kl_divergence,
)


def simplex(seed, n=30):
    return np.random.default_rng(seed).dirichlet([1, 1, 1], n)


@given(seed=st.integers(0, 1000))
def test_cross_entropy_equals_the_loop_for_each_kind_of_target(seed):
    p, soft = simplex(seed), simplex(seed + 1)
    chosen = np.random.default_rng(seed).integers(0, 3, 30)
    assert cross_entropy(p) == pytest.approx(reference.cross_entropy(p, [[0, 0, 1]] * 30), rel=1e-12)
    assert cross_entropy(p, chosen) == pytest.approx(reference.cross_entropy(p, np.eye(3)[chosen]), rel=1e-12)
    assert cross_entropy(p, soft) == pytest.approx(reference.cross_entropy(p, soft), rel=1e-12)


@given(seed=st.integers(0, 1000))
def test_divergence_and_entropy_are_scipys(seed):
    p, q = simplex(seed), simplex(seed + 1)
    np.testing.assert_allclose(choice_entropy(p), scipy_entropy(p, axis=1), atol=1e-12)
    assert kl_divergence(p, q) == pytest.approx(scipy_entropy(p, q, axis=1).mean(), abs=1e-12)
    assert kl_divergence(p, q) == pytest.approx(cross_entropy(q, p) - choice_entropy(p).mean(), abs=1e-12)
    assert kl_divergence(p, p) == pytest.approx(0, abs=1e-12)


def test_impossible_answers():
    certain, wrong = [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]]
    assert cross_entropy(certain) == 0.0
    assert math.isinf(cross_entropy(wrong))
    assert cross_entropy(certain, certain) == 0.0
    assert math.isinf(kl_divergence(certain, wrong))
    assert kl_divergence(certain, certain) == 0.0
    np.testing.assert_array_equal(choice_entropy(certain), [0.0])
    assert cross_entropy([[1 / 3] * 3]) == pytest.approx(math.log(3))


@given(seed=st.integers(0, 1000), n_bins=st.sampled_from([1, 3, 10, 15]))
def test_calibration_error_equals_the_loop(seed, n_bins):
    rng = np.random.default_rng(seed)
    p = rng.multinomial(20, [0.2, 0.3, 0.5], 60) / 20  # many ties, and confidences on the edges of bins and between
    chosen = rng.integers(0, 3, 60)
    expected = reference.calibration_error(p, chosen, n_bins)
    assert expected_calibration_error(p, chosen, n_bins=n_bins) == pytest.approx(expected, abs=1e-12)


def test_calibrated_answers_have_no_error():
    p = np.repeat([[0.2, 0.2, 0.6]], 10, axis=0)
    chosen = [2] * 6 + [0, 0, 1, 1]
    assert expected_calibration_error(p, chosen) == pytest.approx(0, abs=1e-12)


def test_known_answers_on_things(things_repeats, spose66_files):
    p = choice_probabilities(spose66_files, things_repeats)
    assert cross_entropy(p) == pytest.approx(0.8243, abs=5e-5)
    assert expected_calibration_error(p) == pytest.approx(0.022, abs=5e-4)
    assert choice_entropy(human_distribution(things_repeats)).mean() == pytest.approx(0.732, abs=5e-4)


def test_nan_rows_give_nan():
    p = [[np.nan] * 3, [0.2, 0.3, 0.5]]
    assert math.isnan(cross_entropy(p))
    assert math.isnan(expected_calibration_error(p))
    assert math.isnan(kl_divergence(p, p))
    np.testing.assert_array_equal(np.isnan(choice_entropy(p)), [True, False])


@pytest.mark.parametrize(
    "bad",
    [
        [[0.5, 0.5]],
        [[0.5, 0.6, 0.2]],
        [[-0.5, 1.0, 0.5]],
        [0.2, 0.3, 0.5],
        [[np.nan, 0.5, 2.0]],  # NaN hides no row that is wrong
        [[np.inf, 0.0, 0.0]],
        np.empty((0, 3)),
    ],
)
def test_refuses_what_is_no_probability(bad):
    with pytest.raises(ValueError, match=r"probabilit|axes"):
        cross_entropy(bad)


@pytest.mark.parametrize("target", [[0, 3], [0.0, 1.0], [1], [[0.2, 0.3, 0.5]], ["a", "b"], [0, -1]])
def test_refuses_bad_targets(target):
    with pytest.raises(ValueError, match=r"chosen positions|target must have shape"):
        cross_entropy([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]], target)


def test_refuses_zero_bins():
    with pytest.raises(ValueError, match="n_bins must be at least 1"):
        expected_calibration_error([[0.2, 0.3, 0.5]], n_bins=0)
