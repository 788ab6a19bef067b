from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

from alignkit import meg as alignkit_meg
from alignkit.score import ScoreTable, SuiteScores, score_suite


@pytest.fixture(scope="module")
def scores(meg, static, moving) -> SuiteScores:
    return score_suite([static(), moving], root=meg.root, n_bootstrap=50, n_shuffles=2)


def test_it_comes_back_from_json(scores, tmp_path):
    scores.save(tmp_path / "scores.json")
    again = SuiteScores.load(tmp_path / "scores.json")
    assert repr(again) == repr(scores)
    assert again.missing == scores.missing
    for part, course in scores.courses.items():
        np.testing.assert_array_equal(again.courses[part].similarity, course.similarity)
    scores.save(tmp_path / "scores.csv")
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == len(scores.to_dataframe()) + 1


def test_text_ends_with_what_is_missing(scores):
    text = scores.to_text(90)
    assert text.startswith("alignkit score: the suite hba (metric: correlation)")
    assert "Cichy-118: AUC of spearman over time, 0 to 1000 ms (rho x ms)   n = 91, 14 items" in text
    tail = text.partition("\nNot at hand\n")[2]
    assert tail.startswith("  RDM48: the data set 'things' needs")
    assert all(len(line) <= 90 for line in tail.splitlines())


def test_methods_name_windows_ceilings_and_what_is_missing(scores):
    text = scores.methods_text()
    assert "THINGS-MEG: RDMs of 4 participants (16 items, at least 120 item pairs" in text
    assert "Noise ceiling of Cichy-118: 5 subjects, rank pooling: area under the similarity to others' mean" in text
    assert text.endswith("RDM48, ds2 (48 objects, blurred), ds3 (36 objects, colour).")


def test_courses_go_to_statistics_over_time(scores):
    found = alignkit_meg.peak(scores.courses["Cichy-118"], model="static", n_bootstrap=0)
    assert 0.05 <= found.value <= 0.3
    area = alignkit_meg.auc(scores.courses["Cichy-118"], model="static", tmin=0.0, of_ceiling=True, n_bootstrap=0)
    row = scores.table.value("static", "Cichy-118", "AUC")
    assert 1000 * area.integral == pytest.approx(row.value)
    assert 100 * area.share_lower == pytest.approx(row.percent_of_ceiling)


def test_pictures(scores):
    axes = scores.plot(part="THINGS-MEG")
    assert axes.get_title() == "THINGS-MEG"
    assert {line.get_label() for line in axes.get_lines()} >= {"static", "moving"}
    assert scores.plot().get_title() == "THINGS-MEG"
    with pytest.raises(ValueError, match="part must be one of 'THINGS-MEG'"):
        scores.plot(part="RDM48")
    with pytest.raises(ValueError, match="no data set over time was scored; there are 'ds1' to get"):
        SuiteScores("hba", ScoreTable("hba", (), (), (), {}, {}), {}, {"ds1": "ask."}).plot()
    # without courses the scores themselves are drawn
    assert SuiteScores("hba", scores.table, {}, {}).plot(part="Cichy-118").get_title(loc="left").startswith("Cichy-118")
    plt.close("all")
