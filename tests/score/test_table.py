from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest

from alignkit.score import Difference, ScoreRow, ScoreTable
from alignkit.score._table import rank_rows

EMPTY = ScoreTable("toy", (), (), ("nothing was scored",), {}, {})


def row(model, value, measure="x", *, role="model", part="p", **fields):
    return ScoreRow(model=model, role=role, part=part, measure=measure, value=value, **fields)


def same(a, b):
    """Whether two tables are equal where NaN equals NaN."""
    return a.to_dict() == b.to_dict() and type(a.rows) is type(b.rows)


# --- files


def test_json_brings_everything_back(table, tmp_path):
    assert any(math.isnan(row.people_low) for row in table.rows)
    table.save(tmp_path / "t.json")
    content = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["kind"] == "ScoreTable"
    nulls = [own["people_low"] for own in content["rows"]].count(None)
    assert nulls == sum(math.isnan(row.people_low) for row in table.rows) > 0
    back = ScoreTable.load(tmp_path / "t.json")
    assert same(back, table)
    assert all(isinstance(own, ScoreRow) for own in back.rows)
    assert all(isinstance(own, Difference) for own in back.differences)
    for one, other in zip(back.rows, table.rows, strict=True):
        for field in dataclasses.fields(ScoreRow):
            a, b = getattr(one, field.name), getattr(other, field.name)
            assert type(a) is type(b)
            assert a == b or (math.isnan(a) and math.isnan(b))
    assert back.to_text() == table.to_text()


def test_saving_twice_gives_the_same_bytes(table, tmp_path):
    table.save(tmp_path / "a.json")
    ScoreTable.load(tmp_path / "a.json").save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_csv_has_one_line_per_row_and_every_column(table, tmp_path):
    table.save(tmp_path / "t.csv")
    back = pd.read_csv(tmp_path / "t.csv", keep_default_na=True)
    assert list(back) == [field.name for field in dataclasses.fields(ScoreRow)]
    assert len(back) == len(table.rows)
    np.testing.assert_allclose(back["value"], [row.value for row in table.rows], rtol=1e-15)
    np.testing.assert_array_equal(back["low"].isna(), [math.isnan(row.low) for row in table.rows])
    assert (tmp_path / "t.csv").read_text().count("nan") == 0


def test_a_table_without_lines_has_columns_all_the_same(tmp_path):
    EMPTY.save(tmp_path / "t.csv")
    assert list(pd.read_csv(tmp_path / "t.csv")) == [field.name for field in dataclasses.fields(ScoreRow)]
    EMPTY.save(tmp_path / "t.json")
    assert same(ScoreTable.load(tmp_path / "t.json"), EMPTY)
    assert EMPTY.differences_to_dataframe().columns.tolist() == [field.name for field in dataclasses.fields(Difference)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"kind": "TripletAccuracy"}', "does not hold a ScoreTable"),
        ("[1, 2]", "does not hold a ScoreTable"),
        ('{"kind": "ScoreTable", "dataset": "toy"}', "does not hold a ScoreTable of this version"),
        (
            '{"kind": "ScoreTable", "dataset": "toy", "rows": [{"name": 1}]}',
            "does not hold a ScoreTable of this version",
        ),
        ('{"kind": "Score', "is not valid JSON"),
        ("", "is empty"),
    ],
)
def test_other_files_are_refused(tmp_path, text, sentence):
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence) as caught:
        ScoreTable.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_suffixes_are_refused(table, tmp_path):
    with pytest.raises(ValueError, match=r"saved as \.json or \.csv"):
        table.save(tmp_path / "t.xlsx")
    assert not list(tmp_path.iterdir())


# --- look-ups


def test_a_prefix_is_enough_where_it_fits_one_line(table):
    full = table.value("good", "answers", "odd-one-out accuracy")
    assert table.value("go", "ans", "odd") is full
    assert full.model == "good"


