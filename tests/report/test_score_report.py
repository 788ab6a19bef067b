from __future__ import annotations

import dataclasses
import math

import pytest
from matplotlib import pyplot as plt

from alignkit.report import Section, _score_report, score_sections, write_score_report
from alignkit.score import ScoreTable

EMPTY = ScoreTable("toy", (), (), ("nothing was scored",), {}, {})
NASTY = "<script>alert(1)</script>"


@pytest.fixture
def write(tmp_path, read):
    def write(table, **options):
        write_score_report(tmp_path / "page.html", table, **options)
        return read(tmp_path / "page.html")

    return write


def test_the_page_has_every_part(write, table):
    page = write(table, before=[Section("Before", commands=["alignkit demo"])])
    assert page.text_of("h1") == ["Scores on toy"]
    assert page.text_of("h2") == ["Before", "toy: p", "toy: q", "Paired differences", "Notes", "How it was done"]
    assert "2 models beside noise ceilings and baselines." in page.text_of("p")
    assert table.methods_text() in page.text_of("p")
    assert "a note" in page.text_of("p")
    assert page.text_of("code") == ["alignkit demo"]


def test_every_line_is_in_the_table(table):
    sections = {section.title: section for section in score_sections(table)}
    ((caption, header, rows),) = sections["toy: p"].tables
    assert "brackets" in caption
    assert header == ["model", "value", "interval", "over people", "ceiling", "split"]
    assert rows == [
        ["accuracy (n = 1,000, 50 items, interval over triplets)"],
        ["one", "0.6000", "[0.5000, 0.7000]", "", "0.6500", "a"],
        ["two", "0.4000", "", "[0.3000, 0.4500]", "", "a"],
        ["(chance)", "0.3333", "", "", "", ""],
        ["cost, lower is better (n = 1,000, 50 items)"],
        ["one", "1.2000", "", "", "", "b"],
    ]
    assert sections["toy: p"].notes == ["Noise ceiling of accuracy: people.", "a: first split.", "b: second."]
    ((_, header, rows),) = sections["Paired differences"].tables
    assert rows == [["p: accuracy (over triplets)"], ["one - two", "+0.2000", "[+0.1000, +0.3000]"]]


def test_primary_measures_have_figures_with_words_in_their_place(write, table):
    page = write(table)
    (chart,) = [one for one in page.all("div") if one.get("class") == "chart"]
    assert chart["aria-label"] == "Bar chart of accuracy: one 0.6000; two 0.4000; chance 0.3333."
    (caption,) = page.text_of("figcaption")
    assert caption.startswith("p: accuracy. Blue: models, grey: baselines")
    assert "yellow: noise ceiling (people)" in caption
    assert "thin lines: intervals" in caption
    assert caption.endswith("behind the best, as the paired interval lacks 0.")
    tips = [one["data-tip"] for _, one in page.elements if "data-tip" in one]
    assert tips == ["noise ceiling\n0.65", "one\n0.6000 [0.5000, 0.7000]", "two\n0.4000", "chance\n0.3333"]
    marks = [text for text in page.text_of("text") if text == "\N{WHITE DOWN-POINTING TRIANGLE}"]
    assert len(marks) == 1


@pytest.mark.parametrize(("low", "high", "n"), [(-0.1, 0.3, 0), (0.1, 0.3, 1), (-0.3, -0.1, 1)])
def test_only_a_paired_interval_without_0_says_that_a_model_is_behind(write, table, low, high, n):
    difference = dataclasses.replace(table.differences[0], low=low, high=high)
    page = write(dataclasses.replace(table, differences=(difference,)))
    assert page.text_of("text").count("\N{WHITE DOWN-POINTING TRIANGLE}") == n
    # where people are resampled as well, both intervals count
    people = dataclasses.replace(difference, over="people", low=-1.0, high=1.0)
    page = write(dataclasses.replace(table, differences=(difference, people)))
    assert page.text_of("text").count("\N{WHITE DOWN-POINTING TRIANGLE}") == 0


def test_captions_name_only_what_is_drawn(table):
    rows = tuple(
        dataclasses.replace(row, low=math.nan, high=math.nan, ceiling_low=math.nan, ceiling="") for row in table.rows
    )
    section = score_sections(dataclasses.replace(table, rows=rows))[0]
    assert section.figures[0].caption.startswith("p: accuracy. Blue: models, grey: baselines. ")


@pytest.fixture
def with_curve(table):
    """The table with a curve of three layers."""
    points = [
        dataclasses.replace(
            table.rows[0],
            role="layer",
            model="net",
            layer=f"<b{k}>",
            value=0.4 + k / 20,
            low=0.3,
            high=0.5,
            chosen=k / 3,
        )
        for k in range(3)
    ]
    return dataclasses.replace(table, rows=tuple(sorted((*table.rows, *points), key=lambda row: row.part)))


