"""Fused distances from products against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from alignkit.rsa._kernels import _gram_numpy

KINDS = {"correlation": True, "cosine": False}


def scipys(x, metric):
    return np.stack([pdist(one, metric) for one in x.reshape(-1, *x.shape[-2:])]).reshape(*x.shape[:-2], -1)


# 700 rows take several tiles, 1 channel and 3 rows are the least there can be
@pytest.mark.parametrize("shape", [(3, 2), (5, 1), (2, 3, 20, 7), (700, 33)])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_equal_to_scipy(shape, offset, rng, readonly):
    x = readonly(rng.normal(size=shape) + offset)
    for metric, centred in KINDS.items():
        if shape[-1] > 1 or not centred:
            values, undefined = _gram_numpy.angular(x, centred=centred, dtype="float64")
            np.testing.assert_allclose(values, scipys(x, metric), rtol=0, atol=1e-12)
            assert not undefined.any()
            assert undefined.shape == shape[:-1]
    np.testing.assert_allclose(_gram_numpy.squares(x, dtype="float64"), scipys(x, "sqeuclidean"), rtol=1e-11)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_single_precision_is_near_double(offset, rng):
    x = (rng.normal(size=(400, 300)) + offset).astype(np.float32)
    exact = x.astype(np.float64)
    for metric, centred, limit in (("correlation", True, 1e-6), ("cosine", False, 1e-6)):
        values, _ = _gram_numpy.angular(x, centred=centred, dtype="float32")
        assert values.dtype == np.float32
        assert np.abs(values - pdist(exact, metric)).max() < limit
    squares = _gram_numpy.squares(x, dtype="float32")
    assert squares.dtype == np.float32
    np.testing.assert_allclose(squares, pdist(exact, "sqeuclidean"), rtol=2e-6)


def test_rows_without_a_direction_are_marked(rng):
    x = rng.normal(size=(4, 5))
    x[1] = 3.0
    x[2] = 0.0
    for centred, expected in ((True, [False, True, True, False]), (False, [False, False, True, False])):
        values, undefined = _gram_numpy.angular(x, centred=centred, dtype="float64")
        assert undefined.tolist() == expected
        assert np.isfinite(values).all()


@pytest.mark.parametrize("unit", [1e-300, 1e-170, 1e160, 1e300])
def test_the_unit_does_not_matter(unit, rng):
    x = rng.normal(size=(6, 9))
    for centred in (True, False):
        plain, _ = _gram_numpy.angular(x, centred=centred, dtype="float64")
        scaled, undefined = _gram_numpy.angular(x * unit, centred=centred, dtype="float64")
        assert not undefined.any()
        np.testing.assert_allclose(scaled, plain, atol=1e-14)


def test_close_rows_keep_their_digits(rng):
    x = np.repeat(rng.normal(size=(1, 50)), 600, axis=0) + 1e-9 * rng.normal(size=(600, 50))
    x[300:] += 1.0
    x[17] = x[411]
    exact = pdist(x, "sqeuclidean")
    squares = _gram_numpy.squares(x, dtype="float64")
    np.testing.assert_allclose(squares, exact, rtol=1e-12)
    assert squares[exact == 0].tolist() == [0.0]


@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 100))
def test_tiles_cover_every_pair_once(n, size, seed):
    x = np.random.default_rng(seed).integers(-3, 4, size=(2, n, 3)).astype(np.float64)
    tile = _gram_numpy._TILE
    _gram_numpy._TILE = size * 7
    try:
        products = _gram_numpy.condensed_products(x, lambda tile, _k, _i: None)
    finally:
        _gram_numpy._TILE = tile
    rows, columns = np.triu_indices(n, k=1)
    assert np.array_equal(products, (x @ x.swapaxes(1, 2))[:, rows, columns])
