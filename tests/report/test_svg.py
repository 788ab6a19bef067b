from __future__ import annotations

from xml.etree import ElementTree

import pytest

from alignkit.report._svg import drawing, element, fit, label, marked, number

NASTY = ["</svg><script>alert(1)</script>", "\"'><b onclick='x'>", "a & b", "\x00\x1b tab\t", "\ud800", "猫 ünï"]


@pytest.mark.parametrize("text", NASTY)
def test_whatever_is_written_is_one_drawing_of_our_elements(text):
    svg = drawing(100, 50, label(1, 2, text), element("rect", {"x": 1.0, "class": text, **marked(text, [text])}))
    root = ElementTree.fromstring(svg)
    assert [one.tag for one in root.iter()] == ["svg", "text", "rect"]
    shown = "".join(" " if ord(mark) < 32 or 0xD800 <= ord(mark) < 0xE000 else mark for mark in text)
    assert root[0].text == shown
    assert root[1].get("data-tip") == shown


def test_numbers_have_no_more_digits_than_are_seen():
    assert element("rect", {"x": 1.23456, "y": 2.0, "stroke_width": 1, "fill": None}) == (
        '<rect x="1.23" y="2" stroke-width="1"></rect>'
    )
    assert [number(value) for value in (0.123456, 1234.5, float("nan"), float("inf"))] == ["0.1235", "1234", "-", "-"]


def test_long_text_is_cut():
    assert fit("abc", 100) == "abc"
    assert fit("a" * 100, 70) == "a" * 6 + "…"
    assert len(fit("i" * 100, 70)) > len(fit("M" * 100, 70)) > 1
    assert fit("", 10) == ""
