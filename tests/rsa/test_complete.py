from __future__ import annotations

import numpy as np
import pytest
from reference import compare as reference

from alignkit.rsa._complete import complete
from alignkit.rsa._sigma_k import contrast_root


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [4, 7, 12])
def test_equals_the_conditional_mean(n, share, rng):
    root = rng.normal(size=(n, n + 3))
    sigma_k = root @ root.T
    d = rng.random(n * (n - 1) // 2)
    valid = rng.random(d.size) >= share
    valid[:2] = True
    v = reference.covariance_of_pairs(n, sigma_k)
    expected = v[:, valid] @ np.linalg.solve(v[np.ix_(valid, valid)], d[valid])
    found = complete(d[valid], valid, sigma_k, contrast_root(sigma_k))
    assert np.allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
    assert np.array_equal(found[valid], d[valid])


def test_zeros_stay_zeros():
    valid = np.arange(10) > 2
    assert np.array_equal(complete(np.zeros(7), valid, np.eye(5), contrast_root(np.eye(5))), np.zeros(10))


def test_what_cannot_be_reached_is_refused(rng):
    root = rng.normal(size=(30, 4))
    sigma_k = root @ root.T + 1e-8 * np.eye(30)
    valid = rng.random(435) > 0.5
    with pytest.raises(ValueError, match="so badly conditioned that single missing pairs cannot be left out exactly"):
        complete(rng.random(int(valid.sum())), valid, sigma_k, contrast_root(sigma_k))
