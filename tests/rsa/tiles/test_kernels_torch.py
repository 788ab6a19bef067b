"""Kernels for tensors beside those for arrays, which are held to plain loops in ``test_kernels``."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa._tiles import _kernels_numpy as plain

torch = pytest.importorskip("torch")


@pytest.fixture
def tested():
    from alignkit.rsa._tiles import _kernels_torch

    return _kernels_torch


@pytest.fixture(params=["continuous", "tied", "missing"])
def tiles(request, rng):
    a, b = (rng.choice([-1.0, 1.0], (2, 30, 30)) * rng.uniform(1, 2, (2, 30, 30))).astype(np.float32)
    if request.param == "tied":
        a, b = np.round(a), np.round(2 * b) / 2
        a[3, 4], a[3, 5] = 0.0, -0.0
    if request.param == "missing":
        a[0, 1:5], b[2, 4:9], b[0, 1] = np.nan, np.nan, -np.nan
    return a.view(np.uint32), b.view(np.uint32)


def there(array, device):
    return torch.from_numpy(array.view(np.int32)).to(device)


def test_keys_are_in_the_order_of_the_floats(tested, device):
    values = np.array([-np.inf, -1e30, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, 3e38, np.inf], dtype=np.float32)
    found = tested.keys(there(values.view(np.uint32), device)).cpu().numpy()
    np.testing.assert_array_equal(found, plain.keys(values.view(np.uint32)))
    assert (np.diff(found) > 0).tolist() == [value != 4 for value in range(9)]  # both zeros have one


@pytest.mark.parametrize("diagonal", [False, True])
def test_sums_and_counts(tested, tiles, diagonal, device):
    a, b = (there(one, device) for one in tiles)
    found, expected = tested.moments(a, b, diagonal, 0.3, -0.2), plain.moments(*tiles, diagonal, 0.3, -0.2)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(tested.valid_counts(a, b, diagonal), plain.valid_counts(*tiles, diagonal))
    for ours, theirs in zip(tested.item_sums(a, diagonal, 0.5), plain.item_sums(tiles[0], diagonal, 0.5), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_nothing_is_left(tested, device):
    a = there(np.full((2, 2), np.nan, dtype=np.float32).view(np.uint32), device)
    found = tested.moments(a, a, False, 0.0, 0.0)
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 0, np.inf, -np.inf, np.inf, -np.inf])


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("dtype", [np.uint32, np.int64])
def test_counts_and_ranks_are_the_same(tested, tiles, diagonal, dtype, device):
    a, b = (there(one, device) for one in tiles)
    ours, theirs = np.zeros((2, 2, 1 << 16), dtype=np.int64)
    found = tested.coarse_counts(a, b, diagonal, *ours)
    np.testing.assert_array_equal(found, plain.coarse_counts(*tiles, diagonal, *theirs))
    np.testing.assert_array_equal(ours, theirs)
    tables = []
    for k, counts in enumerate(theirs):
        occupied = np.flatnonzero(counts)[1:]  # one bucket has no slot
        slots = np.full(1 << 16, -1, dtype=np.int32)
        slots[occupied] = np.arange(len(occupied))
        table = np.zeros(len(occupied) << 16, dtype=dtype)
        plain.fine_counts(tiles[k], tiles[1 - k], diagonal, slots, table)
        table_there = torch.zeros(len(table), dtype=torch.int32 if dtype == np.uint32 else torch.int64, device=device)
        tested.fine_counts((a, b)[k], (b, a)[k], diagonal, torch.from_numpy(slots).to(device), table_there)
        np.testing.assert_array_equal(table_there.cpu().numpy(), table)
        ranks = table.astype(np.int64) * 3_000_017 - 1_000_003  # of both signs, and large
        tables += [slots, ranks]
    tensors = [torch.from_numpy(one).to(device) for one in tables]
    expected = plain.crossed(*tiles, diagonal, *tables)
    np.testing.assert_array_equal(tested.crossed(a, b, diagonal, *tensors), expected)