def test_a_full_name_goes_before_a_prefix_and_a_model_before_a_baseline():
    rows = (
        row("clip + glocal", 0.9),
        row("clip", 0.8),
        row("clip", 0.7, role="baseline"),
        row("clip", 0.1, part="part two"),
        row("clip", 0.2, "x times two"),
    )
    table = ScoreTable("toy", rows, (), (), {}, {})
    assert table.value("clip", "p", "x").value == 0.8
    assert table.value("clip", "part", "x").value == 0.1
    assert table.value("clip +", "p", "x").value == 0.9


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (("nobody", "answers", "odd"), r"^0 lines match model 'nobody', .* There are: 'good, repeats"),
        (("good", "", "odd"), r"^2 lines match .* These do: 'good, repeats, .*', 'good, answers"),
        (("", "answers", "odd"), "2 lines match"),
    ],
)
def test_none_or_several_lines_are_refused_with_their_names(table, asked, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        table.value(*asked)
    assert len(str(caught.value)) < 500


# --- order


def test_models_come_first_the_best_on_top_and_nan_at_the_end():
    rows = [
        row("base", 0.9, role="baseline"),
        row("none", math.nan),
        row("low", 0.1),
        row("high", 0.8),
        row("ceiling", math.nan, role="baseline"),
    ]
    assert [own.model for own in rank_rows(rows)] == ["high", "low", "none", "base", "ceiling"]
    worse = [dataclasses.replace(own, higher_is_better=False) for own in rows]
    assert [own.model for own in rank_rows(worse)] == ["low", "high", "none", "base", "ceiling"]


def test_parts_and_measures_keep_the_order_in_which_a_model_has_them():
    few, all_of_them = ["accuracy", "T fitted", "entropy"], ["accuracy", "T = 1", "KL", "T fitted", "ECE", "entropy"]
    rows = [row("cosine", 0.0, measure, part=part) for part in "qp" for measure in few]
    rows += [row("dot", 0.0, measure, role="baseline", part=part) for part in "qp" for measure in all_of_them]
    ranked = rank_rows(rows)
    assert list(dict.fromkeys(own.part for own in ranked)) == ["q", "p"]
    for part in "qp":
        assert list(dict.fromkeys(own.measure for own in ranked if own.part == part)) == all_of_them


# --- words


def test_methods_text_says_what_was_done(table):
    text = table.methods_text()
    for word in (
        "the simulated lab",
        "cosine similarity",
        "correlation dissimilarity",
        "spearman",
        "2,000 bootstrap resamples at 95%",
        "40 times",
        "seed 0",
        "leave-one-out (low), plug-in (high)",
        "others' mean (low)",
    ):
        assert word in text, word
    assert "2AFC" not in text
    assert "  " not in text
    assert text.endswith(".")


def test_methods_text_of_an_empty_table_is_no_crash():
    assert EMPTY.methods_text() == "Models were scored on toy with alignkit."


def test_methods_text_names_only_what_was_measured():
    settings = {"kernel": "dot", "ties": "wrong", "metric": "cosine", "method": "pearson", "min_votes": 3}
    settings |= {"n_bootstrap": 10, "confidence": 0.975, "n_shuffles": 2, "seed": 1}
    text = ScoreTable(
        "m", (row("a", 0.5, "2AFC accuracy (majority of the votes)"),), (), (), settings, {}
    ).methods_text()
    assert "higher dot similarity to the reference" in text
    assert "fewer than 3" in text
    assert "97.5%" in text
    assert "RDM" not in text
    assert "odd one out" not in text


def test_dataframes(table):
    frame = table.to_dataframe()
    assert len(frame) == len(table.rows)
    own = frame[(frame.model == "good") & (frame.part == "answers") & frame.primary]
    assert own.value.item() == table.value("good", "answers", "odd-one-out").value
    differences = table.differences_to_dataframe()
    assert differences.better.tolist() == [d.better for d in table.differences]


def test_repr_is_the_text(table):
    assert repr(table) == table.to_text()
