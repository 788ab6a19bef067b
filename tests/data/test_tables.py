from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.data._tables import number_table, text_lines, text_table


def test_number_table_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("1 2\n3 4\n")
    table = number_table(tmp_path / "t.txt", (2, 2), np.int64)
    np.testing.assert_array_equal(table, [[1, 2], [3, 4]])
    assert not table.flags.writeable


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1 2\n3\n", "not a table of numbers"),
        (b"1 2\n3 x\n", "not a table of numbers"),
        (b"\x80\x04\x95pickled", "not a table of numbers"),
        (b"1 2\n", "1 rows and 2 columns, 2 and 2 are expected; it is truncated"),
        (b"\n\n", "0 rows"),
        (b"", "is empty"),
    ],
)
def test_damaged_numbers(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        number_table(tmp_path / "t.txt", (2, 2))


def test_text_table_names_missing_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"lacks the column\(s\) 'c'; it has 'a', 'b'"):
        text_table(tmp_path / "t.csv", sep=",", columns=("a", "c"))


def test_columns_of_one_name_are_not_told_apart(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(ValueError, match=r"t\.csv has more than one column 'a'"):
        text_table(tmp_path / "t.csv", sep=",", columns=("a",))
    assert text_table(tmp_path / "t.csv", sep=",", columns=("b",))["b"].tolist() == [2]


@pytest.mark.parametrize("content", [b'a,b\n"1,2\n', b"a,b\n1,2\n1,2,3,4\n", b"\xff\xfe\x00a,b\n"])
def test_damaged_tables(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match="is not a readable table"):
        text_table(tmp_path / "t.csv", sep=",", columns=("a",))


@pytest.mark.parametrize("rows", ["1,2,\n3,4,\n", "1,2,9\n3,4,9\n", "1,2,9\n3,4\n"])
def test_rows_longer_than_the_header_shift_nothing(tmp_path: Path, rows: str) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + rows)
    with pytest.raises(ValueError, match=r"t\.csv has rows with more cells than its header names"):
        text_table(tmp_path / "t.csv", sep=",", columns=("a", "b"), as_text=True)


@pytest.mark.parametrize("end", ["3", "3\n", '3,4,"x"\n\n', '3,"4,5"\n'])
def test_a_table_that_breaks_off(tmp_path: Path, end: str) -> None:
    (tmp_path / "t.csv").write_text('a,b,c\n1,2,"0\n0"\n' + end)
    if end.startswith("3,4"):
        assert len(text_table(tmp_path / "t.csv", sep=",", columns=("a",))) == 2
        return
    with pytest.raises(ValueError, match=r"t\.csv breaks off: its last row has [12] cells where its header has 3"):
        text_table(tmp_path / "t.csv", sep=",", columns=("a",))


def test_a_last_cell_of_several_lines_is_whole(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b,c\n1,2,"0\n0"\n')
    assert text_table(tmp_path / "t.csv", sep=",", columns=("c",))["c"].tolist() == ["0\n0"]


def test_text_lines(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a\nb\n")
    assert text_lines(tmp_path / "t.txt", 2) == ("a", "b")
    with pytest.raises(ValueError, match="has 2 lines, 3 are expected"):
        text_lines(tmp_path / "t.txt", 3)
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is not a text file"):
        text_lines(tmp_path / "t.txt", 1)
