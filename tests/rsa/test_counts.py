from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.rsa._counts import as_counts, dtype_of_counts, from_counts, missing_count


@given(st.integers(1, 32766), st.data())
def test_accuracies_come_back_from_their_counts(n, data):
    counts = np.array(data.draw(st.lists(st.integers(0, 2 * n), min_size=1, max_size=20)))
    accuracies = counts / (2 * n)
    kept = as_counts("x", accuracies, n)
    assert kept.dtype == dtype_of_counts(n)
    assert np.array_equal(kept, counts)
    assert np.array_equal(from_counts(kept, n), accuracies)  # to the last bit
    if n < 5000:  # neighbours are farther apart than float32 tells
        assert np.array_equal(as_counts("x", accuracies.astype(np.float32), n), counts)
    assert np.array_equal(as_counts("x", counts, n), kept)


def test_missing_accuracies():
    for n, dtype in ((24, np.uint8), (126, np.uint8), (127, np.uint16)):
        counts = as_counts("x", np.array([np.nan, 0.5, 1.0]), n)
        assert counts.tolist() == [np.iinfo(dtype).max, n, 2 * n]
        assert np.isnan(from_counts(counts, n)).tolist() == [True, False, False]
        assert as_counts("x", counts, n).tolist() == counts.tolist()
        assert missing_count(counts.dtype) == np.iinfo(dtype).max


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.51], "0.51, but accuracies over 24 decisions are multiples of 1/48"),
        ([1.5], "1.5, but"),
        ([-0.5], "-0.5, but"),
        ([np.inf], "inf, but"),
        (np.array([49]), "49, but counts of half decisions lie between 0 and 48"),
        (np.array([-1]), "-1, but"),
        (np.array([49], dtype=np.uint8), "49, but"),
    ],
)
def test_what_no_count_stands_for(values, text):
    with pytest.raises(ValueError, match=text):
        as_counts("x", np.asarray(values), 24)


def test_too_many_decisions():
    with pytest.raises(ValueError, match="at most 32,766 decisions"):
        dtype_of_counts(32767)
    with pytest.raises(ValueError, match="at least 1"):
        dtype_of_counts(0)
    with pytest.raises(TypeError, match="whole number"):
        dtype_of_counts(2.5)


def test_counts_beyond_all_decisions_are_no_accuracies():
    values = from_counts(np.array([0, 48, 49, 254, 255], dtype=np.uint8), 24)
    np.testing.assert_array_equal(values, [0, 1, np.nan, np.nan, np.nan])
