"""Curves come as arrays with times or as time courses; what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pytest
from reference.courses import make_course

from alignkit.meg._curves import as_curves, baseline_stretch, stretch

TIMES = np.arange(-2, 4) * 0.05


def test_an_array_of_subjects_keeps_its_values(rng, readonly):
    values = readonly(rng.normal(size=(3, 6)))
    curves = as_curves(values, TIMES, None)
    assert curves.values.shape == (3, 1, 6)
    np.testing.assert_array_equal(curves.of_subjects(), values)
    assert curves.subjects == ("1", "2", "3")
    assert curves.resolution == pytest.approx(0.05)


def test_one_curve_is_one_subject():
    assert as_curves(np.arange(6.0), TIMES, None).n_subjects == 1


def test_missing_sessions_are_left_out_wherever_they_stand(rng):
    values = rng.normal(size=(2, 3, 6))
    values[0, 0] = np.nan
    curves = as_curves(values, TIMES, None)
    np.testing.assert_allclose(curves.of_subjects()[0], values[0, 1:].mean(axis=0))
    np.testing.assert_allclose(curves.of_subjects()[1], values[1].mean(axis=0))
    assert curves.present.tolist() == [[True, True, False], [True, True, True]]


def test_a_time_course_brings_its_names_times_and_ceiling(rng):
    course = make_course(rng.normal(size=(2, 3, 6)), TIMES)
    curves = as_curves(course, None, "model 2")
    np.testing.assert_array_equal(curves.of_subjects(), course.similarity[1])
    assert (curves.name, curves.unit, curves.subjects) == ("model 2", "r", course.subjects)
    np.testing.assert_array_equal(curves.upper, course.upper)


def nan_in_a_session() -> np.ndarray:
    values = np.zeros((2, 2, 6))
    values[1, 0, 3] = np.nan
    return values


@pytest.mark.parametrize(
    ("values", "times", "model", "words"),
    [
        (np.zeros((2, 6)), None, None, "pass times="),
        (np.zeros((2, 6)), TIMES[:5], None, "each of the 6 samples"),
        (np.zeros((2, 6)), TIMES[::-1], None, "each later than the one before"),
        (np.zeros((2, 6)), TIMES, "a", "came as an array"),
        (np.zeros((2, 2, 2, 6)), TIMES, None, "must have the axes"),
        (np.full((2, 6), np.inf), TIMES, None, "infinite"),
        (np.full((2, 6), np.nan), TIMES, None, "subject.s. '1', '2'"),
        (nan_in_a_session(), TIMES, None, "subject.s. '2'"),
        (np.zeros((2, 2)), [0, 1], None, "three or more samples"),
    ],
)
def test_what_does_not_fit_is_refused(values, times, model, words):
    with pytest.raises(ValueError, match=words):
        as_curves(values, times, model)


def test_time_courses_of_distances_maps_and_several_models_are_refused(rng):
    values = rng.normal(size=(2, 3, 6))
    with pytest.raises(ValueError, match="distances"):
        as_curves(make_course(values, TIMES, method="bures-metric"), None, 0)
    with pytest.raises(ValueError, match="name one of"):
        as_curves(make_course(values, TIMES), None, None)
    with pytest.raises(ValueError, match="leave times out"):
        as_curves(make_course(values, TIMES), TIMES, 0)
    with pytest.raises(ValueError, match="each time of the model"):
        as_curves(make_course(rng.normal(size=(2, 3, 4, 6)), TIMES, model_times=TIMES[:4]), None, 0)


def test_stretches_include_both_ends_whatever_the_rounding():
    times = np.arange(-20, 61) * 0.005  # 0.15 is 0.15000000000000002
    assert times[stretch(times, 0.05, 0.15, "x")][[0, -1]].tolist() == pytest.approx([0.05, 0.15])
    for i, time in enumerate(times):  # as a person writes it
        assert stretch(times, round(time, 3), round(time, 3), "x") == slice(i, i + 1)
    assert stretch(times, None, None, "x") == slice(0, 81)
    assert times[baseline_stretch(times, (None, 0))][-1] == 0.0
    with pytest.raises(ValueError, match="holds no sample"):
        stretch(times, 0.5, 0.6, "the search")
    with pytest.raises(TypeError, match="in seconds"):
        stretch(times, "0.5", None, "the search")
    with pytest.raises(ValueError, match="finite seconds"):
        stretch(times, np.nan, None, "the search")
    with pytest.raises(ValueError, match="must be a pair"):
        baseline_stretch(times, 0.0)
