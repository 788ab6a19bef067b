from __future__ import annotations

import dataclasses
import math
import warnings

import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from alignkit.score import ScoreTable


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_every_part_and_measure_can_be_drawn(table):
    for part, measure in dict.fromkeys((row.part, row.measure) for row in table.rows):
        ax = table.plot(part=part, measure=measure)
        rows = [row for row in table.rows if (row.part, row.measure) == (part, measure)]
        assert isinstance(ax, Axes)
        assert names(ax) == [row.model for row in rows]
        assert [bar.get_width() for bar in ax.patches[: len(rows)]] == [row.value for row in rows]
        assert ax.get_title(loc="left") == f"{part} (n = {rows[0].n:,})"
        assert ax.get_xlabel() == measure + ("" if rows[0].higher_is_better else ", lower is better")
        intervals = [tuple(line.get_xdata()) for line in ax.lines if len(set(line.get_ydata())) == 1]
        assert intervals == [(row.low, row.high) for row in rows if math.isfinite(row.low)]
        plt.close("all")


def test_the_first_part_is_drawn_by_default_into_the_axes_given(table):
    _, ax = plt.subplots()
    assert table.plot(ax) is ax
    assert ax.get_title(loc="left").startswith("repeats")
    assert table.plot(part="fMRI").get_title(loc="left").startswith("fMRI")


def test_ceilings_are_bands_and_floors_are_lines(table):
    row = table.value("good", "answers", "odd-one-out")
    ax = table.plot(part="answers")
    band = ax.patches[-1]
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((row.ceiling_low, row.ceiling_high))
    assert texts(ax) == ["noise ceiling"]
    entropy = "cross-entropy (nats), T cross-validated"
    ax = table.plot(part="repeats", measure=entropy)
    assert texts(ax) == ["noise floor"]
    floor = table.value("good", "repeats", entropy).ceiling_low
    assert ax.lines[-1].get_xdata() == [floor, floor]
    assert texts(table.plot(part="answers", measure=entropy)) == []


@pytest.mark.parametrize("name", [r"$\frac{1}{2$", "50 $ and 60 $", "a_{b}^c", "<b>&amp;", "été", "x" * 200])
def test_any_name_can_be_drawn(table, name, tmp_path):
    rows = tuple(dataclasses.replace(row, model=name) if row.model == "good" else row for row in table.rows)
    ax = dataclasses.replace(table, rows=rows).plot()
    ax.figure.savefig(tmp_path / "x.png")
    if len(name) <= 28:
        assert names(ax)[0].replace(r"\$", "$") == name


def test_undefined_values_are_drawn_as_nothing(table, tmp_path):
    rows = tuple(dataclasses.replace(row, value=math.nan, low=math.nan, high=math.nan) for row in table.rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataclasses.replace(table, rows=rows).plot().figure.savefig(tmp_path / "x.png")


def test_what_is_not_there_is_refused_with_what_is(table):
    with pytest.raises(ValueError, match=r"no line has part 'x' and measure None; there are 'repeats: odd-one-out"):
        table.plot(part="x")
    with pytest.raises(ValueError, match="there are none"):
        ScoreTable("toy", (), (), (), {}, {}).plot()
