"""Roots of the noise precision: what they whiten is white, in as many directions as there are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power

from alignkit.meg._whiten import Whitening, root_of


def covariance(rng, n, rank=None):
    root = rng.normal(size=(n, n if rank is None else rank))
    return root @ root.T


def whitening(matrices, **changes):
    n = matrices.shape[-1]
    fields = {"rank": n, "kept": np.full(len(matrices), n), "types": (np.arange(n),), "dtype": np.dtype(np.float64)}
    return Whitening(matrices, **{**fields, **changes})


def test_whitened_noise_is_the_identity(rng):
    matrix = covariance(rng, 6)
    root = root_of(matrix, [np.arange(6)], 6, 6)
    np.testing.assert_allclose(root.T @ matrix @ root, np.eye(6), atol=1e-10)
    np.testing.assert_allclose(root @ root.T, np.linalg.inv(matrix), rtol=1e-8)


def test_the_symmetric_root_is_the_power_of_minus_one_half(rng):
    matrix = covariance(rng, 5)
    root = root_of(matrix, [np.arange(5)], 5, 5, symmetric=True)
    np.testing.assert_allclose(root, fractional_matrix_power(matrix, -0.5), rtol=1e-8)


def test_reduced_rank_keeps_as_many_directions(rng):
    matrix = covariance(rng, 8, rank=3)
    root = root_of(matrix, [np.arange(8)], 3, 3)
    assert root.shape == (8, 3)
    np.testing.assert_allclose(root.T @ matrix @ root, np.eye(3), atol=1e-10)
    data = rng.normal(size=(10, 8)) @ matrix
    np.testing.assert_allclose(
        data @ root @ root.T @ data.T, data @ np.linalg.pinv(matrix, hermitian=True) @ data.T, rtol=1e-7
    )


def test_small_units_of_one_type_are_not_cut_off(rng):
    parts = [covariance(rng, 5, rank=3), covariance(rng, 5, rank=3) * 1e-26]
    matrix = np.block([[parts[0], np.zeros((5, 5))], [np.zeros((5, 5)), parts[1]]])
    types = [np.arange(5), np.arange(5, 10)]
    root = root_of(matrix, types, 6, 6)
    np.testing.assert_allclose(root.T @ matrix @ root, np.eye(6), atol=1e-9)
    symmetric = root_of(matrix, types, 6, 6, symmetric=True)
    white = symmetric.T @ matrix @ symmetric
    np.testing.assert_allclose(np.linalg.eigvalsh(white), np.repeat([0.0, 1.0], [4, 6]), atol=1e-9)


def test_directions_that_no_residual_reaches_are_zero(rng):
    root = root_of(covariance(rng, 8, rank=2), [np.arange(8)], 5, 2)
    assert root.shape == (8, 5)
    assert (np.abs(root).max(axis=0) > 0).sum() == 2


@pytest.mark.parametrize("rank", [5, 4])
def test_a_singular_covariance_is_said(rng, rank):
    with pytest.raises(ValueError, match=f"rank below {rank}, so that it cannot be inverted"):
        root_of(covariance(rng, 5, rank=3), [np.arange(5)], rank, rank)


def test_each_fold_has_its_root_and_all_trials_the_last(rng):
    matrices = np.stack([[covariance(rng, 3)] for _ in range(4)])
    found = whitening(matrices)
    assert found.by_fold
    assert not found.by_time
    for fold, number in [(0, 0), (2, 2), (None, 3)]:
        root = found.roots(fold)
        assert root.shape == (1, 3, 3)
        np.testing.assert_allclose(root[0].T @ matrices[number, 0] @ root[0], np.eye(3), atol=1e-9)
    assert found.roots(0) is found.roots(0)


def test_one_covariance_serves_all_folds_and_each_time_has_its_own(rng):
    matrices = np.stack([covariance(rng, 3) for _ in range(5)])[None]
    found = whitening(matrices, dtype=np.dtype(np.float32))
    assert found.by_time
    assert found.roots(7).shape == (5, 3, 3)
    assert found.roots(None).dtype == np.float32
    np.testing.assert_array_equal(found.roots(1), found.roots(None))
    assert "3 channels" in found.describe()


def test_a_precision_is_taken_as_it_is(rng):
    precision = covariance(rng, 4, rank=2)
    found = whitening(precision[None, None], inverted=True)
    for symmetric in (False, True):
        root = found.roots(None, symmetric=symmetric)[0]
        np.testing.assert_allclose(root @ root.T, precision, atol=1e-9)
