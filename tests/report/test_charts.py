"""Bars, curves, points, cells and triplets: each mark where its number is, told in words, whatever it is called."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np
import pytest

from alignkit.report import Section, write_page
from alignkit.report._bar_chart import Bar, bar_chart
from alignkit.report._grid_chart import MOST_COLUMNS, MOST_ROWS, grid_chart
from alignkit.report._heat_map import heat_map
from alignkit.report._item_map import item_map
from alignkit.report._items import Items
from alignkit.report._line_chart import Axes, Line, line_chart
from alignkit.report._scatter import Point, scatter
from alignkit.report._triplet_chart import Shown, triplet_chart
from alignkit.rsa import RDM

NASTY = "</svg><script>alert('1')</script>\""
NAN = math.nan


def marks(chart, tag=None):
    root = ElementTree.fromstring(chart.svg)
    return [one for one in root.iter(tag) if one.get("data-tip") is not None]


def numbers(one, *names):
    return [float(one.get(name)) for name in names]


def test_bars_are_as_long_as_their_numbers_and_the_ceiling_lies_where_it_is():
    bars = [Bar("a", 0.4, 0.3, 0.5, "*"), Bar(NASTY, -0.2), Bar("none", NAN, faint=True)]
    chart = bar_chart(bars, title=NASTY, axis="rho", caption="c", ceiling=(0.6, 0.8))
    ceiling, first, second, none = marks(chart, "rect")
    assert ceiling.get("data-tip") == "noise ceiling\n0.6 to 0.8"
    (x, width), (x2, width2), (at, span) = (numbers(one, "x", "width") for one in (first, second, ceiling))
    per_unit = width / 0.4
    assert width2 == pytest.approx(0.2 * per_unit, abs=0.02)
    assert x2 + width2 == pytest.approx(x, abs=0.02)  # to the left of 0
    assert at == pytest.approx(x + 0.6 * per_unit, abs=0.02)
    assert span == pytest.approx(0.2 * per_unit, abs=0.02)
    assert first.get("data-tip") == "a\n0.4 [0.3, 0.5]"
    assert none.get("data-tip") == "none\n-"
    assert "a 0.4 *" in chart.alt
    assert "ceiling 0.6 to 0.8" in chart.alt


@pytest.mark.parametrize("ceiling", [(NAN, NAN), (0.5, NAN)])
def test_a_ceiling_may_be_missing_or_a_line(ceiling):
    tips = [
        one.get("data-tip") for one in marks(bar_chart([Bar("a", 0.1)], title="", axis="", caption="", ceiling=ceiling))
    ]
    assert ("noise ceiling\n0.5" in tips) is math.isfinite(ceiling[0])


def test_curves_break_where_they_are_missing_and_tell_their_values():
    x = np.arange(5.0)
    line = Line(NASTY, x, np.array([0.0, 1.0, NAN, 1.0, 2.0]), (x - 1, x + 1), [(1.0, 2.0)])
    flat = Line("flat", x, np.full(5, NAN))
    chart = line_chart(
        [line, flat], title="T", axes=Axes("time (ms)", "rho", (0.0,), (0.0,)), caption="c", ceiling=(x, x, x + 1)
    )
    root = ElementTree.fromstring(chart.svg)
    assert len(list(root.iter("polyline"))) == 2
    dots = marks(chart, "circle")
    assert [one.get("data-tip") for one in dots][:2] == [f"{NASTY}\n0 at 0 ms", f"{NASTY}\n1 at 1 ms"]
    assert len(dots) == 4
    places = [numbers(one, "cx", "cy") for one in dots]
    steps = np.diff([place[0] for place in places])
    np.testing.assert_allclose(steps, [steps[0], 2 * steps[0], steps[0]], atol=0.05)
    assert places[1][1] == places[2][1] < places[0][1]  # upwards
    (span,) = marks(chart, "rect")
    assert "significant from 1 to 2" in span.get("data-tip")
    assert numbers(span, "width")[0] == pytest.approx(steps[0], abs=0.05)
    assert f"{NASTY} highest 2 at 4; flat undefined" in chart.alt


def test_no_words_are_cut_however_long_names_are(browser, tmp_path):
    long, x = "MMMM WWWW \u732b\u732b mmmm " * 9, np.arange(9.0)
    charts = [
        bar_chart([Bar(long, 0.4, 0.3, 0.5, "*"), Bar(long, 1.0)], title=long, axis=long, caption="c"),
        line_chart([Line(long, x, 1e5 * x), Line(f"{long}.", x, -x)], title=long, axes=Axes(long, long), caption="c"),
        scatter([Point(long, 0.123456, 1.0)], title=long, x_axis=long, y_axis=long, caption="c"),
        grid_chart(-np.eye(3) / 777, [long] * 3, [f"{long}{k}" for k in range(3)], title=long, caption="c"),
        triplet_chart([Shown((long, "b", long), (0.2, 0.3, 0.5), "people")], title=long, caption="c", items=Items()),
        heat_map(RDM(x[:6] / 1234, labels=list("abcd"), metric=long), long, Items({}, dict.fromkeys("abcd", long))),
        item_map(RDM(1 + x[:6], labels=[f"{long}{k}" for k in range(4)]), long),
    ]
    write_page(tmp_path / "page.html", title=long, lead=long, sections=[Section(long, figures=charts)])
    for width in (390, 1280):
        browser.open(tmp_path / "page.html", width=width)
        assert browser.cut_texts() == []
        assert browser.run("document.documentElement.scrollWidth") <= width
    assert not browser.complaints


def test_long_curves_are_drawn_with_no_more_points_than_a_screen_has():
    x = np.arange(50_000.0)
    chart = line_chart([Line("long", x, np.sin(x))], title="T", axes=Axes("step", "y"), caption="c")
    assert len(chart.svg) < 60_000


def test_points_have_one_scale_and_those_without_numbers_are_counted():
    points = [Point("b", 0.5, 0.9, 0.8, 1.0, "more"), Point(NASTY, 0.1, 0.1), Point("none", NAN, 0.5)]
    chart = scatter(points, title="T", x_axis="before", y_axis="after", caption="c")
    on, above = marks(chart, "circle")
    assert on.get("data-tip") == f"{NASTY}\nbefore: 0.1\nafter: 0.1"
    assert above.get("data-tip") == "b\nbefore: 0.5\nafter: 0.9\nmore"
    (x1, y1), (x2, y2) = numbers(on, "cx", "cy"), numbers(above, "cx", "cy")
    assert (y1 - y2) / (x2 - x1) == pytest.approx(2.0, abs=0.01)
    assert chart.caption == "c 1 without both numbers are left out."
    assert "1 of 2 points lie above" in chart.alt


def test_cells_tell_row_column_and_number():
    values = np.array([[0.1, 0.2], [NAN, 0.9]])
    chart = grid_chart(values, ["p1", NASTY], ["a", "b"], title="T", caption="c.")
    cells = marks(chart, "rect")
    assert [one.get("data-tip") for one in cells] == ["p1\na: 0.1", "p1\nb: 0.2", f"{NASTY}\na: -", f"{NASTY}\nb: 0.9"]
    fills = [one.get("fill") for one in cells]
    assert fills[2] == "#808080"
    # viridis: the smallest is dark violet, the largest yellow
    assert (fills[0], fills[3]) == ("#440154", "#fde725")
    many = grid_chart(np.zeros((MOST_ROWS + 1, MOST_COLUMNS + 1)), ["r"] * 101, ["c"] * 41, title="T", caption="c.")
    assert len(marks(many)) == MOST_ROWS * MOST_COLUMNS
    assert "the first 100 rows and 40 columns" in many.caption


def test_peoples_odd_one_out_is_framed_and_pictures_are_shown():
    items = Items({"cat": "data:image/jpeg;base64,AA=="})
    one = Shown(("cat", NASTY, "car"), (0.2, 0.1, 0.7), "people: 3 of 4 answers")
    chart = triplet_chart([one], title="T", caption="c", items=items)
    root = ElementTree.fromstring(chart.svg)
    assert [image.get("href") for image in root.iter("image")] == ["data:image/jpeg;base64,AA=="]
    cat, nasty, car = marks(chart)
    assert [frame.get("stroke") == "none" for frame in (cat, nasty, car)] == [True, True, False]
    assert cat.get("data-items") == '["cat"]'
    assert nasty.get("data-items") is None
    assert "p = 0.10" in nasty.get("data-tip")
    texts = [text.text for text in root.iter("text")]
    assert "model: p = 0.70" in texts
    assert "people: 3 of 4 answers" in texts
    assert dict(chart.pictures) == dict(items.pictures)
