"""Latencies, their differences and areas become tables, files, sentences and pictures."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from reference.courses import make_course
from reference.group_curves import TIMES, group_curves

from alignkit.meg import auc, latency_difference, onset, peak


def results() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    curves = group_curves(rng, 9)
    course = make_course(curves[None], TIMES, models=("a $model",))
    return {
        "onset": onset(course, rng=0),
        "peak": peak(course, rng=0),
        "sessions": onset(group_curves(rng, 12).reshape(4, 3, -1), times=TIMES, rng=0),
        "jackknife": peak(curves, times=TIMES, interval="jackknife"),
        "nobody": onset(curves[:1], times=TIMES),
        "paired": latency_difference(curves, curves[::-1], times=TIMES, rng=0),
        "unpaired": latency_difference(curves, curves[:5], times=TIMES, rng=0),
        "area": auc(course, of_ceiling=True, tmin=0.0, rng=0),
    }


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return results()


@pytest.mark.parametrize("name", list(results()))
def test_it_is_saved_and_loaded(made, name, tmp_path):
    result = made[name]
    result.save(tmp_path / "result.json")
    again = type(result).load(tmp_path / "result.json")
    for field in dataclasses.fields(result):
        np.testing.assert_equal(getattr(again, field.name), getattr(result, field.name), err_msg=field.name)
    assert again.methods_text() == result.methods_text()
    assert repr(again) == repr(result)
    result.save(tmp_path / "result.csv")


@pytest.mark.parametrize("name", list(results()))
def test_it_is_a_table_a_line_and_a_sentence(made, name):
    result = made[name]
    table = result.to_dataframe()
    assert table.participant[0] == "group"
    assert len(table) == 1 + len(result.subjects)
    assert len(repr(result)) < 400
    assert "\n" not in repr(result)
    text = result.methods_text()
    assert text.endswith(".")
    assert "nan" not in (text + repr(result)).lower().replace("ascending", "")


@pytest.mark.parametrize("name", list(results()))
def test_it_is_drawn(made, name):
    ax = made[name].plot()
    assert ax.get_xlabel()
    ax.figure.canvas.draw()
    assert made[name].plot(ax) is ax
    plt.close(ax.figure)


def test_tables_hold_the_numbers(made):
    table = made["peak"].to_dataframe()
    np.testing.assert_array_equal(table.latency[1:], made["peak"].per_subject)
    np.testing.assert_array_equal(table.loc[0, ["low", "high"]].to_numpy(float), made["peak"].interval)
    areas = made["area"].to_dataframe()
    np.testing.assert_allclose(areas["integral"], areas["mean"] * made["area"].duration)


def test_sentences_say_how_it_was_done(made):
    text = made["onset"].methods_text()
    for words in ("mean curve of 9 subjects", "flat line", "baseline -0.1 to 0 s", "every 5 ms", "1,000 resamples"):
        assert words in text
    assert "sessions within each drawn subject" in made["sessions"].methods_text()
    assert "jackknife interval over subjects" in made["jackknife"].methods_text()
    assert "interval" not in made["nobody"].methods_text()
    assert "no interval" in repr(made["nobody"])
    assert "r x s" in made["area"].methods_text()
