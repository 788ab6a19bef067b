"""What may be passed as noise, and what is said of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import rdm
from alignkit.rsa._noise import as_noise, inverse


@pytest.fixture
def covariance(rng) -> np.ndarray:
    root = rng.normal(size=(4, 9))
    return root @ root.T / 9


def test_roots_are_roots(covariance, readonly):
    of_covariance = as_noise(readonly(covariance), "covariance", 4, None).root
    of_precision = as_noise(np.linalg.inv(covariance), "precision", 4, None).root
    for root in (of_covariance, of_precision):
        assert np.allclose(root @ root.T @ covariance, np.eye(4), rtol=0, atol=1e-11)


def test_a_semi_definite_precision_is_one(rng):
    root = rng.normal(size=(4, 2))
    found = as_noise(root @ root.T, "precision", 4, None).root
    assert np.allclose(found @ found.T, root @ root.T, rtol=0, atol=1e-12)
    # as float32 files hold it
    single = as_noise((root @ root.T).astype(np.float32), "precision", 4, None).root
    assert np.allclose(single @ single.T, root @ root.T, rtol=0, atol=1e-5)


def test_per_fold_by_order_and_by_name(covariance):
    matrices = [covariance, 2 * covariance, 3 * covariance]
    folds = ["b", "a", "c"]
    listed = as_noise(matrices, "covariance", 4, folds).covariances
    stacked = as_noise(np.stack(matrices), "covariance", 4, folds).covariances
    named = as_noise({"a": matrices[1], "b": matrices[0], "c": matrices[2], "d": covariance}, "covariance", 4, folds)
    inverted = as_noise([np.linalg.inv(one) for one in matrices], "precision", 4, folds).covariances
    assert np.array_equal(listed, stacked)
    assert np.array_equal(listed, named.covariances)
    assert np.allclose(listed, inverted, rtol=1e-10)


def test_a_tensor_is_taken(covariance, rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(5, 4))
    expected = rdm(x, metric="mahalanobis", noise=covariance).values
    tensor = torch.from_numpy(covariance).requires_grad_()
    assert np.array_equal(rdm(x, metric="mahalanobis", noise=tensor).values, expected)


BAD = {
    "covariance": (np.diag([1.0, 1, 1, 0]), "covariance", ValueError, "must be positive definite to be inverted"),
    "negative": (-np.eye(4), "covariance", ValueError, "must be positive definite to be inverted"),
    "of low rank": (np.ones((4, 4)) + 1e-17, "covariance", ValueError, "must be positive definite"),
    "asymmetric": (np.triu(np.ones((4, 4))), "covariance", ValueError, "noise must be symmetric: it is a covariance"),
    "shape": (np.eye(3), "covariance", ValueError, "^noise is of 3 channels and the patterns have 4"),
    "axes": (np.ones((1, 1, 4, 4)), "precision", ValueError, r"noise must have shape \(channels, channels\), or"),
    "one of several": ([np.eye(4), -np.eye(4)], "covariance", ValueError, r"noise\[1\] must be positive definite"),
    "a wrong one": ([np.eye(4), np.eye(3)], "precision", ValueError, r"noise\[1\] is of 3 channels"),
    "number": ([np.eye(4)] * 3, "precision", ValueError, r"expected 2 \('r1', 'r2'\), got 3"),
    "names": ({"r1": np.eye(4)}, "precision", ValueError, r"no matrix for the fold\(s\) 'r2'; it has 'r1'"),
    "nothing in it": ({}, "precision", ValueError, "no matrix for the fold"),
    "infinite": (np.full((4, 4), np.inf), "precision", ValueError, "noise holds 16 NaN or infinite"),
    "text": ("identity", "precision", TypeError, "noise must hold real numbers"),
    "kind": (np.eye(4), "residuals", ValueError, "noise_kind must be one of 'precision', 'covariance'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_noise(case):
    noise, kind, error, sentence = BAD[case]
    with pytest.raises(error, match=sentence):
        as_noise(noise, kind, 4, ["r1", "r2"])


def test_the_inverse_is_symmetric_and_knows_no_unit(covariance):
    found = inverse("it", covariance)
    assert np.array_equal(found, found.T)
    units = np.array([1e-13, 1e-6, 1.0, 1e9])
    scaled = inverse("it", covariance * np.outer(units, units))
    assert np.allclose(scaled * np.outer(units, units), found, rtol=1e-10)


def test_folds_are_named_however_their_names_are_written(covariance):
    matrices = {b"run1": covariance, "e\u0301": 2 * covariance, 3: 3 * covariance}
    named = as_noise(matrices, "covariance", 4, ["run1", "\u00e9", "3"]).covariances
    assert np.array_equal(named, as_noise(list(matrices.values()), "covariance", 4, ["a", "b", "c"]).covariances)


@pytest.mark.parametrize("seed", range(8))
def test_channels_that_add_up_to_nothing_have_no_inverse(seed):
    # an average reference leaves a variance of zero but for rounding, of either sign
    rows = np.random.default_rng(seed).normal(size=(60, 6))
    rows -= rows.mean(axis=1, keepdims=True)
    with pytest.raises(ValueError, match="noise must be positive definite to be inverted"):
        as_noise(np.cov(rows.T), "covariance", 6, None)


def test_rounding_on_either_side_of_the_diagonal_does_not_matter(covariance):
    rounded = covariance.copy()
    rounded[0, 1] += 1e-7 * np.abs(covariance).max()
    for kind in ("precision", "covariance"):
        one, other = (as_noise(matrix, kind, 4, None).root for matrix in (rounded, rounded.T))
        assert np.array_equal(one, other)


def test_an_array_of_residuals_is_no_matrix():
    with pytest.raises(ValueError, match=r"got shape \(60, 4\)\. If it holds residuals, pass noise_precision"):
        as_noise(np.ones((60, 4)), "precision", 4, None)
