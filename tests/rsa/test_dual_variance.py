from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.rsa import dual_variance


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.integers(2, 30), st.integers(2, 30))
def test_the_formula_between_its_limits(variances, n_subjects, n_items):
    both, subjects, items = variances
    s, n = n_subjects / (n_subjects - 1), n_items / (n_items - 1)
    plain = s * subjects + n * items - s * n * (both - subjects - items)
    expected = min(max(plain, s * subjects, n * items), both)
    assert dual_variance(both, subjects, items, n_subjects=n_subjects, n_items=n_items) == expected


def test_without_numbers_their_ratios_are_one():
    assert dual_variance(0.035, 0.02, 0.01) == pytest.approx(2 * (0.02 + 0.01) - 0.035, abs=1e-17)


@pytest.mark.parametrize("numbers", [{}, {"n_subjects": 7, "n_items": 12}])
def test_equals_rsatoolbox(numbers, rng):
    util = pytest.importorskip("rsatoolbox.util.inference_util")
    draws = rng.normal(size=(3, 50, 4)) * np.array([1.3, 1.0, 0.7])[:, None, None]
    covariances = np.stack([np.cov(one.T) for one in draws])
    counts = {"n_rdm": numbers.get("n_subjects"), "n_pattern": numbers.get("n_items")}
    theirs, differences, _ = util.extract_variances(covariances, nc_included=False, **counts)
    own = np.einsum("kii->ki", covariances)
    assert np.allclose(dual_variance(*own, **numbers), theirs, rtol=1e-15, atol=0)
    pairs = np.triu_indices(4, k=1)
    of_differences = own[:, pairs[0]] + own[:, pairs[1]] - 2 * covariances[:, pairs[0], pairs[1]]
    assert np.allclose(dual_variance(*of_differences, **numbers), differences, rtol=1e-14, atol=0)


def test_what_is_no_variance_is_refused():
    with pytest.raises(ValueError, match="items must hold variances, which are not negative; got -1"):
        dual_variance(1.0, 1.0, -1.0)
    with pytest.raises(ValueError, match=r"one shape; got \(2,\), \(\) and \(\)"):
        dual_variance([1.0, 1.0], 1.0, 1.0)
    with pytest.raises(ValueError, match="give both or neither"):
        dual_variance(1.0, 1.0, 1.0, n_items=4)
    with pytest.raises(ValueError, match="n_subjects must be at least 2; got 1"):
        dual_variance(1.0, 1.0, 1.0, n_items=4, n_subjects=1)
