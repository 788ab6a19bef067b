"""Mean differences over people."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.train._people_difference import flip_signs, people, people_difference
from tests.reference import personal as reference

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_sign_flips_are_those_of_every_pattern(shift):
    values = RNG.normal(size=10) + shift
    assert flip_signs(values, np.random.default_rng(0)) == pytest.approx(reference.flip_p(values.tolist()), abs=0.02)


def test_no_difference_has_a_p_of_one():
    assert flip_signs(np.zeros(5), np.random.default_rng(0)) == 1.0


def test_a_difference_has_its_mean_its_interval_and_its_test():
    values = np.random.default_rng(0).normal(0.5, 1.0, size=40)
    found = people_difference("a - b", values, n_bootstrap=4000, confidence=0.95, rng=np.random.default_rng(0))
    assert found.mean == pytest.approx(values.mean())
    error = values.std() / np.sqrt(40)
    assert (found.low, found.high) == pytest.approx((found.mean - 1.96 * error, found.mean + 1.96 * error), abs=0.05)
    assert found.p == pytest.approx(flip_signs(values, np.random.default_rng(5)), abs=0.01)
    assert "a - b: " in str(found)
    assert "(40 people)" in str(found)


def test_one_person_has_neither_interval_nor_test():
    found = people_difference("a - b", np.array([0.3]), n_bootstrap=10, confidence=0.95, rng=np.random.default_rng(0))
    assert found.mean == 0.3
    assert np.isnan([found.low, found.high, found.p]).all()
    undefined = np.array([0.3, np.nan, 0.1])
    assert np.isnan(people_difference("a", undefined, n_bootstrap=10, confidence=0.95, rng=np.random.default_rng(0)).p)


@pytest.mark.parametrize(("n", "text"), [(1, "1 person"), (2, "2 people"), (1200, "1,200 people")])
def test_people_are_counted(n, text):
    assert people(n) == text
