"""Squared distances between folds of a balanced design, fused, against a loop over pairs of folds."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from alignkit import _threads
from alignkit.rsa._kernels import _folds_numpy
from alignkit.rsa._kernels._folds_numpy import squares_between_folds


def loop(x, root):
    """Mean over ordered pairs of folds of the product of differences; ``x`` has shape (folds, items, channels)."""
    rows, columns = np.triu_indices(x.shape[1], k=1)
    z = x if root is None else x @ root
    d = z[:, rows] - z[:, columns]
    return np.mean([np.sum(d[f] * d[g], axis=-1) for f, g in permutations(range(len(x)), 2)], axis=0)


ROOTS = {
    "none": lambda rng: None,
    "lower": lambda rng: np.tril(rng.normal(size=(4, 4))),
    "upper": lambda rng: np.triu(rng.normal(size=(4, 4))),
    "full": lambda rng: rng.normal(size=(4, 4)),
    "reduced": lambda rng: rng.normal(size=(4, 2)),
}


@pytest.mark.parametrize("kind", ROOTS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_equals_the_loop_over_pairs_of_folds(rng, readonly, kind, dtype):
    x, root = rng.normal(size=(2, 3, 5, 6, 4)), ROOTS[kind](rng)
    values, sizes = squares_between_folds(readonly(x.astype(dtype)), root, dtype=dtype)
    assert values.dtype == dtype
    assert values.shape == (2, 3, 15)
    assert sizes.shape == (2, 3, 6)
    for at in np.ndindex(2, 3):
        tolerance = {"rtol": 1e-11, "atol": 1e-12} if dtype == "float64" else {"rtol": 1e-4, "atol": 1e-4}
        np.testing.assert_allclose(values[at], loop(x[at], root), **tolerance)


def test_each_matrix_may_have_a_root_of_its_own(rng):
    x, roots = rng.normal(size=(3, 4, 5, 4)), np.triu(rng.normal(size=(3, 1, 4, 4)))
    values, _ = squares_between_folds(x, roots, dtype="float64")
    for k in range(3):
        np.testing.assert_allclose(values[k], loop(x[k], roots[k, 0]), rtol=1e-11, atol=1e-12)
    one, _ = squares_between_folds(x, roots[:1], dtype="float64")
    np.testing.assert_allclose(one[2], loop(x[2], roots[0, 0]), rtol=1e-11, atol=1e-12)


def test_threads_share_matrices_out_with_the_same_bits(rng, monkeypatch):
    x, root = rng.normal(size=(7, 3, 20, 70)), np.triu(rng.normal(size=(70, 70)))
    one = squares_between_folds(x, root, dtype="float64")
    np.testing.assert_allclose(one[0][6], loop(x[6], root), rtol=1e-10, atol=1e-10)
    monkeypatch.setattr(_folds_numpy, "_WORTH_A_THREAD", 0)
    monkeypatch.setattr(_folds_numpy, "_WORTH_THREADS", 0)
    for n in (2, 3, 9):
        monkeypatch.setattr(_folds_numpy, "n_threads", lambda n=n: n)
        monkeypatch.setattr(_threads, "n_threads", lambda n=n: n)
        for found, expected in zip(squares_between_folds(x, root, dtype="float64"), one, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_channels", [1, 31, 64, 102])
def test_roots_of_many_channels_are_multiplied_by_columns(rng, n_channels):
    x, full = rng.normal(size=(3, 5, n_channels)), rng.normal(size=(n_channels, n_channels))
    gap = full.copy()
    gap[:, : n_channels // 2] = 0
    for root in (np.tril(full), np.triu(full), full, full[:, :-1], gap):
        if root.shape[1]:
            values, _ = squares_between_folds(x, root, dtype="float64")
            np.testing.assert_allclose(values, loop(x, root), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("unit", "dtype"), [(1e-150, "float64"), (1e120, "float64"), (1e-15, "float32")])
def test_units_are_of_no_account(rng, unit, dtype):
    x = rng.normal(size=(3, 5, 4))
    values, sizes = squares_between_folds((x * unit).astype(dtype), None, dtype=dtype)
    np.testing.assert_allclose(values.astype(float) / unit / unit, loop(x, None), rtol=1e-3, atol=1e-4)
    centred = x - x.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(sizes / unit / unit, (centred**2).sum(axis=-1).mean(axis=0), rtol=1e-4)


def test_an_offset_of_a_fold_cancels(rng):
    x = rng.normal(size=(4, 5, 3))
    moved = x + 1e6 * rng.normal(size=(4, 1, 3))
    np.testing.assert_allclose(
        squares_between_folds(moved, None, dtype="float64")[0], loop(x, None), rtol=1e-7, atol=1e-8
    )


def test_many_items_need_no_table_of_pairs(rng):
    x = rng.normal(size=(2, 520, 3))
    values, _ = squares_between_folds(x, None, dtype="float64")
    np.testing.assert_allclose(values, loop(x, None), rtol=1e-9, atol=1e-11)
