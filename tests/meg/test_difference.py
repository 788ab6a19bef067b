"""Differences of latencies: paired and unpaired, of onsets and peaks."""

from __future__ import annotations

import numpy as np
import pytest
from reference.courses import make_course
from reference.group_curves import TIMES, group_curves, noise

from alignkit.meg import latency_difference, onset, peak


def shifted(curves: np.ndarray, samples: int) -> np.ndarray:
    """Return curves that come so many samples later."""
    return np.concatenate([curves[:, :1].repeat(samples, axis=1), curves[:, :-samples]], axis=1)


@pytest.mark.parametrize("kind", ["onset", "peak"])
@pytest.mark.parametrize("paired", [True, False])
def test_a_shift_is_found(rng, kind, paired):
    early = group_curves(rng, 12, sd=0.005)
    other = early if paired else group_curves(rng, 12, sd=0.005)
    late = shifted(other, 6)
    found = latency_difference(late, early, kind=kind, paired=paired, times=TIMES, rng=0)
    assert found.interval[0] <= 0.03 + 1e-9 <= found.interval[1] + 2e-9
    latency = onset if kind == "onset" else peak
    assert found.value_a == latency(late, times=TIMES, n_bootstrap=0).value
    assert found.value_b == latency(early, times=TIMES, n_bootstrap=0).value
    assert found.value == found.value_a - found.value_b
    assert found.paired is paired
    assert len(found.per_subject) == (12 if paired else 0)


def test_pairing_takes_out_what_people_share():
    rng = np.random.default_rng(4)
    people = group_curves(rng, 12, sd=0.0, spread=2.0)
    a, b = shifted(people, 2) + noise(rng, 12, 0.01), people + noise(rng, 12, 0.01)
    widths = [
        np.diff(latency_difference(a, b, times=TIMES, paired=paired, interpolate=True, rng=0).interval)[0]
        for paired in (True, False)
    ]
    assert widths[0] < 0.6 * widths[1]


def test_the_interval_of_a_difference_holds_it():
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        a, b = (group_curves(rng, 12) for _ in range(2))
        found = latency_difference(shifted(a, 4), b, times=TIMES, interpolate=True, n_bootstrap=300, rng=seed)
        held += found.interval[0] <= 0.02 <= found.interval[1]
    assert held >= 90


def test_two_models_of_one_time_course(rng):
    early = group_curves(rng, 9, sd=0.01)
    course = make_course(np.stack([early, shifted(early, 4)]), TIMES)
    found = latency_difference(course, course, models=("model 2", "model 1"), rng=0)
    assert found.paired
    assert found.names == ("model 2", "model 1")
    assert found.value == pytest.approx(0.02, abs=0.0051)
    assert found.subjects == course.subjects


def test_subjects_are_matched_by_name(rng):
    values = np.stack([group_curves(rng, 5)])
    one, other = make_course(values, TIMES), make_course(values, TIMES, subjects=tuple("abcde"))
    assert latency_difference(one, one, rng=0).paired
    assert not latency_difference(one, other, rng=0).paired
    with pytest.raises(ValueError, match="cannot be paired"):
        latency_difference(one, other, paired=True)


def test_subjects_in_another_order_are_still_paired(rng):
    early, order = group_curves(rng, 9, sd=0.01), rng.permutation(9)
    one = make_course(early[None], TIMES)
    late = shifted(early, 4)
    other = make_course(late[None], TIMES)
    moved = make_course(late[None, order], TIMES, subjects=tuple(other.subjects[i] for i in order))
    found, expected = (latency_difference(one, two, rng=0) for two in (moved, other))
    assert found.paired
    assert found.subjects == one.subjects
    np.testing.assert_array_equal(found.per_subject, expected.per_subject)
    np.testing.assert_array_equal(found.interval, expected.interval)


def test_the_baseline_is_that_of_both_onsets(rng):
    early = group_curves(rng, 8, sd=0.02)
    late = shifted(early, 4)
    found = latency_difference(late, early, times=TIMES, baseline=(-0.05, 0.05), method="longest-run", n_bootstrap=0)
    rule = {"times": TIMES, "baseline": (-0.05, 0.05), "method": "longest-run", "n_bootstrap": 0}
    assert (found.value_a, found.value_b) == (onset(late, **rule).value, onset(early, **rule).value)
    assert found.value_b != onset(early, **{**rule, "baseline": (None, 0.0)}).value


def test_intervals_of_different_people_are_as_wide_as_the_smaller_group_asks(rng):
    small, large = group_curves(rng, 4, sd=0.02), group_curves(rng, 40, sd=0.02)
    options = {"times": TIMES, "interpolate": True, "n_bootstrap": 4000, "rng": 0}
    expanded, plain = (
        np.diff(latency_difference(small, large, interval=interval, **options).interval)[0]
        for interval in ("expanded", "percentile")
    )
    assert expanded > 1.2 * plain


def test_groups_of_different_size_are_not_paired(rng):
    found = latency_difference(group_curves(rng, 9), group_curves(rng, 12), times=TIMES, rng=0)
    assert not found.paired
    assert found.n_subjects == (9, 12)
    assert "9 and 12 subjects" in repr(found)


def test_sessions_are_drawn_within_subjects(rng):
    people = group_curves(rng, 5, sd=0.0)[:, None]
    a, b = (people + noise(rng, 15, 0.03).reshape(5, 3, -1) for _ in range(2))
    found = latency_difference(a, b, times=TIMES, rng=0)
    assert found.paired
    assert found.n_sessions == 3
    assert found.interval[0] <= 0 <= found.interval[1]
    assert "sessions within each drawn subject" in found.methods_text()


@pytest.mark.parametrize("interval", ["bca", "jackknife"])
def test_intervals_that_leave_out_subjects_need_pairs(rng, interval):
    a, b = group_curves(rng, 8), group_curves(rng, 8)
    assert np.isfinite(latency_difference(a, b, times=TIMES, interval=interval, rng=0).interval).all()
    with pytest.raises(ValueError, match="not paired"):
        latency_difference(a, b, times=TIMES, interval=interval, paired=False)


def test_what_one_side_lacks_is_told(rng):
    flat = -np.abs(group_curves(rng, 5, sd=0.0))
    with pytest.warns(RuntimeWarning, match="no onset: 'b'"):
        found = latency_difference(group_curves(rng, 5), flat, times=TIMES, n_bootstrap=50, rng=0)
    assert np.isnan(found.value)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"kind": "offset"}, ValueError, "kind must be one of"),
        ({"kind": "peak", "method": "longest-run"}, ValueError, "'method' belongs to onsets"),
        ({"models": "a"}, ValueError, "models must name two"),
        ({"models": ("a", "b")}, ValueError, "came as an array"),
        ({"paired": "yes"}, TypeError, "paired must be"),
        ({"k": 2}, ValueError, "k belongs to method"),
    ],
)
def test_options_that_make_no_sense_are_refused(rng, options, error, words):
    curves = group_curves(rng, 5)
    with pytest.raises(error, match=words):
        latency_difference(curves, curves, times=TIMES, **options)
