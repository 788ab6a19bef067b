"""Runs of values that only rounding tells apart become one value; nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa._ties import restore_ties


@pytest.mark.parametrize("n", [6, 20_000])
def test_runs_take_their_smallest_value(n, rng):
    levels = np.array([0.0, 0.25, 1 / 3, 1.0])
    which = rng.integers(4, size=n)
    noisy = levels[which] + rng.uniform(0, 1e-15, n)
    restored = restore_ties(noisy.copy(), absolute=1e-14)
    for k in set(which.tolist()):
        assert np.unique(restored[which == k]).tolist() == [noisy[which == k].min()]


def test_gaps_are_relative_where_asked():
    values = np.array([1e-20, 2e-20, 5.0, 5.0 * (1 + 4e-14), 5.0 * (1 + 4e-12)])
    assert restore_ties(values.copy(), relative=1e-13).tolist() == [1e-20, 2e-20, 5.0, 5.0, values[4]]


def test_continuous_values_stay_as_they_are(rng):
    values = rng.uniform(size=(3, 50_000))
    np.testing.assert_array_equal(restore_ties(values.copy(), absolute=1e-14), values)


def test_every_rdm_of_a_stack_on_its_own():
    stack = np.array([[0.1, 0.1 + 1e-16, 0.5], [0.3, 0.2, 0.2 + 5e-17]])
    assert restore_ties(stack, absolute=1e-14).tolist() == [[0.1, 0.1, 0.5], [0.3, 0.2, 0.2]]
