from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.triplets import by_triplet

from alignkit.rsa._grouping import count_triplets, group_triplets, sum_groups, triplet_codes


@given(seed=st.integers(0, 1000), offset=st.sampled_from([0, 1 << 22]))
def test_groups_are_the_distinct_sets_in_order(seed, offset):
    rng = np.random.default_rng(seed)
    items = np.array([rng.permutation(5)[:3] for _ in range(30)]) + offset
    unique, code = group_triplets(items)
    expected = by_triplet(items)
    np.testing.assert_array_equal(unique, list(expected))
    np.testing.assert_array_equal(np.sort(items, axis=1), unique[code])
    assert triplet_codes(items)[0] == len(expected)


@pytest.mark.parametrize("shape", [(6,), (6, 2)])
def test_sums_within_groups(shape, rng):
    values, codes = rng.random(shape), np.array([0, 2, 2, 0, 0, 3])
    expected = [values[codes == k].sum(axis=0) for k in range(4)]
    np.testing.assert_allclose(sum_groups(values, codes, 4), expected)


@pytest.mark.parametrize("largest", [50, 1 << 22])
def test_counting_sets_agrees_with_numbering_them(largest, rng):
    items = rng.integers(largest, size=(100_000, 3))
    items[:50_000] = items[50_000:, ::-1]
    n_sets, code = triplet_codes(items)
    assert count_triplets(items) == n_sets == len({tuple(sorted(row)) for row in items.tolist()})
    assert np.array_equal(code[:50_000], code[50_000:])
