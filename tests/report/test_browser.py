"""Pages in a browser: what only a browser can tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from alignkit.report import Section, write_page
from alignkit.report._heat_map import heat_map
from alignkit.report._item_map import item_map
from alignkit.report._items import small_pictures
from alignkit.rsa import RDM

NASTY = "</svg><script>alert(1)</script>\"'&"
ROWS = [
    ["accuracy"],
    ["one", "0.2", "[0.1, 0.3]", "1,200"],
    ["two", "-0.5", "[-0.6, -0.4]", "90"],
    ["three", "0.10", "", "-"],
    ["(chance)", "1e-3", "", "7"],
    ["cost"],
    ["one", "3", "", ""],
    ["two", "4", "", ""],
]
FIRST = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent)"


def head(k, *, action="click()"):
    return f"document.querySelectorAll('thead button')[{k}].{action}"


@pytest.fixture
def table_page(tmp_path):
    path = tmp_path / "page.html"
    tables = [("A caption", ["model", "value", "interval", "n"], ROWS), ("Two", ["a", "b"], [["only", "1"]])]
    write_page(path, title="T", lead="L", sections=[Section("One", tables=tables), Section("Two"), Section("Three")])
    return path


def test_rows_sort_below_their_headings_and_come_back(browser, table_page):
    browser.open(table_page)
    begin = browser.run(FIRST)
    browser.run(head(1))
    assert browser.run(FIRST) == ["accuracy", "one", "three", "(chance)", "two", "cost", "two", "one", "only"]
    states = "[...document.querySelectorAll('thead th')].map(one => one.getAttribute('aria-sort'))"
    assert browser.run(states) == [None, "descending", None, None, None, None]
    browser.run(head(1))
    assert browser.run(FIRST) == ["accuracy", "two", "(chance)", "three", "one", "cost", "one", "two", "only"]
    browser.run(head(1))
    assert browser.run(FIRST) == begin
    assert browser.run(states) == [None] * 6
    browser.run(head(3))  # what is empty, or no number, comes last either way
    assert browser.run(FIRST)[:5] == ["accuracy", "one", "two", "(chance)", "three"]
    browser.run(head(3))
    assert browser.run(FIRST)[:5] == ["accuracy", "(chance)", "two", "one", "three"]
    browser.run(head(0))  # words from a to z first
    assert browser.run(FIRST)[:5] == ["accuracy", "(chance)", "one", "three", "two"]
    assert not browser.complaints


def test_the_keyboard_reaches_everything(browser, table_page):
    browser.open(table_page)
    reached = []
    for _ in range(10):
        browser.press("Tab")
        reached.append(browser.run("document.activeElement.tagName + ':' + document.activeElement.textContent.trim()"))
    assert reached[:5] == ["A:Skip to the report", "BUTTON:Dark page", "A:One", "A:Two", "A:Three"]
    assert reached[5].startswith("DIV:A caption")
    assert reached[6:] == ["BUTTON:model", "BUTTON:value", "BUTTON:interval", "BUTTON:n"]
    browser.press("Enter")
    assert browser.run("document.activeElement.closest('th').getAttribute('aria-sort')") == "descending"
    outline = browser.run("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    assert browser.run("document.querySelector('.skip').getBoundingClientRect().bottom") < 0


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_as_the_system_has_it_and_by_the_button(browser, table_page, dark):
    browser.open(table_page, dark=dark)
    white, black = "rgb(255, 255, 255)", "rgb(18, 23, 29)"
    back = "getComputedStyle(document.body).backgroundColor"
    assert browser.run(back) == (black if dark else white)
    browser.run("document.querySelector('.theme').click()")
    assert browser.run(back) == (white if dark else black)
    browser.run("document.querySelector('.theme').click()")
    assert browser.run(back) == (black if dark else white)


def test_the_hint_to_swipe_is_for_tables_that_need_it(browser, table_page):
    hidden = "document.querySelector('.hint').hidden"
    browser.open(table_page, width=390)
    wide = browser.run(
        "(() => { const box = document.querySelector('.scroll'); return box.scrollWidth > box.clientWidth })()"
    )
    assert browser.run(hidden) is not wide


def test_nothing_comes_from_elsewhere_and_no_script_but_ours_runs(browser, tmp_path, table_page):
    text = table_page.read_text(encoding="utf-8")
    bad = '<img src="https://example.org/x.png"><img src="nowhere.png"><script>window.bad = 1</script>'
    bad += '<b style="color: red" onclick="window.bad = 1">b</b>'
    (tmp_path / "bad.html").write_text(text.replace("</main>", f"{bad}</main>"), encoding="utf-8")
    browser.open(tmp_path / "bad.html")
    browser.run("document.querySelector('b').click()")
    assert browser.run("window.bad === undefined")
    assert len(browser.complaints) >= 4
    assert all("Content Security Policy" in one for one in browser.complaints)
    browser.open(table_page)
    assert [one for one in browser.requests if not one.startswith("data:")] == [table_page.resolve().as_uri()]
    assert not browser.complaints


@pytest.fixture
def chart_page(tmp_path):
    labels = ["cat", NASTY, "car", "ünï"]
    for name, colour in (("cat", "red"), ("car", "blue")):
        Image.new("RGB", (300, 200), colour).save(tmp_path / f"{name}.png")
    items = dataclasses.replace(small_pictures(tmp_path, labels), categories={"cat": NASTY, "car": "thing"})
    rdm = RDM([1.0, 2.0, np.pi, 4.0, np.nan, 6.0], labels=labels)
    known = RDM(np.arange(1.0, 7.0), labels=labels)
    path = tmp_path / "page.html"
    chart = item_map(known, NASTY, items)
    write_page(path, title="T", lead="L", sections=[Section("One", figures=[heat_map(rdm, "R", items), chart])])
    return path


TIP = "document.querySelectorAll('.tip')[{}].textContent"
PICTURES = "document.querySelectorAll('.tip img').length"


def cell(browser, row, column, n=4):
    """Return where a cell of the heat map is in the window."""
    place = "(() => { const box = document.querySelector('.heat image').getBoundingClientRect(); "
    x, y, side = browser.run(place + "return [box.left, box.top, box.width] })()")
    return x + (column + 0.5) * side / n, y + (row + 0.5) * side / n


def test_a_cell_tells_its_items_and_value_under_the_pointer(browser, chart_page):
    browser.open(chart_page)
    # those with a category come first: by its name, so NASTY's cat, then car
    browser.move_to(*cell(browser, 0, 1))
    assert browser.run(TIP.format(0)) == "cat – car: 2"
    assert browser.run(PICTURES) == 2
    browser.move_to(*cell(browser, 3, 0))
    assert browser.run(TIP.format(0)) == "ünï – cat: 3.142"
    browser.move_to(*cell(browser, 3, 2))
    assert browser.run(TIP.format(0)) == f"ünï – {NASTY}: not known"
    assert browser.run(PICTURES) == 0
    browser.move_to(*cell(browser, 1, 1))
    assert browser.run(TIP.format(0)) == "car"
    browser.move_to(2, 2)
    assert browser.run("document.querySelector('.tip').hidden")
    assert not browser.complaints


def test_a_cell_is_chosen_with_the_arrow_keys(browser, chart_page):
    browser.open(chart_page)
    for _ in range(3):
        browser.press("Tab")
    assert browser.run("document.activeElement.className") == "chart"
    assert browser.run(TIP.format(0)) == "cat – car: 2"
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowLeft"):
        browser.press(key)
    assert browser.run(TIP.format(0)) == "ünï – cat: 3.142"
    browser.press("Escape")
    assert browser.run("document.querySelector('.tip').hidden")


def test_items_of_a_map_are_stepped_through_from_left_to_right(browser, chart_page):
    browser.open(chart_page, dark=True)
    for _ in range(4):
        browser.press("Tab")
    told, places = [], []
    for _ in range(4):
        told.append(browser.run(TIP.format(1)))
        places.append(browser.run("document.querySelector('.on').getBoundingClientRect().left"))
        browser.press("ArrowRight")
    assert sorted(told) == sorted([f"cat\n{NASTY}", NASTY, "car\nthing", "ünï"])
    assert places == sorted(places)
    assert browser.run("document.querySelectorAll('.on').length") == 1
    assert not browser.complaints


@pytest.mark.parametrize("width", [390, 1280])
def test_tips_stay_within_the_page(browser, chart_page, width):
    browser.open(chart_page, width=width)
    for row in range(4):
        browser.move_to(*cell(browser, row, 3 - row))
        box = "document.querySelector('.tip').getBoundingClientRect()"
        left, right = browser.run(f"(() => {{ const box = {box}; return [box.left, box.right] }})()")
        assert 0 <= left < right <= width
    assert browser.run("document.documentElement.scrollWidth") <= width
    browser.pdf(chart_page.with_suffix(".pdf"))
    assert chart_page.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
