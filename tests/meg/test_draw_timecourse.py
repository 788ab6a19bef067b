"""The figure of a time course shows what it was given, and refuses what does not belong to it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib import pyplot as plt
from reference.courses import make_course
from reference.group_curves import TIMES, group_curves

from alignkit.meg import TimeCourse, max_test, onset, peak
from alignkit.meg._draw_timecourse import plot_timecourse


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def course(n_models: int) -> TimeCourse:
    rng = np.random.default_rng(2)
    return make_course(np.stack([group_curves(rng, 8) for _ in range(n_models)]), TIMES)


@pytest.mark.parametrize("n_models", [1, 3, 6, 9])
def test_each_model_has_a_curve_a_band_and_a_name(n_models):
    result = course(n_models)
    ax = plot_timecourse(result)
    ax.figure.canvas.draw()
    named = {line.get_label(): line for line in ax.lines if not str(line.get_label()).startswith("_")}
    assert list(named) == list(result.models)
    for k, name in enumerate(result.models):
        np.testing.assert_allclose(named[name].get_xdata(), 1000 * TIMES)
        np.testing.assert_allclose(named[name].get_ydata(), result.mean[k])
    looks = {(line.get_color(), line.get_linestyle()) for line in named.values()}
    assert len(looks) == n_models
    assert len(ax.collections) == n_models + 1  # bands, and the ceiling
    assert ax.get_xlabel() == "time (ms)"
    assert ax.get_ylabel() == "similarity (spearman)"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["noise ceiling", *result.models]


def test_curves_on_one_another_are_all_seen_and_equal_ones_are_named():
    values = course(2).similarity
    result = make_course(np.stack([values[0], values[1], values[0], values[0] + 1e-4, values[0]]), TIMES)
    a, b = result.models[:2]
    ax = plot_timecourse(result)
    ax.figure.canvas.draw()
    labels = [str(line.get_label()) for line in ax.lines if not str(line.get_label()).startswith("_")]
    assert labels == [a, b, f"model 3 (equal to {a})", "model 4", f"model 5 (equal to {a})"]
    curves = {line.get_label(): line for line in ax.lines if line.get_label() in labels}
    assert [curves[name].is_dashed() for name in labels] == [False, False, True, True, True]
    assert [text.get_text() for text in ax.get_legend().get_texts()][1:] == labels


def test_peaks_in_one_place_are_nested():
    values = course(2).similarity
    result = make_course(np.stack([values[0], values[0], values[1] - 0.3]), TIMES)
    peaks = [peak(result, model=name, rng=0) for name in result.models]
    ax = plot_timecourse(result, peak=peaks)
    sizes = [line.get_markersize() for line in ax.lines if line.get_marker() == "v"]
    assert sizes[0] > sizes[1] == sizes[2]


def test_the_legend_hides_no_data():
    ax = plot_timecourse(course(6))
    ax.figure.canvas.draw()
    legend, axes = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.x0 >= axes.x1
    assert legend.x1 <= ax.figure.bbox.x1 + 1


def test_significance_onsets_and_peaks_are_drawn():
    result = course(2)
    tests = {name: max_test(result, model=name, tail="greater", rng=0) for name in result.models}
    onsets = [onset(result, model=name, rng=0) for name in result.models]
    peaks = [peak(result, model=name, rng=0) for name in reversed(result.models)]
    ax = plot_timecourse(result, significance=tests, onset=onsets, peak=peaks, subjects=True)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[-3:] == ["significant", "onset", "peak"]
    marks = {line.get_marker(): line for line in ax.lines}
    assert {"^", "v"} <= set(marks)
    found = [line for line in ax.lines if line.get_marker() == "v"]
    drawn = {(line.get_xdata()[0], line.get_ydata()[0]) for line in found}
    assert drawn == {(1000 * one.value, one.amplitude) for one in peaks}
    lowest = min(result.similarity.min(), result.interval[0].min())
    rows = [line.get_ydata()[0] for line in ax.lines if line.get_linewidth() == 3.5]
    assert rows
    assert max(rows) < lowest  # below all curves
    colours = {line.get_color(): line.get_ydata()[0] for line in ax.lines if line.get_linewidth() == 3.5}
    assert len(set(colours.values())) == 2  # a row for each model, with the mark of its onset
    marked = {line.get_color(): line.get_ydata()[0] for line in ax.lines if line.get_marker() == "^"}
    assert marked == colours
    assert all(tick >= lowest - 0.1 for tick in ax.get_yticks())


def test_a_bar_reaches_half_a_sample_to_either_side():
    result = course(1)
    mask = np.zeros(len(TIMES), dtype=bool)
    mask[40:43] = mask[60] = True
    ax = plot_timecourse(result, significance=mask)
    bars = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 3.5]
    np.testing.assert_allclose(bars, 1000 * np.array([[0.0975, 0.1125], [0.1975, 0.2025]]))


def test_some_models_are_chosen():
    result = course(3)
    ax = plot_timecourse(result, models=["model 3", "model 1"], ceiling=False, significance={"model 1": TIMES > 0.1})
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["model 3", "model 1", "significant"]


def test_samples_without_times_and_long_times_are_called_so():
    numbered = make_course(
        course(1).similarity, np.arange(len(TIMES)), note="the data has no times: samples are numbered from 0"
    )
    assert plot_timecourse(numbered).get_xlabel() == "sample"
    slow = make_course(course(1).similarity, 100 * TIMES)
    assert plot_timecourse(slow).get_xlabel() == "time (s)"


def test_one_participant_has_no_interval_and_no_ceiling():
    nothing = np.full(len(TIMES), np.nan)
    alone = make_course(course(1).similarity[:, :1], TIMES, lower=nothing, upper=nothing)
    ax = plot_timecourse(alone)
    assert not ax.collections


def test_names_are_no_formulas():
    result = make_course(course(1).similarity, TIMES, models=("$x^$",))
    plot_timecourse(result).figure.canvas.draw()


def test_a_given_axes_is_drawn_on_and_the_method_is_the_function():
    _, ax = plt.subplots()
    assert course(1).plot(ax, subjects=True) is ax


def test_models_with_a_time_axis_are_a_map():
    rng = np.random.default_rng(0)
    result = make_course(rng.normal(size=(2, 4, 5, 6)), TIMES[:6], model_times=TIMES[:5])
    ax = plot_timecourse(result, models="model 1")
    ax.figure.canvas.draw()
    np.testing.assert_allclose(ax.collections[0].get_array(), result.mean[0])
    assert ax.get_ylabel() == "model 1: time (ms)"
    with pytest.raises(ValueError, match="a map shows one model"):
        plot_timecourse(result)


def test_what_does_not_belong_to_it_is_refused():
    result = course(2)
    found = onset(result, model=0, rng=0)
    bare = onset(result.similarity[0], times=TIMES, rng=0)
    for options, words in (
        ({"models": "other"}, "models must be one of"),
        ({"models": []}, "models must be a name"),
        ({"models": 3}, "models must be a name"),
        ({"significance": TIMES > 0.1}, "one for each of 2 models"),
        ({"significance": {"other": TIMES > 0.1}}, "which is not drawn"),
        ({"significance": {"model 1": TIMES[:5] > 0.1}}, "True or False for each"),
        ({"significance": {"model 1": np.full(len(TIMES), 0.01)}}, "Compare p-values with a level"),
        ({"peak": found}, "must be what peak.. gives"),
        ({"onset": 0.08}, "must be what onset.. gives"),
        ({"onset": bare}, "one for each of 2 models"),
    ):
        with pytest.raises(ValueError, match=words):
            plot_timecourse(result, **options)
    plot_timecourse(result, onset=found)
    plot_timecourse(result, onset={"model 2": bare})
