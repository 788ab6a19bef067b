import numpy as np
import pytest
from numpy.testing import assert_array_equal
from reference.courses import make_course

from alignkit.meg._read_curves import read_curves


def test_arrays_become_rows_with_names(rng, readonly):
    x = readonly(rng.normal(size=(3, 4, 5)))
    read = read_curves(x, popmean=1.0, times=np.arange(5) / 10)
    assert_array_equal(read.x, x.reshape(3, 20) - 1.0)
    assert read.dims == ("axis_1", "time")
    assert read.coords == {"axis_1": [0, 1, 2, 3]}
    assert read.cell(7) == "axis_1 1, time 0.2"
    assert read.subjects == ("subject 1", "subject 2", "subject 3")
    assert read_curves(x, channels=True).dims == ("channel", "time")
    assert_array_equal(read_curves(x).times, np.arange(5))


def test_masked_values_are_missing(rng):
    x = np.ma.masked_array(rng.normal(size=(3, 4)), mask=np.eye(3, 4, dtype=bool))
    assert_array_equal(np.isnan(read_curves(x).x), np.eye(3, 4, dtype=bool))


@pytest.mark.parametrize("times", [np.zeros((4, 1)), [0, 1, np.nan, 3], "abcd", [0, 1]])
def test_times_that_do_not_fit_are_refused(rng, times):
    with pytest.raises((ValueError, TypeError), match="times must"):
        read_curves(rng.normal(size=(3, 4)), times=times)


def test_times_that_do_not_rise_are_refused(rng):
    # neighbouring samples form clusters: their order is that of time
    for times in ([3.0, 2.0, 1.0, 0.0], [0.0, 0.1, 0.1, 0.2]):
        with pytest.raises(ValueError, match="times must increase from sample to sample"):
            read_curves(rng.normal(size=(3, 4)), times=times)


def test_distances_are_not_tested_against_nothing():
    course = make_course(np.random.default_rng(0).random((1, 4, 5)), np.arange(5) / 10, method="bures-metric")
    with pytest.raises(ValueError, match=r"distances \(bures-metric\).*differences between two models"):
        read_curves(course)
    assert_array_equal(read_curves(course, popmean=0.5).x, course.similarity[0] - 0.5)
