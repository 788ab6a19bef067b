"""Seconds are only said where there are some."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import bayes_factors, cluster_test, max_test, tfce_test, timecourse, variance_partition
from alignkit.meg._sample_unit import at_time, span_of, time_axis
from alignkit.rsa import RDM


def test_times_are_seconds_or_numbers_of_samples():
    assert at_time(0.25, timed=True) == "0.25 s"
    assert at_time(3.0, timed=False) == "sample 3"
    assert span_of(np.arange(4) / 10, timed=True) == "4 samples from 0 to 0.3 s"
    assert span_of(np.arange(4.0), timed=False) == "4 samples"


@pytest.mark.parametrize("timed", [True, False])
def test_results_and_warnings_tell_seconds_only_where_there_are_some(rng, timed):
    values = rng.random((2, 3, 10))
    values[1, 2] = 1 - values[0, 2]  # they cancel out
    coords = {"time": [0.1, 0.2, 0.3]} if timed else {}
    people = RDM(values, dims=["subject", "time"], coords=coords)
    models = {"a": rng.random(10), "b": rng.random(10)}
    with pytest.warns(RuntimeWarning, match="so that a bound of the ceiling is undefined, at: ") as caught:
        course = timecourse(models, people)
    assert f"at: '{'0.3 s' if timed else 'sample 2'}'" in str(caught[0].message)
    parts = variance_partition(models, people)
    for said in (repr(course), course.methods_text(), repr(parts), parts.methods_text()):
        assert ("3 samples from 0.1 to 0.3 s" in said) == timed
        assert (" s" in said.replace(" samples", "").replace(" subsets", "").replace(" similarity", "")) or not timed
    assert ("at sample " in repr(course)) != timed
    assert ("at sample " in repr(parts)) != timed
    assert parts.plot().get_xlabel() == ("time (ms)" if timed else "sample")


@pytest.mark.parametrize("timed", [True, False])
def test_times_of_models_are_told_as_they_are(rng, timed):
    movie = rng.random((3, 10))
    movie[1] = 0.5
    model = RDM(movie, dims=["time"], coords={"time": [0.1, 0.2, 0.3]} if timed else {})
    with pytest.warns(RuntimeWarning, match=rf"all equal: 'a at {'0.2 s' if timed else 'sample 1'}'"):
        timecourse({"a": model}, RDM(rng.random((3, 2, 10)), dims=["subject", "time"]))


def test_figures_show_milliseconds_seconds_or_numbers_of_samples():
    assert time_axis(np.array([-0.1, 0.0, 0.1])) == (1000.0, "time (ms)")
    assert time_axis(np.array([0.0, 10.0, 20.0])) == (1.0, "time (s)")
    assert time_axis(np.arange(5.0)) == (1.0, "sample")
    assert time_axis(np.arange(5.0), timed=True) == (1000.0, "time (ms)")
    assert time_axis(np.array([0.5, 1.0]), timed=False) == (1.0, "sample")


@pytest.mark.parametrize("test", [cluster_test, max_test, tfce_test, bayes_factors])
def test_every_test_over_time_has_the_same_axis(rng, test):
    curves, times = rng.normal(size=(8, 20)), np.linspace(-0.1, 0.28, 20)
    ax = test(curves, times=times).plot()
    assert ax.get_xlabel() == "time (ms)"
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), 1000 * times)
    assert test(curves).plot().get_xlabel() == "sample"


def test_significance_is_only_named_where_there_is_some(rng):
    noise = rng.normal(size=(8, 20))
    nothing, found = max_test(np.tile([[1.0], [-1.0]], (4, 20)) * np.abs(noise)), max_test(noise + 5)
    assert not nothing.significant.any()
    assert nothing.plot().get_legend() is None
    (text,) = found.plot().get_legend().get_texts()
    assert text.get_text() == "corrected p <= 0.05"
    course = timecourse(RDM(rng.random(10)), RDM(rng.random((3, 4, 10)), dims=["subject", "time"]))
    for mask in (np.zeros(4, dtype=bool), np.array([True, False, False, True])):
        texts = [text.get_text() for text in course.plot(significance=mask).get_legend().get_texts()]
        assert ("significant" in texts) == mask.any()
