"""Tables of 2AFC trials: columns by name, splits, votes, and what is wrong with a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignkit.data import read_two_afc

_TABLE = (
    "right,left,reference,right_votes,left_votes,split\n"
    "c.png,b.png,a.png,3,1,train\n"
    "b.png,a.png,c.png,0,2,val\n"
    "a.png,c.png,b.png,5,5,train\n"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "trials.csv"
    path.write_text(_TABLE)
    return path


def test_columns_are_found_by_name_and_rows_keep_their_order(table: Path) -> None:
    trials = read_two_afc(table)

    assert trials.labels == ("a.png", "b.png", "c.png")
    assert trials.items.tolist() == [[0, 1, 2], [2, 0, 1], [1, 2, 0]]
    assert trials.votes.tolist() == [[1, 3], [2, 0], [5, 5]]
    assert trials.choice.tolist() == [1, 0, -1]


def test_a_split_and_least_votes_leave_rows_out(table: Path) -> None:
    assert len(read_two_afc(table, split="train")) == 2
    assert read_two_afc(table, split="train", min_votes=5).votes.tolist() == [[5, 5]]
    assert read_two_afc(table, split="val").labels == ("c.png", "a.png", "b.png")


def test_tabs_are_told_by_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "trials.tsv"
    path.write_text(_TABLE.replace(",", "\t"))

    assert len(read_two_afc(path)) == 3


def test_a_row_without_votes_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    path.write_text("reference,left,right,left_votes,right_votes\na,b,c,0,0\na,c,b,1,0\n")

    assert read_two_afc(path).votes.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("5,5,train", "5,-5,train", "row 3: left_votes must be a number of people; got '-5'"),
        ("0,2,val", "x,2,val", "row 2: right_votes must be a number of people; got 'x'"),
        ("c.png,b.png,a.png", "c.png,,a.png", "row 1: reference, left and right must name images"),
        ("c.png,b.png,a.png", "c.png,c.png,a.png", "shows the same item twice"),
        ("right_votes", "votes_right", r"lacks the column\(s\) 'right_votes'"),
    ],
)
def test_damaged_tables_are_refused_by_row(table: Path, old: str, new: str, said: str) -> None:
    table.write_text(_TABLE.replace(old, new, 1))

    with pytest.raises(ValueError, match=said):
        read_two_afc(table)


def test_a_split_that_is_not_there_is_refused_with_those_that_are(table: Path) -> None:
    with pytest.raises(ValueError, match=r"no rows of the split 'test' \(it has 'train', 'val'\)"):
        read_two_afc(table, split="test")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        read_two_afc(tmp_path / "nothing.csv")
