from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit.models import open_features


@pytest.fixture
def table(rng: np.random.Generator) -> pd.DataFrame:
    names = ["aardvark", "кот", "comma, quoted", "d"]
    return pd.DataFrame(rng.normal(size=(4, 3)), columns=["f0", "f1", "f2"], index=pd.Index(names, name="item"))


@pytest.mark.parametrize(("suffix", "sep"), [("csv", ","), ("csv", ";"), ("tsv", "\t"), ("txt", "\t")])
def test_a_header_and_a_column_of_names_wherever_it_stands(
    tmp_path: Path, table: pd.DataFrame, suffix: str, sep: str
) -> None:
    path = tmp_path / f"feats.{suffix}"
    table.to_csv(path, sep=sep)
    moved = table.reset_index()[["f0", "item", "f1", "f2"]]
    for frame, index in ((table, True), (moved, False), (table.reset_index(), True)):
        frame.to_csv(path, sep=sep, index=index, encoding="utf-8-sig")
        feats = open_features(path)
        assert feats.labels == tuple(table.index)
        np.testing.assert_array_equal(feats.array(), table.to_numpy())


def test_what_pandas_writes_without_names(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "feats.csv"
    bare = pd.DataFrame(table.to_numpy())
    bare.to_csv(path)  # ",0,1,2", and an index that counts the rows
    assert open_features(path).labels is None
    np.testing.assert_array_equal(open_features(path).array(), table.to_numpy())
    bare.set_axis([17, 4, 9, 2], axis=0).to_csv(path)  # an index that says more
    assert open_features(path).labels == ("17", "4", "9", "2")
    bare.set_axis(list(table.index), axis=0).to_csv(path)
    assert open_features(path).labels == tuple(table.index)
    bare.set_axis(pd.Index([7, 5, 6, 8], name="uniqueID"), axis=0).to_csv(path)
    assert open_features(path).labels == ("7", "5", "6", "8")
    np.testing.assert_array_equal(open_features(path).array(), table.to_numpy())
    table.to_csv(path, index=False)
    assert (open_features(path).labels, open_features(path).array().shape) == (None, (4, 3))


def test_names_without_a_header(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "feats.csv"
    table.to_csv(path, header=False)
    feats = open_features(path)
    assert feats.labels == tuple(table.index)
    np.testing.assert_array_equal(feats.array(), table.to_numpy())


def test_the_numbers_alone(tmp_path: Path) -> None:
    path = tmp_path / "feats.txt"
    np.savetxt(path, np.eye(3))  # blanks between, as thingsvision writes
    np.testing.assert_array_equal(open_features(path).array(), np.eye(3))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name,word,f\na,x,1\nb,y,2\n", r"has 2 columns that hold no numbers \('name', 'word'\); keep the one"),
        ("name,f\na,1\nb\n", "row 2 has 1 cells where the first has 2; repair the table"),
        ("name,f,g\na,1,2\nb,,3\n", r"'' in row 2, column 2 is no number; fill the cell"),
        ("name,f,g\na,1,2\nb,3,x\n", r"'x' in row 2, column 3 is no number"),
        ("name,f\n", "holds a header and no rows"),
        ("name\na\nb\n", "must hold a table of numbers only|no column of numbers"),
        ("name,other\na,b\n", "has 2 columns that hold no numbers"),
        ("name,f\na,1\na,2\n", "labels must be unique; repeated: 'a'"),
        ('name,f\n"a,1\n', "is not a readable UTF-8 table"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"bad\.csv.*({sentence})"):
        open_features(path)


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"name,f\n\xff\xfe,1\n" * 3)
    with pytest.raises(ValueError, match=r"bad\.csv is not a readable UTF-8 table"):
        open_features(path)
