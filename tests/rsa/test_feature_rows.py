"""Centred rows in blocks: the same as centring all at once, for any block, order and unit."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import _feature_rows
from alignkit.rsa._feature_rows import centred_rows, cross, finite_rows, gram, held, products, square_norms, through

BLOCKS = [1 << 22, 100, 7, 1]


@pytest.fixture(params=BLOCKS)
def block(request, monkeypatch) -> int:
    monkeypatch.setattr(_feature_rows, "BLOCK", request.param)
    return request.param


def test_blocks_put_together_are_the_centred_features(rng, block):
    x, order = rng.normal(size=(9, 5)) + 100, rng.permutation(9)[:7]
    expected = x[order] - x[order].mean(axis=0)
    rows = centred_rows(x, order)
    assert (rows.n_items, rows.n_channels, rows.exponent, rows.constant) == (7, 5, 0, False)
    assert (rows.kept is None) == (block < 35)
    np.testing.assert_allclose(np.concatenate(list(rows.blocks())), expected, atol=1e-13)
    np.testing.assert_allclose(np.hstack(list(rows.column_blocks())), expected, atol=1e-13)
    np.testing.assert_allclose(rows.dense(), expected, atol=1e-13)
    turned = rng.permutation(7)
    np.testing.assert_allclose(rows.take(turned).dense(), expected[turned], atol=1e-13)
    np.testing.assert_allclose(held(expected).dense(), expected)


def test_products(rng, block):
    x, y = rng.normal(size=(9, 5)), rng.normal(size=(9, 3))
    a, b = (centred_rows(z, np.arange(9)) for z in (x, y))
    p, q = (z - z.mean(axis=0) for z in (x, y))
    np.testing.assert_allclose(cross(a, b), p.T @ q, atol=1e-13)
    np.testing.assert_allclose(cross(a, a), p.T @ p, atol=1e-13)
    np.testing.assert_allclose(gram(a), p @ p.T, atol=1e-13)
    np.testing.assert_allclose(square_norms(a), (p**2).sum(axis=1), atol=1e-13)
    np.testing.assert_allclose(through(q @ q.T, a), np.trace(p.T @ q @ q.T @ p), atol=1e-12)


@pytest.mark.parametrize("tile", [1, 3, 4, 512])
def test_tiles(rng, tile, monkeypatch):
    monkeypatch.setattr(_feature_rows, "_TILE", tile)
    x, y = rng.normal(size=(6, 8)), rng.normal(size=(6, 5))
    np.testing.assert_allclose(products(x, y), x.T @ y, atol=1e-14)
    own = products(x, x)
    np.testing.assert_allclose(own, x.T @ x, atol=1e-14)
    np.testing.assert_array_equal(own, own.T)


def test_constant_channels_are_zero_exactly(block):
    x = np.full((6, 4), [0.1, 1e9 / 3, -7e-9, 123456.789])
    rows = centred_rows(x, np.arange(6))
    assert rows.constant
    assert not rows.dense().any()
    x[4, 1] = np.nextafter(x[4, 1], np.inf)
    rows = centred_rows(x, np.arange(6))
    assert not rows.constant
    assert np.flatnonzero(rows.dense().any(axis=0)).tolist() == [1]


def test_an_offset_costs_no_digits(rng):
    x = rng.normal(size=(500, 3))
    exact = x - x.mean(axis=0)
    near = (x + 2.0**30) - 2.0**30  # what is left of x beside a large number
    rows = centred_rows(x + 2.0**30, np.arange(500))
    np.testing.assert_allclose(rows.dense(), near - near.mean(axis=0), rtol=0, atol=1e-15)
    assert abs(rows.dense() - exact).max() < 1e-6


@pytest.mark.parametrize("unit", [2.0**-900, 2.0**900])
def test_extreme_units_are_taken_out_exactly(rng, unit):
    x = rng.normal(size=(6, 3))
    rows, plain = (centred_rows(z, np.arange(6)) for z in (x * unit, x))
    assert rows.exponent != 0
    np.testing.assert_array_equal(rows.dense() * 2.0**rows.exponent, plain.dense() * unit)
    assert np.isfinite(gram(rows)).all()
    assert gram(rows).any()


def test_inputs_are_never_written_to(rng, readonly, block):
    x = readonly(rng.normal(size=(9, 5)))
    before = x.copy()
    rows = centred_rows(x, np.arange(9))
    cross(rows, rows)
    gram(rows)
    np.testing.assert_array_equal(x, before)


def test_rows_with_nan_or_infinity_are_found(block):
    x = np.zeros((5, 3), dtype=np.float32)
    x[1, 2], x[3, 0], x[4, 1] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(finite_rows(x), [True, False, True, False, False])
