"""What single people's models are said to be worth."""

from __future__ import annotations

import dataclasses

import matplotlib as mpl
import numpy as np
import pytest
from reference.personal_dynamics import ONE, TIMES, result

from alignkit.train.hba_meg._people_result import PersonalDynamics, describe_scored, mean_in_window

mpl.use("Agg")


def test_verdicts_say_who_is_told():
    assert result().verdict.startswith("Personal models tell their owners apart (own minus others' +0.")
    assert "rank-1, centred, 100%, by chance 8%" in result().verdict
    assert result().verdict.endswith("Centred: less each model's mean over people.")
    text = result(shuffled=True).verdict
    assert text.startswith("Models trained on other people's RDMs do not tell their owners apart")
    few = result(3).verdict
    assert "with 3 people no p below 0.17 is possible" in few
    alone = result(alone=True).verdict
    assert alone.startswith("p01: own model 0.")


def changed(one, *, low=None, **values):
    """Return a result with another interval of own minus others', or other values of identification's tests."""
    tests = tuple(
        dataclasses.replace(test, value=values.get(test.name, test.value)) for test in one.identification.tests
    )
    differences = tuple(
        dataclasses.replace(test, low=low) if low is not None and test.name.endswith("others'") else test
        for test in one.tests
    )
    return dataclasses.replace(
        one, identification=dataclasses.replace(one.identification, tests=tests), tests=differences
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"low": -0.01}, "but the interval of own minus others' over people is not above 0 (own"),
        ({"low": 0.0}, "but the interval of own minus others' over people is not above 0 (own"),
        ({"low": np.nan}, "but there is no interval over people (own minus others' +0.1420, p = 0.0001;"),
        ({"rank-1, centred": 1 / 12}, "but rank-1, centred is not above chance (own"),
        (
            {"low": -0.01, "rank-1, centred": 0.0, "two-way, centred": 0.5},
            "not above 0, rank-1, centred is not above chance and two-way, centred is not above chance (own",
        ),
    ],
)
def test_a_small_p_alone_tells_nobody(change, text):
    verdict = changed(result(), **change).verdict
    assert verdict.startswith("Personal models cannot be said to tell their owners apart: p is small, but ")
    assert text in verdict


def test_raw_accuracies_have_no_part_in_the_verdict():
    one = result()
    assert changed(one, **{"rank-1": 0.0, "two-way": 0.0}).verdict == one.verdict


def test_undefined_comparisons_have_no_verdict():
    one = result(4)
    broken = one.identification.over_time.copy()
    broken[:, 1, 2] = np.nan
    tests = tuple(dataclasses.replace(test, value=np.nan, p=np.nan) for test in one.identification.tests)
    found = dataclasses.replace(one.identification, over_time=broken, tests=tests)
    assert "cannot be compared" in dataclasses.replace(one, identification=found).verdict


def test_tables_have_a_row_per_person():
    one = result()
    table = one.to_dataframe().set_index("participant")
    late = TIMES >= 0
    assert len(table) == 12
    np.testing.assert_allclose(table["own"], one.own[:, late].mean(axis=1))
    np.testing.assert_allclose(table["over_group"], (one.own - one.group)[:, late].mean(axis=1))
    np.testing.assert_allclose(table["others"], one.identification.others)
    assert table["rank_1"].mean() == pytest.approx(one.identification.test("rank-1").value)
    assert one["p03"]["own"] == table.loc["p03", "own"]
    assert set(table["items"]) == {"held_out"}
    with pytest.raises(ValueError, match="name must be one of"):
        one["p99"]
    alone = result(alone=True).to_dataframe()
    assert len(alone) == 1
    assert "rank_1" not in alone
    assert np.isnan(result(sessions=False).to_dataframe()["own_sessions"]).all()


