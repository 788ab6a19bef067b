from __future__ import annotations

import dataclasses
import math

import pytest

from alignkit.score import Difference, ScoreRow, ScoreTable
from alignkit.score._text import shorten

LONG = "a-very-long-name-of-a-folder-of-features-from-2026 [visual.trunk.blocks.10.norm1] + glocal"


def test_the_whole_table_of_the_lab(table):
    text = table.to_text()
    good = table.value("good", "answers", "odd-one-out")
    line = next(line for line in text.splitlines() if line.startswith("  good") and f"{good.value:.4f}" in line)
    assert f"[{good.low:.4f}, {good.high:.4f}]" in line
    assert f"{good.percent_of_ceiling:.1f}" in line
    assert f"over people [{good.people_low:.4f}, {good.people_high:.4f}]" in line
    for word in ("(chance)", "(shuffled items)", "(true latents)", "noise ceiling", "% of ceiling", "Note: Objects"):
        assert word in text
    d = table.differences[0]
    assert f"    good - bad: {d.difference:+.4f} [{d.low:+.4f}, {d.high:+.4f}] over triplets" in text
    assert "* softmax temperature fitted on other triplets" in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_lines_stay_short_whatever_the_names(table, width):
    rows = [dataclasses.replace(row, model=f"{row.model} {LONG}") for row in table.rows]
    differences = [dataclasses.replace(d, better=f"{d.better} {LONG}", other=LONG) for d in table.differences]
    odd = [
        dataclasses.replace(d, part="images", measure="cross-entropy with people's label distribution (nats)")
        for d in differences
    ]
    notes = (*table.notes, f"{LONG}, {LONG}: 12 inputs stand for 12 items.")
    named = dataclasses.replace(table, rows=tuple(rows), differences=(*differences, *odd), notes=notes)
    assert max(map(len, named.to_text(width).splitlines())) <= max(width, 130)


def test_side_by_side_measures_are_in_columns_of_their_own_model():
    def row(model, measure, value, role="model", **fields):
        return ScoreRow(model=model, role=role, part="p", measure=measure, value=value, n=1, n_items=1, **fields)

    rows = (
        row("a", "one", 0.1),
        row("same", "one", 0.2),
        row("same", "one", 0.3, "baseline"),
        row("same", "two", 0.4, "baseline", ceiling_low=0.9),
    )
    lines = ScoreTable("toy", rows, (), (), {}, {}).to_text().splitlines()[3:]
    assert [line.split() for line in lines] == [
        ["one", "two"],
        ["a", "0.1000"],
        ["same", "0.2000"],
        ["(same)", "0.3000", "0.4000"],
        ["noise", "ceiling", "0.9000"],
    ]
    assert lines[1].index("0.1000") == lines[3].index("0.3000")


@pytest.mark.parametrize(("higher", "word"), [(True, "noise ceiling"), (False, "noise floor")])
def test_a_floor_is_not_called_a_ceiling(higher, word):
    row = ScoreRow(model="a", role="model", part="p", measure="x", value=1.0, ceiling_low=0.5, higher_is_better=higher)
    assert word in ScoreTable("toy", (row,), (), (), {}, {}).to_text()


def test_undefined_numbers_are_dashes():
    row = ScoreRow(model="a", role="model", part="p", measure="x", value=math.nan, primary=True)
    d = Difference(
        better="b", other="a", part="p", measure="x", difference=math.nan, low=math.nan, high=math.nan, over="trials"
    )
    text = ScoreTable("toy", (row,), (d,), (), {}, {}).to_text()
    assert "nan" not in text
    assert "\n  a                                     -" in text
    assert "\n    b - a: -" in text


def test_a_table_without_lines_is_no_crash():
    text = ScoreTable("toy", (), (), ("nothing was scored",), {}, {}).to_text()
    assert text == "alignkit score: toy\n\nNote: nothing was scored"


def test_names_are_shortened_in_the_middle():
    assert shorten("short", 10) == "short"
    assert shorten("0123456789abc", 10) == "0123...abc"
    assert len(shorten(LONG, 30)) == 30
    assert shorten(f"{LONG} 1", 30) != shorten(f"{LONG} 2", 30)
