"""Products of long rows: exact for whole ranks, and the same bits for any number of threads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alignkit import _threads
from alignkit.rsa._kernels import _products
from alignkit.rsa._kernels._products import products, whole_products

KINDS = ("numpy", "torch")


def of_kind(x: np.ndarray, kind: str) -> object:
    return x if kind == "numpy" else pytest.importorskip("torch").tensor(x)


def exact(a: np.ndarray, b: np.ndarray) -> list[list[float]]:
    return [[float(sum(int(u) * int(v) for u, v in zip(x, y, strict=True))) for y in b] for x in a]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 2047, 2048, 2049, 5000])
def test_whole_products_are_exact(n, kind, rng):
    a, b = (rng.integers(1 - n, n, size=(rows, n)) for rows in (3, 2))
    found = whole_products(*(of_kind(x.astype(np.float32), kind) for x in (a, b)))
    for ours, expected in zip(found, (exact(a, b), np.diag(exact(a, a)), np.diag(exact(b, b))), strict=True):
        assert ours.dtype == of_kind(np.zeros(1), kind).dtype
        assert np.array_equal(np.asarray(ours), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_products_of_themselves(kind, dtype, rng):
    a = of_kind(rng.integers(-8999, 9000, size=(4, 9000)).astype(dtype), kind)
    crossed, own, other = whole_products(a, a)
    expected = whole_products(a, a[:])
    assert np.array_equal(np.asarray(crossed), np.asarray(expected[0]))
    assert np.array_equal(np.asarray(own), np.asarray(other))
    assert np.array_equal(np.asarray(own), np.diag(np.asarray(crossed)))


@given(
    hnp.arrays(np.int64, (2, 7), elements=st.integers(-(2**31), 2**31)),
    st.sampled_from(KINDS),
)
def test_more_values_than_63_bits_hold_the_squares_of(x, kind):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_products, "_NARROW", 1)
        a, b = (of_kind(row[None].astype(float), kind) for row in x)
        crossed, own, _ = whole_products(a, b)
    assert float(crossed[0, 0]) == exact(x[:1], x[1:])[0][0]
    assert float(own[0]) == exact(x[:1], x[:1])[0][0]


def test_the_longest_row_whose_squares_63_bits_hold():
    n = _products._NARROW
    assert (n**3 - n) // 3 < 2**63 <= ((n + 1) ** 3 - (n + 1)) // 3


def test_the_longest_rows_have_the_sums_of_their_ranks():
    for n in (_products._NARROW, _products._NARROW + 1):
        ranks = np.arange(1 - n, n, 2, dtype=np.float32)[None]
        assert whole_products(ranks, ranks[:, ::-1])[0][0, 0] == -float((n**3 - n) // 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 3, 2049, 70_001])
def test_products(n, kind, rng):
    a, b = rng.normal(size=(3, n)), rng.normal(size=(2, n))
    expected = [[math.fsum(x * y) for y in b] for x in a]
    found = np.asarray(products(of_kind(a, kind), of_kind(b, kind)))
    assert np.allclose(found, expected, rtol=0, atol=1e-15 * np.sqrt(n) * 10)


def test_float32_is_summed_in_float64(rng):
    a, b = (rng.normal(size=(rows, 70_001)).astype(np.float32) for rows in (3, 2))
    assert np.array_equal(products(a, b), products(a.astype(float), b.astype(float)))


def test_threads_change_nothing(rng, monkeypatch):
    a, b = rng.normal(size=(33, 200_000)), rng.normal(size=(7, 200_000))
    whole = [rng.integers(-199_999, 200_000, size=x.shape).astype(np.float32) for x in (a, b)]
    found = []
    for number in (1, 2, 5):
        monkeypatch.setattr(_threads, "n_threads", lambda number=number: number)
        found.append([products(a, b), *whole_products(*whole)])
    for others in found[1:]:
        assert all(np.array_equal(one, other) for one, other in zip(found[0], others, strict=True))