def test_a_result_is_told_on_one_screen_and_in_a_methods_section():
    one = result(30)
    assert len(repr(one).splitlines()) < 25
    assert "A note." in repr(one)
    text = one.methods_text()
    assert "300,216 parameters" in text
    assert "the person's own RDMs" in text
    assert "10 held-out items in sessions that nothing was trained on" in text
    assert "another person's RDMs" in result(shuffled=True).methods_text()
    assert "sign-flip" not in result(alone=True).methods_text()


def test_results_come_back(tmp_path):
    for name, one in {"all": result(), "alone": result(alone=True), "plain": result(sessions=False)}.items():
        one.save(tmp_path / f"{name}.json")
        again = PersonalDynamics.load(tmp_path / f"{name}.json")
        assert repr(again) == repr(one)
        np.testing.assert_array_equal(again.own, one.own)
        np.testing.assert_array_equal(again.kept_steps, one.kept_steps)


@pytest.mark.parametrize("kind", ["all", "alone", "one time"])
def test_curves_are_drawn_as_they_are(kind):
    from matplotlib import pyplot as plt

    one = result(alone=kind == "alone", times=ONE if kind == "one time" else None)
    ax = one.plot()
    drawn = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    expected = {"own model", "group's model", "own other sessions"} | ({"others' models"} if kind != "alone" else set())
    assert set(drawn) == expected
    np.testing.assert_allclose(drawn["own model"].get_ydata(), one.own.mean(axis=0))
    np.testing.assert_allclose(drawn["own model"].get_xdata(), 1000 * one.times)
    if kind != "alone":
        np.testing.assert_allclose(drawn["others' models"].get_xdata(), 1000 * one.identification.times)
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_a_model_that_stayed_the_groups_is_seen_beside_it():
    from matplotlib import pyplot as plt

    one = result()
    ax = dataclasses.replace(one, group=one.own.copy()).plot()
    curves = {line.get_label(): line for line in ax.lines}
    assert curves["group's model (equal to own model)"].is_dashed()
    assert not curves["own model"].is_dashed()
    np.testing.assert_allclose(curves["group's model (equal to own model)"].get_ydata(), one.own.mean(axis=0))
    plt.close(ax.figure)


def test_gains_are_drawn_a_line_per_person():
    from matplotlib import pyplot as plt

    one = result()
    ax = one.plot_gains()
    assert len(ax.lines) == 13
    assert [text.get_text() for text in ax.get_xticklabels()] == ["others'", "group's", "own"]
    np.testing.assert_allclose(
        ax.lines[2].get_ydata(), [one.identification.others[2], *(one["p03"][k] for k in ("group", "own"))]
    )
    plt.close(ax.figure)
    alone = result(alone=True).plot_gains()
    assert [text.get_text() for text in alone.get_xticklabels()] == ["group's", "own"]
    plt.close(alone.figure)


def test_means_leave_out_times_at_which_somebody_has_no_value():
    curves = np.array([[1.0, 2.0, 3.0, 9.0], [1.0, np.nan, 5.0, 9.0]])
    np.testing.assert_array_equal(mean_in_window(curves, np.arange(4) / 10, (0.0, 0.2)), [2.0, 3.0])
    assert np.isnan(mean_in_window(curves, np.arange(4) / 10, (0.1, 0.1))).all()


@pytest.mark.parametrize(
    ("items", "other", "text"),
    [
        ("held_out", True, "1 held-out item in sessions that nothing was trained on"),
        ("val", False, "1 validation item (chosen on) in the sessions that were trained on"),
        ("train", True, "1 trained item in sessions that nothing was trained on"),
        ("train", False, "1 trained item in the sessions that were trained on; in-sample"),
    ],
)
def test_what_is_scored_is_said_plainly(items, other, text):
    assert describe_scored(items, other_sessions=other, n_items=1) == text
    assert describe_scored(items, other_sessions=other, n_items=1200) == text.replace("1", "1,200", 1).replace(
        "item ", "items ", 1
    )
