"""Curves that would hide one another are told, and dashed so that all are seen."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg._same_curves import hidden_curves

CURVE = np.array([0.0, 0.5, 1.0, 0.2])


@pytest.mark.parametrize(
    ("other", "n_below", "equal_to"),
    [
        (CURVE, 1, 0),
        (CURVE + 1e-12, 1, 0),
        (CURVE + 0.005, 1, None),  # nearer than a line is wide
        (CURVE + 0.1, 0, None),
        (CURVE[:3], 0, None),
        (np.array([np.nan, 0.5, 1.0, np.nan]), 1, 0),  # where it has values
        (np.full(4, np.nan), 0, None),
    ],
)
def test_what_a_curve_lies_on(other, n_below, equal_to):
    first, second = hidden_curves([CURVE, other])
    assert (first.n_below, first.equal_to) == (0, None)
    assert (second.n_below, second.equal_to) == (n_below, equal_to)


def test_a_curve_with_more_values_than_the_one_below_hides_nothing_but_there():
    part = np.array([np.nan, 0.5, 1.0, np.nan])
    assert hidden_curves([part, CURVE])[1].n_below == 0


def test_level_curves_at_one_height_are_the_same():
    flat = np.zeros(3)
    assert [one.equal_to for one in hidden_curves([flat, flat, flat + 1])] == [None, 0, None]


def test_of_curves_on_one_another_each_has_a_stretch_that_no_later_one_covers():
    found = hidden_curves([CURVE] * 4)
    period = 64
    at = np.arange(period) + 0.5
    last = np.zeros(period, dtype=int)  # the first is solid
    for k, one in enumerate(found[1:], start=1):
        offset, (on, off) = one.dashes["linestyle"]
        last[(at + offset) % (on + off) < on] = k
    assert set(last) == {0, 1, 2, 3}
    assert found[0].dashes == {}


def test_names_say_what_is_equal():
    first, second = hidden_curves([CURVE, CURVE])
    assert first.label("a", ["a", "b"]) == "a"
    assert second.label("b", ["a", "b"]) == "b (equal to a)"
