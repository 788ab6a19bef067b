from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa._positions import as_many_positions, as_positions


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint64, np.int64])
def test_small_integers_do_not_overflow(dtype):
    index = as_positions("rows", np.array([100, 0], dtype=dtype), 300)
    assert index.tolist() == [100, 0]


def test_negative_positions_count_from_the_end():
    assert as_positions("rows", np.array([-1, -128], dtype=np.int8), 300).tolist() == [299, 172]
    assert as_positions("rows", -1, 3) == 2
    assert as_positions("rows", [False, True, True], 3).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("where", "error", "sentence"),
    [
        ([300], ValueError, "rows must lie between 0 and 299; got 300"),
        ([-301, 5], ValueError, "got -301"),
        ([], ValueError, "rows: the selection is empty"),
        (np.zeros(300, dtype=bool), ValueError, "rows: the selection is empty"),
        ([[1, 2]], TypeError, "rows must be whole-number positions"),
        ([[1], [2, 3]], TypeError, "different lengths"),
        (slice(2), TypeError, "rows must be whole-number positions"),
        ("ab", TypeError, "rows must be whole-number positions"),
        (None, TypeError, "rows must be whole-number positions"),
    ],
)
def test_bad_positions(where, error, sentence):
    with pytest.raises(error, match=sentence):
        as_positions("rows", where, 300)


def test_one_position_is_no_selection():
    with pytest.raises(TypeError, match="rows must be a sequence of positions; got 3"):
        as_many_positions("rows", 3, 5)
