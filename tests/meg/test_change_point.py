"""Change points agree with a plain search over all splits."""

from __future__ import annotations

import numpy as np
from reference.latencies import change_points

from alignkit.meg._change_point import first_change


def series(rng: np.random.Generator) -> np.ndarray:
    """Return noise, steps, bumps and bursts."""
    noise = rng.normal(size=(40, 60))
    here = np.arange(60)
    noise[10:20] += 3.0 * (here > 30)
    noise[20:30] += 4.0 * ((here > 20) & (here < 35))
    noise[30:] *= 1.0 + 5.0 * (here > 25)
    return noise


def test_it_equals_the_plain_search(rng):
    rows = series(rng)
    expected = [(change_points(row) or [0])[0] for row in rows]
    assert first_change(rows).tolist() == expected
    assert 0 in expected
    assert len(set(expected)) > 5


def test_changes_before_the_start_are_passed_over(rng):
    rows = series(rng)
    expected = [next((i for i in change_points(row) if i >= 22), 0) for row in rows]
    assert first_change(rows, 22).tolist() == expected


def test_units_do_not_matter_and_constants_do_not_change(rng):
    rows = series(rng)
    np.testing.assert_array_equal(first_change(1e-9 * rows), first_change(rows))
    np.testing.assert_array_equal(first_change(1e6 + rows), first_change(rows))
    assert first_change(np.ones((2, 30))).tolist() == [0, 0]


def test_a_step_without_noise_is_found():
    step = (np.arange(30) >= 12).astype(float)[None]
    assert first_change(step).tolist() == [12]
