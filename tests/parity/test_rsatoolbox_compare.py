"""Whitened and Bures comparisons equal rsatoolbox's, and the places where they knowingly do not."""

from __future__ import annotations

import numpy as np
import pytest
from reference import compare as reference

from alignkit.rsa import RDM, compare, rdm

rsatoolbox = pytest.importorskip("rsatoolbox.rdm")
NAMES = {"whitened-cosine": "cosine_cov", "whitened-pearson": "corr_cov"}
each = pytest.mark.parametrize("method", NAMES)


def stack(rng, n_rdms: int, n_items: int, channels: int = 30) -> np.ndarray:
    return np.stack([rdm(rng.normal(size=(n_items, channels)), metric="sqeuclidean").values for _ in range(n_rdms)])


def theirs(a: np.ndarray, b: np.ndarray, method: str, sigma_k: np.ndarray | None = None) -> np.ndarray:
    return rsatoolbox.compare(rsatoolbox.RDMs(a), rsatoolbox.RDMs(b), method=method, sigma_k=sigma_k)


@each
@pytest.mark.parametrize("n", [4, 12, 40, 120])
def test_whitened(method, n, rng):
    a, b = stack(rng, 2, n), stack(rng, 3, n)
    assert np.allclose(compare(a, b, method=method).values, theirs(a, b, NAMES[method]), rtol=0, atol=1e-12)


@each
@pytest.mark.parametrize("n", [6, 30])
def test_whitened_with_missing_pairs(method, n, rng):
    a, b = stack(rng, 2, n), stack(rng, 3, n)
    holes = rng.random(a.shape[1]) < 0.2
    a[:, holes] = b[:, holes] = np.nan
    found = compare(a, b, method=method, nan_policy="omit").values
    assert np.allclose(found, theirs(a, b, NAMES[method]), rtol=0, atol=1e-12)


@each
def test_covariance_of_items(method, rng):
    a, b = stack(rng, 2, 12), stack(rng, 3, 12)
    root = rng.normal(size=(12, 20))
    sigma_k = root @ root.T / 20
    found = compare(a, b, method=method, sigma_k=sigma_k).values
    # conjugate gradients, stopped at a relative residual of 1e-5
    assert np.allclose(found, theirs(a, b, NAMES[method], sigma_k), rtol=0, atol=1e-3)
    exact = [[reference.whitened(x, y, sigma_k, centred=method == "whitened-pearson") for y in b] for x in a]
    assert np.allclose(found, exact, rtol=0, atol=1e-11)


def test_their_variances_are_not_the_covariance_that_they_stand_for(rng):
    # they centre without weights before they weigh; ours are exact
    a, b, variances = stack(rng, 1, 12), stack(rng, 1, 12), rng.random(12) + 0.2
    ours = compare(a, b, method="whitened-cosine", sigma_k=variances).values
    exact = reference.whitened(a[0], b[0], variances)
    assert ours == pytest.approx(exact, abs=1e-12)
    assert abs(theirs(a, b, "cosine_cov", variances) - exact) > 1e-3
    assert theirs(a, b, "cosine_cov", np.diag(variances)) == pytest.approx(exact, abs=1e-4)
    # equal variances are no matter of dispute
    equal = np.full(12, 2.0)
    ours = compare(a, b, method="whitened-cosine", sigma_k=equal).values
    assert np.allclose(ours, theirs(a, b, "cosine_cov", equal), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [5, 20])
def test_bures(n, rng):
    a, b = stack(rng, 2, n, channels=4), stack(rng, 3, n)
    assert np.allclose(compare(a, b, method="bures").values, theirs(a, b, "bures"), rtol=0, atol=1e-6)
    squared = np.square(compare(a, b, method="bures-metric").values)
    expected = theirs(a, b, "bures_metric")
    assert np.allclose(squared, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_their_objects_are_compared_as_they_are(rng):
    labels = [f"c{i}" for i in range(6)]
    a, b = RDM(stack(rng, 2, 6), labels), RDM(stack(rng, 3, 6), labels)
    expected = compare(a, b, method="pearson").values
    assert np.array_equal(compare(a.to_rsatoolbox(), b.to_rsatoolbox(), method="pearson").values, expected)
    assert np.allclose(compare(a.to_rsatoolbox(), b.values, method="pearson").values, expected, rtol=0, atol=1e-15)
