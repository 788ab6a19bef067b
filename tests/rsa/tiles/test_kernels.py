from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import rankdata

from alignkit.rsa._tiles import _kernels_numba, _kernels_numpy
from alignkit.rsa._tiles._kernels import choose, kernels

BOTH = [_kernels_numpy, _kernels_numba]


@pytest.fixture(params=["continuous", "tied", "missing"])
def tiles(request, rng):
    # within two powers of two, on both sides of zero: tables stay small
    a, b = (rng.choice([-1.0, 1.0], (2, 30, 30)) * rng.uniform(1, 2, (2, 30, 30))).astype(np.float32)
    if request.param == "tied":
        a, b = np.round(a), np.round(2 * b) / 2
        a[3, 4], a[3, 5] = 0.0, -0.0
    if request.param == "missing":
        a[0, 1:5], b[2, 4:9], b[0, 1] = np.nan, np.nan, -np.nan
    return a, b


def pairs(a, b, diagonal):
    """Return the values of the pairs that count, one by one."""
    places = [(i, j) for i, j in product(range(30), range(30)) if not diagonal or i < j]
    found = [(float(a[p]), float(b[p])) for p in places if not np.isnan(a[p]) and not np.isnan(b[p])]
    return np.array(found).T


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("diagonal", [False, True])
def test_moments_are_sums_over_pairs(module, diagonal, tiles):
    a, b = tiles
    x, y = pairs(a, b, diagonal)
    bits = a.view(np.uint32), b.view(np.uint32)
    u, v = x - 0.3, y + 0.2
    expected = [u.sum(), v.sum(), (u * u).sum(), (v * v).sum(), (u * v).sum(), x.min(), x.max(), y.min(), y.max()]
    np.testing.assert_allclose(module.moments(*bits, diagonal, 0.3, -0.2), expected, rtol=1e-12, atol=1e-12)
    counts = module.valid_counts(*bits, diagonal)
    assert counts[2] == len(x)
    assert (counts[:2] > 0).tolist() == [np.isnan(a).any(), np.isnan(b).any()]


@pytest.mark.parametrize("module", BOTH)
def test_nothing_is_left(module):
    a = np.full((2, 2), np.nan, dtype=np.float32).view(np.uint32)
    found = module.moments(a, a, False, 0.0, 0.0)
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 0, np.inf, -np.inf, np.inf, -np.inf])


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("diagonal", [False, True])
def test_item_sums(module, diagonal, rng):
    a = rng.normal(size=(9, 9)).astype(np.float32)
    values = np.triu(a - 0.5, k=1) if diagonal else a - 0.5
    rows, columns = module.item_sums(a.view(np.uint32), diagonal, 0.5)
    np.testing.assert_allclose(rows, values.sum(axis=1), atol=1e-5)
    np.testing.assert_allclose(columns, values.sum(axis=0), atol=1e-5)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("dtype", [np.uint32, np.int64])
def test_counted_ranks_are_scipys(module, diagonal, dtype, tiles):
    a, b = tiles
    bits = a.view(np.uint32), b.view(np.uint32)
    x, y = pairs(a, b, diagonal)
    coarse = np.zeros((2, 1 << 16), dtype=np.int64)
    n = module.coarse_counts(*bits, diagonal, *coarse)[2]
    assert n == len(x)
    tables, own = [], []
    for counts, one, other in zip(coarse, bits, bits[::-1], strict=True):
        slots = np.full(1 << 16, -1, dtype=np.int32)
        slots[counts > 0] = np.arange((counts > 0).sum())
        table = np.zeros((counts > 0).sum() << 16, dtype=dtype)
        module.fine_counts(one, other, diagonal, slots, table)
        assert table.sum() == n
        ranks = table.view(np.int32 if dtype == np.uint32 else np.int64)
        low, high, long = module.rank_table(table, ranks, (np.cumsum(counts) - counts)[counts > 0], n)
        own.append((int(n) ** 3 - int(n) - low - (high << 32)) // 3)
        assert not long.size
        tables += [slots, ranks]
    p, q = (np.round(2 * rankdata(z) - n - 1).astype(object) for z in (x, y))
    parts = module.crossed(*bits, diagonal, *tables)
    assert sum(int(part) << shift for part, shift in zip(parts, (0, 32, 20, 52), strict=True)) == (p * q).sum()
    assert own == [(p * p).sum(), (q * q).sum()]


@pytest.mark.parametrize("module", BOTH)
def test_long_ties_and_ranks_beyond_32_bits(module):
    # one bucket of three keys, of which the middle one is met three billion times
    table = np.zeros(1 << 16, dtype=np.int64)
    table[[3, 5, 9]] = 1, 3_000_000_000, 7
    n = 3_000_000_018
    low, high, long = module.rank_table(table, table, np.array([10]), n)
    below = np.array([10, 11, 3_000_000_011])
    np.testing.assert_array_equal(table[[3, 5, 9]], 2 * below + [1, 3_000_000_000, 7] - n)
    assert (low, high, long.tolist()) == (7**3 - 7, 0, [3_000_000_000])


@pytest.mark.parametrize("module", BOTH)
def test_products_of_large_ranks_do_not_overflow(module, rng):
    ranks = rng.integers(-(1 << 40), 1 << 40, 1 << 16)
    slots = np.full(1 << 16, -1, dtype=np.int32)
    slots[np.uint32(0x3F80_0000 ^ (1 << 31)) >> 16] = 0
    a, b = (np.uint32(0x3F80_0000) + rng.integers(0, 1 << 16, (2, 64, 64))).astype(np.uint32)
    parts = module.crossed(a, b, False, slots, ranks, slots, ranks)
    expected = (ranks[a & 0xFFFF].astype(object) * ranks[b & 0xFFFF].astype(object)).sum()
    assert sum(int(part) << shift for part, shift in zip(parts, (0, 32, 20, 52), strict=True)) == expected


def test_the_choice():
    assert choose("auto", 10) == "numpy"
    assert choose("auto", 10**9) == "numba"
    assert kernels(choose("numba", 1)) is _kernels_numba
    with pytest.raises(ValueError, match="backend must be one of"):
        choose("cuda", 1)
