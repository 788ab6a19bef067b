"""Onsets are found where they were planted, and their intervals hold the truth as often as they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reference.courses import make_course
from reference.group_curves import ONSET, PEAK, TIMES, group_curves, noise, noiseless, population
from scipy import stats

from alignkit.meg import Latency, cluster_test, latency_difference, max_test, onset, peak

METHODS = ("broken-line", "longest-run", "consecutive", "change-point", "fraction-of-peak")


@pytest.mark.parametrize("method", METHODS[:-1])
def test_a_planted_onset_is_found_within_one_sample_at_high_snr(rng, method):
    found = onset(group_curves(rng, 16, spread=0.0, sd=0.001), times=TIMES, method=method, rng=0)
    assert abs(found.value - ONSET) <= 0.0051
    assert found.interval[0] <= found.value <= found.interval[1]


def test_half_of_the_peak_is_half_way_up(rng):
    curves = group_curves(rng, 16, spread=0.0, sd=0.001)
    found = onset(curves, times=TIMES, method="fraction-of-peak", interpolate=True, n_bootstrap=0)
    assert found.value == pytest.approx((ONSET + PEAK) / 2, abs=0.001)
    quarter = onset(curves, times=TIMES, method="fraction-of-peak", fraction=0.25, interpolate=True, n_bootstrap=0)
    assert quarter.value == pytest.approx(ONSET + (PEAK - ONSET) / 4, abs=0.001)


@pytest.mark.parametrize("interval", ["expanded", "percentile", "basic", "bca", "jackknife"])
@pytest.mark.parametrize("method", METHODS)
def test_all_rules_have_all_intervals(rng, method, interval):
    curves = group_curves(rng, 12, sd=0.01)
    found = onset(curves, times=TIMES, method=method, interval=interval, n_bootstrap=200, rng=0)
    assert found.interval[0] <= found.interval[1]
    assert (found.interval_method, found.n_subjects, found.n_undefined) == (interval, 12, 0)
    assert found.n_bootstrap == (0 if interval == "jackknife" else 200)


def coverage(
    find: Callable[..., Latency], truth: float, n_subjects: int, sd: float, n: int = 400, **group: Any
) -> tuple[float, float, float, float]:
    """Return bias, standard deviation, coverage of the 95 % interval and its mean width, times in ms."""
    rows = []
    for seed in range(n):
        curves = group_curves(np.random.default_rng(seed), n_subjects, sd=sd, **group)
        found = find(curves, times=TIMES, n_bootstrap=500, rng=seed)
        rows.append((found.value, *found.interval))
    value, low, high = 1000 * np.array(rows).T
    held = (low <= 1000 * truth + 1e-6) & (high >= 1000 * truth - 1e-6)
    return float(value.mean() - 1000 * truth), float(value.std()), float(held.mean()), float((high - low).mean())


def rule(method: str, **options: object) -> Callable[..., Latency]:
    return lambda curves, **more: onset(curves, method=method, **options, **more)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_intervals_hold_the_truth(capsys):
    mean_curve = population()[None]
    half = onset(mean_curve, times=TIMES, method="fraction-of-peak", interpolate=True, n_bootstrap=0).value
    highest = peak(mean_curve, times=TIMES, n_bootstrap=0).value
    rules = {
        "broken-line": (rule("broken-line"), ONSET),
        "broken-line, between samples": (rule("broken-line", interpolate=True), ONSET),
        "longest-run": (rule("longest-run"), ONSET),
        "consecutive": (rule("consecutive"), ONSET),
        "change-point": (rule("change-point"), ONSET),
        "fraction-of-peak (its own)": (rule("fraction-of-peak", interpolate=True), half),
        "peak (of the mean curve)": (peak, highest),
        "peak (of people)": (peak, PEAK),
    }
    lines, found = [], {}
    for n_subjects, sd in ((16, 0.03), (12, 0.06)):
        lines.append(f"{n_subjects} subjects, noise {sd:g}: bias (ms), SD (ms), coverage, width (ms)")
        for name, (find, truth) in rules.items():
            found[name, n_subjects] = coverage(find, truth, n_subjects, sd)
            bias, spread, held, width = found[name, n_subjects]
            lines.append(f"  {name:30s} {bias:6.1f} {spread:6.1f} {held:7.1%} {width:6.0f}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    for n_subjects in (16, 12):
        assert found["broken-line", n_subjects][2] >= 0.9
        assert found["broken-line, between samples", n_subjects][2] >= 0.9
        assert found["peak (of the mean curve)", n_subjects][2] >= 0.9
        assert found["fraction-of-peak (its own)", n_subjects][2] >= 0.88
        assert abs(found["broken-line", n_subjects][0]) < 5.0  # within a sample
        for late in ("consecutive", "change-point"):
            assert found[late, n_subjects][0] > 5.0  # as the docstring says


@pytest.mark.slow
def test_the_default_intervals_elsewhere_hold_the_truth_as_often_as_the_docstring_says(capsys):
    settings = [
        ({"n_subjects": 4}, 0.92),
        ({"n_subjects": 8}, 0.99),
        ({"n_subjects": 30}, 1.0),
        ({"spread": 0.0}, 0.99),
        ({"spread": 3.0}, 0.89),
        ({"flank": "half cosine"}, 0.69),
        ({"flank": "square root"}, 0.55),
        ({"flank": "step"}, 0.32),
    ]
    lines = ["16 subjects, noise 0.03, but: bias (ms), SD (ms), coverage of the default onset; of the default peak"]
    found = []
    for changes, _ in settings:
        group = {"n_subjects": 16, "sd": 0.03, **changes}
        mean_curve = population(group.get("spread", 1.0), group.get("flank", "straight"))[None]
        highest = peak(mean_curve, times=TIMES, n_bootstrap=0).value
        onsets, peaks = coverage(onset, ONSET, **group), coverage(peak, highest, **group)
        found.append((onsets[2], peaks[2]))
        told = "; ".join(f"{bias:6.1f} {spread:5.1f} {held:6.1%}" for bias, spread, held, _ in (onsets, peaks))
        lines.append(f"  {', '.join(f'{k} {v}' for k, v in changes.items()):20s} {told}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    for (of_onset, of_peak), (changes, stated) in zip(found, settings, strict=True):
        assert of_onset == pytest.approx(stated, abs=0.05), changes
        assert of_peak >= 0.9, changes


def test_four_subjects_with_sessions_have_intervals_that_hold_the_truth():
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        sessions = noiseless(rng, 4)[:, None] + noise(rng, 48, 0.06).reshape(4, 12, -1)
        found = onset(sessions, times=TIMES, n_bootstrap=200, rng=seed)
        held += found.interval[0] <= ONSET <= found.interval[1]
    assert held >= 0.9 * 60


def test_the_longest_run_is_the_rule_of_the_things_data():
    curve = np.array([0.0, 0.1, 0.05, 0.2, 0.0, 0.15, 0.2, 0.3, 0.1])
    found = onset(curve, times=np.arange(-2, 7) * 0.1, method="longest-run", n_bootstrap=0)
    assert found.value == pytest.approx(0.3)  # 0.1 s is above the baseline's 0.1, but alone
    assert found.window == pytest.approx((0.1, 0.6))
    assert found.baseline == pytest.approx((-0.2, 0.0))


def test_consecutive_samples_exceed_the_maximum_of_all_sign_flips(rng):
    curves = group_curves(rng, 8, sd=0.02)
    found = onset(curves, times=TIMES, method="consecutive", k=4, n_bootstrap=0, rng=0)
    test = max_test(curves[:, 21:], times=TIMES[21:], tail="greater")
    again = onset(
        curves,
        times=TIMES,
        method="consecutive",
        k=4,
        significant=np.concatenate([np.zeros(21, dtype=bool), test.significant]),
    )
    assert found.value == again.value
    assert np.isnan(again.interval).all()  # what was tested elsewhere cannot be tested again
    assert again.n_bootstrap == 0
    assert np.isnan(found.per_subject).all()
    for interval in ("jackknife", "bca"):
        given = {"method": "consecutive", "significant": test.significant, "interval": interval}
        assert np.isnan(onset(curves[:, 21:], times=TIMES[21:], baseline=(None, 0.01), **given).interval).all()


@pytest.mark.parametrize("n_subjects", [8, 14])  # all sign patterns, and some of them
def test_the_level_of_consecutive_samples_is_that_of_the_maximum_test(n_subjects):
    n_levels = 0
    for seed in range(12):
        curves = group_curves(np.random.default_rng(seed), n_subjects, sd=0.05)[:, 20:60]
        times, rules = TIMES[20:60], {"method": "consecutive", "k": 1, "n_bootstrap": 0, "rng": 0}
        p = max_test(curves[:, 1:], times=times[1:], tail="greater", n_permutations=4096, rng=0).p_corrected
        first = int(np.argmax(p <= 0.3))
        if not 0.01 < p[first] <= 0.3:
            continue
        n_levels += 1
        begins = [onset(curves, times=times, alpha=float(p[first] + change), **rules).value for change in (0, -1e-6)]
        assert begins[0] == times[1:][first]
        assert begins[1] != begins[0]
    assert n_levels >= 5


@pytest.mark.parametrize(("method", "fraction"), [("broken-line", 0.75), ("fraction-of-peak", 0.5)])
def test_fractions_have_the_defaults_that_are_documented(method, fraction):
    curves = group_curves(np.random.default_rng(1), 6, sd=0.06)
    values = [
        onset(curves, times=TIMES, method=method, interpolate=True, n_bootstrap=0, **given).per_subject
        for given in ({}, {"fraction": fraction}, {"fraction": fraction - 0.1})
    ]
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2], equal_nan=True)


def test_significance_comes_as_a_mask_p_values_or_a_test(rng):
    curves = group_curves(rng, 10, sd=0.02)
    test = max_test(curves, times=TIMES, tail="greater")
    p = stats.ttest_1samp(curves, 0, alternative="greater").pvalue
    given = {"mask": test.significant, "test": test}
    values = {
        name: onset(curves, times=TIMES, method="consecutive", significant=one).value for name, one in given.items()
    }
    assert values["mask"] == values["test"]
    lenient = onset(curves, times=TIMES, method="consecutive", significant=p, alpha=0.05).value
    strict = onset(curves, times=TIMES, method="consecutive", significant=p, alpha=1e-6).value
    assert lenient < strict


def test_a_cluster_test_licenses_no_onset(rng):
    curves = group_curves(rng, 10, sd=0.02)
    clusters = cluster_test(curves, times=TIMES, rng=0)
    with pytest.raises(ValueError, match="not when it begins"):
        onset(curves, times=TIMES, method="consecutive", significant=clusters)


def test_too_few_subjects_for_a_test_are_told_and_have_no_onset(rng):
    with pytest.warns(RuntimeWarning) as caught:
        found = onset(group_curves(rng, 4, sd=0.01), times=TIMES, method="consecutive", rng=0)
    assert math.isnan(found.value)
    assert any("sign patterns" in str(one.message) for one in caught)
    assert any("no onset" in str(one.message) for one in caught)


@pytest.mark.parametrize("method", ["broken-line", "longest-run", "fraction-of-peak", "change-point"])
def test_what_never_rises_has_no_onset_and_one_warning(rng, method):
    falling = -np.abs(group_curves(rng, 5, sd=0.0)) if method != "change-point" else np.zeros((5, len(TIMES)))
    with pytest.warns(RuntimeWarning, match="the mean curve has no onset") as caught:
        found = onset(falling, times=TIMES, method=method, rng=0)
    assert len(caught) == 1
    assert math.isnan(found.value)
    assert np.isnan(found.interval).all()
    assert found.n_undefined == found.n_bootstrap


def test_resamples_without_an_onset_are_counted(rng):
    curves = group_curves(rng, 6, sd=0.0)
    curves[0, 10] += 0.9  # drawn twice or more, one restless baseline is higher than everybody's peak
    found = onset(curves, times=TIMES, method="longest-run", rng=0)
    assert found.value == pytest.approx(PEAK, abs=0.05)
    assert 0 < found.n_undefined < 500
    assert np.isfinite(found.interval).all()
    assert f"undefined in {found.n_undefined}" in repr(found)


def test_curves_do_not_change_and_seeds_repeat(rng, readonly):
    curves = readonly(group_curves(rng, 6))
    one, two = (onset(curves, times=TIMES, rng=3) for _ in range(2))
    np.testing.assert_array_equal(one.interval, two.interval)


def test_a_model_of_a_time_course(rng):
    course = make_course(np.stack([group_curves(rng, 9), group_curves(rng, 9)]), TIMES)
    found = onset(course, model="model 2", rng=0)
    assert (found.name, found.subjects[0]) == ("model 2", "P1")
    assert found.value == onset(course.similarity[1], times=TIMES, rng=0).value


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "cluster"}, "method must be one of"),
        ({"k": 3}, "k belongs to method 'consecutive'"),
        ({"method": "consecutive", "fraction": 0.5}, "fraction belongs to method 'broken-line' or 'fraction-of-peak'"),
        ({"method": "change-point", "interpolate": True}, "finds samples"),
        ({"fraction": 1.0}, "fraction must lie between"),
        ({"method": "consecutive", "k": 0}, "k must be at least 1"),
        ({"method": "consecutive", "alpha": 2.0}, "alpha must lie between"),
        ({"interval": "normal"}, "interval must be one of"),
        ({"confidence": 1.0}, "confidence must lie between"),
        ({"n_bootstrap": -1}, "n_bootstrap must be at least"),
        ({"baseline": (None, None)}, "nothing is left to search"),
        ({"baseline": (-1.0, -0.5)}, "holds no sample"),
        ({"tmin": -0.05}, "lies within the baseline"),
        ({"tmin": 3.0}, "holds no sample"),
        ({"method": "consecutive", "significant": [True]}, "one value per sample"),
        ({"method": "consecutive", "significant": np.full(141, 3.0)}, "p-values from 0 to 1"),
        ({"method": "consecutive", "significant": np.ones(141, dtype=bool), "alpha": 0.05}, "came as a mask"),
    ],
)
def test_options_that_make_no_sense_are_refused(rng, options, words):
    with pytest.raises(ValueError, match=words):
        onset(group_curves(rng, 5), times=TIMES, **options)


def test_an_onset_is_not_moved_by_the_units_of_time(rng):
    curves = group_curves(rng, 8)
    one = onset(curves, times=TIMES, rng=0)
    later = onset(curves, times=TIMES + 1.0, baseline=(None, 1.0), rng=0)
    assert later.value == pytest.approx(one.value + 1.0)
    np.testing.assert_allclose(later.interval, one.interval + 1.0)


def test_the_difference_of_an_onset_with_itself_is_nothing(rng):
    curves = group_curves(rng, 8)
    found = latency_difference(curves, curves, times=TIMES, rng=0)
    assert found.value == 0
    assert found.interval.tolist() == [0, 0]
