from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.models._time_names import is_after_onset, named_times, time_names


@given(st.lists(st.integers(-2_000_000, 2_000_000), min_size=1, max_size=30, unique=True))
def test_names_say_the_time_to_the_microsecond(microseconds: list[int]) -> None:
    times = np.array(microseconds) / 1e6
    names = time_names(times)
    assert len(set(names)) == len(times)
    found = named_times(names)
    assert found is not None
    np.testing.assert_allclose(found, times, atol=1e-9)


def test_whole_milliseconds_and_others() -> None:
    assert time_names([-0.1, -0.0, 0.005]) == ("-100ms", "0ms", "5ms")
    assert time_names(np.arange(3) / 512) == ("0us", "1953us", "3906us")
    assert time_names(np.arange(281) * 0.005 - 0.1)[:3] == ("-100ms", "-95ms", "-90ms")
    assert named_times(["5ms", "output"]) is None
    assert named_times(["5 ms"]) is None


@pytest.mark.parametrize(
    ("times", "match"),
    [
        ([0.1, 0.1], "'100ms' came more than once"),
        ([0.0, 1e-8], "at least a microsecond apart"),
        ([0.0, np.inf], "times must be finite"),
    ],
)
def test_times_that_have_no_names(times: list[float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        time_names(times)


def test_the_response_is_what_comes_after_onset() -> None:
    assert is_after_onset([-0.1, 0.0, 0.1]) == [False, True, True]
    assert is_after_onset([-0.2, -0.1]) == [True, True]