def test_a_curve_has_a_figure_and_a_table(write, with_curve):
    section = next(section for section in score_sections(with_curve) if section.title == "toy: p")
    _, (caption, header, rows) = section.tables
    assert "chosen: how often it was the best on other items" in caption
    assert header == ["layer", "value", "interval", "% of ceiling", "chosen", "split"]
    assert rows[0] == ["net: accuracy (n = 1,000, 50 items, interval over triplets)"]
    assert rows[1] == ["<b0>", "0.4000", "[0.3000, 0.5000]", "", "0%", "a"]
    assert [row[4] for row in rows[1:]] == ["0%", "33%", "67%"]
    page = write(with_curve)
    (bars,) = [one for one in page.all("div") if one.get("class") == "chart"]
    (curve,) = page.all("img")
    assert bars["aria-label"] == "Bar chart of accuracy: one 0.6000; two 0.4000; chance 0.3333."
    assert curve["alt"] == "Layer curve of accuracy: net <b0> 0.4000; net <b1> 0.4500; net <b2> 0.5000."
    assert page.text_of("figcaption")[1].startswith("p: accuracy of each layer. Rings: layers chosen on other items")
    assert "the highest point is no score" in page.text_of("figcaption")[1].lower()
    assert "2 models beside noise ceilings and baselines." in page.text_of("p")


def test_wide_tables_say_that_they_can_be_swiped(write, table):
    page = write(table)
    assert [hint["aria-hidden"] for hint in page.all("p") if hint.get("class") == "hint"] == ["true"] * 3
    assert len([text for text in page.text_of("p") if text.startswith("Swipe the table sideways")]) == 3


def test_names_of_users_are_escaped(write, table):
    rows = tuple(dataclasses.replace(row, model=NASTY) if row.model == "one" else row for row in table.rows)
    (difference,) = table.differences
    differences = (dataclasses.replace(difference, better=NASTY),)
    page = write(
        dataclasses.replace(table, rows=rows, differences=differences, notes=(f"{NASTY} & 'x'",), dataset=NASTY)
    )
    assert NASTY in page.text_of("td")
    assert f"{NASTY} & 'x'" in page.text_of("p")
    assert page.text_of("h1") == [f"Scores on {NASTY}"]
    (chart,) = [one for one in page.all("div") if one.get("class") == "chart"]
    assert NASTY in str(chart["aria-label"])
    assert NASTY in "".join(str(one.get("data-tip")) for _, one in page.elements)


def test_a_table_without_lines_is_a_page(write):
    page = write(EMPTY)
    assert page.text_of("h2") == ["Notes"]
    assert "0 models beside noise ceilings and baselines." in page.text_of("p")


def test_one_model_is_one_model(write, table):
    rows = tuple(row for row in table.rows if row.model == "one")
    assert "1 model beside noise ceilings and baselines." in write(dataclasses.replace(table, rows=rows)).text_of("p")


def test_undefined_numbers_are_dashes(write, table):
    rows = tuple(dataclasses.replace(row, value=math.nan, low=math.nan, high=math.nan) for row in table.rows)
    (difference,) = table.differences
    differences = (dataclasses.replace(difference, difference=math.nan, low=math.nan, high=math.nan),)
    page = write(dataclasses.replace(table, rows=rows, differences=differences))
    assert "nan" not in " ".join(page.text_of("td")).lower()
    assert page.text_of("td").count("-") == len(table.rows) + 1


def test_more_splits_than_letters_are_still_told_apart(table):
    rows = tuple(dataclasses.replace(table.rows[0], model=f"m{k}", split=f"split {k}") for k in range(60))
    section = score_sections(dataclasses.replace(table, rows=rows))[0]
    marks = [row[-1] for row in section.tables[0][2][1:]]
    assert len(set(marks)) == 60
    assert {f"{mark}: split {k}." for k, mark in enumerate(marks)} <= set(section.notes)


def test_the_old_page_stays_when_a_figure_fails(tmp_path, table, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail(*_, **__):
        msg = "no picture today"
        raise ValueError(msg)

    monkeypatch.setattr(_score_report, "bar_chart", fail)
    with pytest.raises(ValueError, match="no picture today"):
        write_score_report(path, table)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_figure_stays_open(write, table):
    before = plt.get_fignums()
    write(table)
    assert plt.get_fignums() == before


def test_the_same_table_gives_the_same_page(tmp_path, table):
    for name in ("a.html", "b.html"):
        write_score_report(tmp_path / name, table)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_complaint(tmp_path, table, browser, width):
    long = "MMMM WWWW mmmm" * 9
    rows = tuple(dataclasses.replace(row, model=row.model + long, part=long, measure=long) for row in table.rows)
    page = tmp_path / "page.html"
    write_score_report(page, dataclasses.replace(table, rows=rows))
    browser.open(page, width=width)
    assert not browser.complaints
    assert browser.run("document.documentElement.scrollWidth") <= width  # tables scroll in their own box
    assert browser.cut_texts() == []
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 5000
