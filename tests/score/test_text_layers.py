from __future__ import annotations

import dataclasses
import math

from alignkit.score import ScoreRow, ScoreTable


def curve(model="net", part="answers", values=(0.1, 0.5, 0.3), chosen=(0.0, 0.25, 0.75), **fields):
    points = [
        ScoreRow(
            model=model, role="layer", layer=f"b{k}", part=part, measure="accuracy", value=v, chosen=c, n=5, **fields
        )
        for k, (v, c) in enumerate(zip(values, chosen, strict=True))
    ]
    nested = ScoreRow(model=model, role="model", part=part, measure="accuracy, held-out items", value=0.29, n=4)
    return [nested, *points]


def lines(*rows):
    return ScoreTable("toy", tuple(rows), (), (), {}, {}).to_text().splitlines()


def test_a_line_per_layer_and_a_column_per_part():
    text = lines(
        *curve(ceiling_low=0.6), *curve(part="other part", values=(0.2, math.nan, 0.4), chosen=(1.0, 0.0, 0.0))
    )
    start = text.index("Layer curves of net")
    assert [line.split() for line in text[start + 1 : start + 8]] == [
        ["answers", "other", "part"],
        ["b0", "0.1000", "0.2000*"],
        ["b1", "0.5000", "-"],
        ["b2", "0.3000*", "0.4000"],
        ["noise", "ceiling", "0.6000", "-"],
        ["*", "chosen", "in", "75%", "100%"],
        ["score", "on", "held-out", "items", "0.2900", "0.2900"],
    ]
    # numbers stand below each other, with and without a star
    rows = text[start + 2 : start + 8]
    assert len({row.index(".") for row in rows[:4]}) == 1
    assert "The highest point of a curve is no score" in " ".join(" ".join(text).split())


def test_no_choice_has_no_star():
    text = lines(*curve(chosen=(math.nan,) * 3))
    assert not [line for line in text if "0000*" in line]
    assert next(line.split() for line in text if "chosen in" in line) == ["*", "chosen", "in", "-"]


def test_many_parts_and_long_names_fit_the_width():
    rows = [row for k in range(9) for row in curve(part=f"part {k} of a very long-named data set")]
    rows = [dataclasses.replace(row, layer=f"{row.layer} {'x' * 60}" if row.layer else "") for row in rows]
    for width in (80, 100, 160):
        text = ScoreTable("toy", tuple(rows), (), (), {}, {}).to_text(width).splitlines()
        start = text.index("Layer curves of net")
        assert max(map(len, text[start:])) <= width
        assert not [line for line in text if line != line.rstrip()]


def test_curves_are_not_among_the_models():
    text = lines(*curve())
    before = text[: text.index("Layer curves of net")]
    assert [line.split()[0] for line in before if line.startswith("  ") and "0." in line] == ["net"]


def test_without_curves_there_is_no_word_of_them(table):
    assert "ayer" not in table.to_text()
