"""Every rule agrees with a plain loop, curve by curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import latencies as plain
from reference.group_curves import TIMES, group_curves

from alignkit.meg._onset_rules import Frame, broken_line, first_run, fraction_of_peak, longest_run, run_lengths

FRAME = Frame(TIMES, slice(0, 21), 21, len(TIMES))
FINER = Frame(TIMES, slice(0, 21), 21, len(TIMES), interpolate=True)
RULES = {
    "longest-run": (longest_run, plain.longest_run),
    "half": (
        lambda curves, frame: fraction_of_peak(curves, 0.5, frame),
        lambda curve, times: plain.fraction_of_peak(curve, times, 0.5),
    ),
    "broken-line": (
        lambda curves, frame: broken_line(curves, 0.75, frame),
        lambda curve, times: plain.broken_line(curve, times, 0.75),
    ),
    "consecutive": (
        lambda curves, frame: first_run(curves, 0.03, 3, frame),
        lambda curve, times: plain.first_run(curve > 0.03, times, 3),
    ),
}


def many_curves() -> np.ndarray:
    """Return clean, noisy, flat and falling curves."""
    rng = np.random.default_rng(3)
    kinds = [group_curves(rng, 20, sd=sd) for sd in (0.001, 0.03, 0.2)]
    return np.concatenate([*kinds, -np.abs(kinds[1]), np.round(kinds[1], 1)])


@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_equals_its_plain_loop(name):
    ours, loop = RULES[name]
    curves = many_curves()
    expected = [loop(curve, TIMES) for curve in curves]
    np.testing.assert_array_equal(ours(curves, FRAME), expected)
    assert np.isfinite(expected).any()


@pytest.mark.parametrize("name", ["longest-run", "half", "broken-line"])
@given(factor=st.floats(0.01, 100), level=st.floats(-1, 1))
def test_units_and_baseline_do_not_move_a_latency(name, factor, level):
    rule, _ = RULES[name]
    curves = group_curves(np.random.default_rng(0), 6)
    np.testing.assert_array_equal(rule(factor * curves + level, FRAME), rule(curves, FRAME))


@pytest.mark.parametrize("name", ["longest-run", "half", "broken-line"])
def test_latencies_between_samples_lie_before_the_sample_and_find_a_clean_break(name):
    rule, _ = RULES[name]
    curves = group_curves(np.random.default_rng(0), 30, sd=0.005)
    fine, coarse = rule(curves, FINER), rule(curves, FRAME)
    assert (np.abs(fine - coarse) <= 0.0051).all()
    onset = 0.0823
    ramp = np.clip((TIMES - onset) / 0.05, 0, 1)[None]
    expected = {"longest-run": 0.08, "half": onset + 0.025, "broken-line": onset}[name]  # the curve leaves 0 at 80 ms
    assert rule(ramp, FINER)[0] == pytest.approx(expected, abs=0.0003)


def test_a_step_is_found_by_all_rules_at_the_sample_or_just_before():
    step = (TIMES > 0.0999).astype(float)[None]
    for name, (rule, _) in RULES.items():
        expected = 0.095 if name == "broken-line" else 0.1  # the line leaves zero between the two
        assert rule(step, FRAME)[0] == pytest.approx(expected), name


def test_the_search_ends_where_it_is_told_to():
    two = np.where(TIMES > 0.3, 1.0, np.where((TIMES > 0.1) & (TIMES < 0.15), 0.2, 0.0))[None]
    late, early = FRAME, Frame(TIMES, slice(0, 21), 21, 71)
    assert fraction_of_peak(two, 0.5, late)[0] > 0.3
    assert fraction_of_peak(two, 0.5, early)[0] == pytest.approx(0.105)
    assert broken_line(two, 0.75, early)[0] == pytest.approx(0.1)


def test_run_lengths_count_within_runs():
    marked = np.array([[True, False, True, True, True], [False, True, True, False, True]])
    assert run_lengths(marked).tolist() == [[1, 0, 1, 2, 3], [0, 1, 2, 0, 1]]
