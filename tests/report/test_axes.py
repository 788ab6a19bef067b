from __future__ import annotations

import math

import pytest

from alignkit.report._axes import Scale


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.31, 0.05), (1e-9, 3e-9), (995, 1003), (-5e6, 5e6)])
def test_ticks_are_round_even_and_on_the_scale(low, high):
    ticks = Scale(low, high, 0, 100).ticks(6)
    assert 3 <= len(ticks) <= 7
    assert all(low - 1e-6 * (high - low) <= tick <= high + 1e-6 * (high - low) for tick in ticks)
    step = ticks[1] - ticks[0]
    digits = step / 10 ** math.floor(math.log10(step * 1.0000001))
    assert min(abs(digits - round_one) for round_one in (1, 2, 2.5, 5, 10)) < 1e-6
    assert all(abs((tick / step) - round(tick / step)) < 1e-6 for tick in ticks)


def test_a_scale_maps_ends_to_ends():
    scale = Scale(-1, 3, 200, 100)
    assert [scale(-1), scale(1), scale(3)] == [200, 150, 100]


def test_there_is_room_around_what_is_finite():
    scale = Scale.around([1.0, 3.0, math.nan, math.inf], 0, 10, margin=0.1)
    assert (scale.low, scale.high) == (0.8, 3.2)
    assert Scale.around([0.5, 2.0], 0, 10, margin=0, zero=True).low == 0
    for same in ([2.0], [0.0], [], [math.nan]):
        flat = Scale.around(same, 0, 10)
        assert flat.high > flat.low
