from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import timecourse
from alignkit.report import write_suite_report
from alignkit.rsa import RDM
from alignkit.score import ScoreTable, SuiteScores


@pytest.fixture
def scores(table) -> SuiteScores:
    rng = np.random.default_rng(0)
    times = {"time": [0.0, 0.1, 0.2]}
    people = RDM(rng.normal(size=(4, 3, 10)), dims=("subject", "time"), coords=times)
    course = timecourse({"<b>one</b>": rng.normal(size=10)}, people, n_bootstrap=20, rng=0)
    return SuiteScores("hba", table, {"MEG": course}, {"ds1": "get it from <its authors>."})


def test_time_courses_come_first_and_what_is_missing_last(scores, read, tmp_path):
    write_suite_report(tmp_path / "page.html", scores)
    page = read(tmp_path / "page.html")
    titles = page.text_of("h2")
    assert (titles[0], titles[-1]) == ("Over time", "Not at hand")
    assert page.text_of("h1") == ["Scores on the suite hba"]
    assert "2 models on 2 data sets, beside noise ceilings and baselines." in page.text_of("p")
    assert "ds1: get it from <its authors>." in page.text_of("p")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Time courses: &lt;b&gt;one&lt;/b&gt; highest" in text
    assert "mean over 4 people of the spearman similarity of a model to each person&#39;s RDMs; shades: 95%" in text


def test_without_data_over_time(read, tmp_path):
    empty = SuiteScores("hba", ScoreTable("hba", (), (), ("a note",), {}, {}), {}, {})
    write_suite_report(tmp_path / "page.html", empty)
    assert read(tmp_path / "page.html").text_of("h2") == ["Notes"]


def test_a_curve_that_is_nowhere_defined_is_said(scores, tmp_path):
    import dataclasses

    course = scores.courses["MEG"]
    course = dataclasses.replace(course, similarity=course.similarity * np.nan, mean=course.mean * np.nan)
    write_suite_report(tmp_path / "page.html", dataclasses.replace(scores, courses={"MEG": course}))
    assert "&lt;b&gt;one&lt;/b&gt; undefined" in (tmp_path / "page.html").read_text(encoding="utf-8")
