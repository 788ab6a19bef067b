"""Compiled sums over folds of items, and least squares from products alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls

from alignkit.rsa._inference._item_sample import item_sample, whitened_gram
from alignkit.rsa._inference._whitened_folds import whitened_grams
from alignkit.rsa._kernels._fold_moments_numba import fold_moments, fold_sums
from alignkit.rsa._kernels._small_fits_numba import small_fits

N = 15


@pytest.fixture
def drawn(rng) -> tuple[np.ndarray, np.ndarray]:
    """Return how often items were drawn in four sets, and their folds of three."""
    counts = rng.multinomial(N, np.full(N, 1 / N), size=4)
    return counts, np.where(counts > 0, rng.permuted(np.tile(np.arange(N) % 3, (4, 1)), axis=1), -1)


def test_sums_over_folds(drawn, rng):
    counts, labels = drawn
    columns = rng.normal(size=(N * (N - 1) // 2, 3))
    moments, sums = np.zeros((4, 3, 3, 3, 3)), np.zeros((4, 3, N, 3))
    for b in range(4):
        for x, (i, j) in zip(columns, itertools.combinations(range(N), 2), strict=True):
            f, g = labels[b, [i, j]]
            if min(f, g) < 0:
                continue
            sums[b, g, i] += counts[b, j] * x
            sums[b, f, j] += counts[b, i] * x
            for pair in {(f, g), (g, f)}:
                moments[b, *pair] += counts[b, i] * counts[b, j] * np.outer(x, x)
    weights = counts.astype(float)
    assert_allclose(fold_moments(columns, weights, labels, 3), moments, rtol=0, atol=1e-12)
    assert_allclose(fold_sums(columns, weights, labels, 3), sums, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_small_fits_are_scipys(n, rng):
    x, y = rng.random((200, 40, n)), rng.normal(size=(200, 40))
    y += x @ rng.normal(size=n) * rng.random((200, 1))
    gram, target = x.swapaxes(1, 2) @ x, (x.swapaxes(1, 2) @ y[..., None])[..., 0]
    found, left = small_fits(gram, target, nonnegative=True)
    assert not left.any()
    assert_allclose(found, [nnls(a, b)[0] for a, b in zip(x, y, strict=True)], rtol=0, atol=1e-10)
    assert ((found == 0).any() and (found > 0).any()) or n == 1
    free, _ = small_fits(gram, target, nonnegative=False)
    assert_allclose(free, [np.linalg.lstsq(a, b)[0] for a, b in zip(x, y, strict=True)], rtol=0, atol=1e-10)


def test_systems_without_one_solution_are_left(rng):
    x = rng.random((3, 40, 3))
    x[0, :, 2] = x[0, :, 0] + x[0, :, 1]
    x[1, :, 1] = 0.0
    gram = x.swapaxes(1, 2) @ x
    assert_array_equal(small_fits(gram, np.ones((3, 3)), nonnegative=True)[1], [True, True, False])


@pytest.mark.parametrize("method", ["whitened-cosine", "whitened-pearson"])
@pytest.mark.parametrize("variances", [None, np.linspace(1, 3, N)])
@pytest.mark.parametrize("n_folds", [1, 3])
def test_whitened_products_are_those_of_pairs_written_out(method, variances, n_folds, drawn, rng):
    counts, labels = drawn
    labels = np.minimum(labels, n_folds - 1)
    rows = rng.random((4, N * (N - 1) // 2))
    rows[3] = 0.7  # nothing but rounding is left of it by whitened-pearson
    centred = method.endswith("pearson")
    found = whitened_grams(rows, counts, labels, n_folds, variances, centred=centred)
    there = np.ones(rows.shape[1], dtype=bool)
    for b, f in np.ndindex(4, n_folds):
        own = labels[b] == f
        for gram, part in zip(found, (own if n_folds == 1 else ~own & (labels[b] >= 0), own), strict=True):
            sample = item_sample(counts[b] * part, there)
            if (counts[b] * part > 0).sum() < 3:
                continue
            expected = whitened_gram(rows, sample, method, variances)
            # variances are relative to the mean of all items, or of those that were drawn: a common factor
            assert_allclose(gram[b, f] / np.trace(gram[b, f]), expected / np.trace(expected), rtol=0, atol=1e-12)
