"""read_triplets: every convention must be named, and gives the same answers."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.data import read_triplets

# three answers; the odd one out is car, bus, cat
HEADED = "a,b,c,answer,who,seconds\ncat,dog,car,3,p1,0.5\nbus,cat,dog,1,p2,1.5\ncar,cat,bus,2,p1,2.5\n"
NAMES = ["bus", "car", "cat", "dog"]
ODD = ["car", "bus", "cat"]


def odd_names(triplets):
    return [triplets.labels[i] for i in triplets.items[:, 2]]


def test_names_with_a_position_column(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(HEADED)
    triplets = read_triplets(
        path,
        odd="position",
        labels=NAMES,
        items=("a", "b", "c"),
        position="answer",
        participant="who",
        response_time="seconds",
    )
    assert triplets.labels == tuple(NAMES)
    assert odd_names(triplets) == ODD
    assert triplets.participant.tolist() == ["p1", "p2", "p1"]
    assert triplets.response_time.tolist() == [0.5, 1.5, 2.5]
    assert [set(row) for row in triplets.to_dataframe().iloc[:, :2].to_numpy()] == [
        {"cat", "dog"},
        {"cat", "dog"},
        {"car", "bus"},
    ]


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("odd", ["first", "second", "third"])
@pytest.mark.parametrize("suffix", [".txt", ".csv", ".npy"])
def test_numbers_in_every_convention(tmp_path, base, odd, suffix):
    pair_then_odd = np.array([[2, 3, 1], [2, 3, 0], [1, 0, 2]])
    column = ["first", "second", "third"].index(odd)
    rows = np.insert(pair_then_odd[:, :2], column, pair_then_odd[:, 2], axis=1) + base
    path = tmp_path / f"answers{suffix}"
    if suffix == ".npy":
        np.save(path, rows)
    else:
        np.savetxt(path, rows, fmt="%d", delimiter="," if suffix == ".csv" else " ")
    triplets = read_triplets(path, odd=odd, base=base, labels=NAMES)
    assert odd_names(triplets) == ODD
    assert [set(row) for row in triplets.items[:, :2].tolist()] == [{2, 3}, {2, 3}, {0, 1}]


def test_numbers_with_a_fourth_column(tmp_path):
    path = tmp_path / "answers.txt"
    path.write_text("3 4 2 3\n1 3 4 1\n2 3 1 2\n")
    assert odd_names(read_triplets(path, odd="position", base=1, labels=NAMES)) == ODD


def test_numbers_under_a_header(tmp_path):
    path = tmp_path / "answers.tsv"
    path.write_text("x\ty\tz\n3\t4\t2\n")
    assert odd_names(read_triplets(path, odd="third", base=1, labels=NAMES, items=("x", "y", "z"))) == ["car"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"odd": "last", "base": 0}, "odd must be one of"),
        ({"odd": "third"}, "base must be named"),
        ({"odd": "third", "base": 2}, "base must be 0 or 1"),
        ({"odd": "position", "base": 0}, "must have 4 columns"),
        ({"odd": "third", "base": 0, "participant": "who"}, "name the items' columns"),
        ({"odd": "third", "base": 0, "labels": ["a", "b"]}, "check whether the file counts from 0 or 1"),
        ({"odd": "third", "base": 1}, "check whether the file counts from 0 or 1"),
    ],
)
def test_bad_options_are_named(tmp_path, options, sentence):
    path = tmp_path / "answers.txt"
    path.write_text("0 1 2\n2 1 0\n")
    with pytest.raises(ValueError, match=sentence):
        read_triplets(path, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"odd": "third", "items": ("a", "b", "x")}, "lacks the column"),
        ({"odd": "third", "items": ("a", "b")}, "three columns"),
        ({"odd": "position", "items": ("a", "b", "c")}, "go together"),
        ({"odd": "third", "items": ("a", "b", "c"), "labels": ["cat", "dog"]}, "does not name: 'car', 'bus'"),
        ({"odd": "third", "items": ("a", "b", "c"), "base": 0}, "must hold numbers"),
        ({"odd": "third", "items": ("a", "b", "c")}, "pass labels="),
    ],
)
def test_bad_tables_are_named(tmp_path, options, sentence):
    path = tmp_path / "answers.csv"
    path.write_text(HEADED)
    with pytest.raises(ValueError, match=sentence):
        read_triplets(path, **options)


def test_a_fraction_is_no_item(tmp_path):
    path = tmp_path / "answers.txt"
    path.write_text("0 1 2.5\n")
    with pytest.raises(TypeError, match="whole item numbers"):
        read_triplets(path, odd="third", base=0)


def test_an_empty_cell_is_named_by_its_row(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("a,b,c\ncat,dog,car\ncat,,car\n")
    with pytest.raises(ValueError, match="empty cell in row 2 below the header"):
        read_triplets(path, odd="third", items=("a", "b", "c"), labels=NAMES)


@pytest.mark.parametrize("row", ["cat,dog,car,", "cat,dog,car,3"])
def test_a_cell_too_many_moves_no_item(tmp_path, row):
    path = tmp_path / "answers.csv"
    path.write_text(f"a,b,c\n{row}\n{row}\n")
    with pytest.raises(ValueError, match=r"answers\.csv has rows with more cells than its header names"):
        read_triplets(path, odd="third", items=("a", "b", "c"), labels=NAMES)


@pytest.mark.parametrize("position", ["inf", "nan", "1e300", "2.5"])
def test_a_position_that_is_no_whole_number(tmp_path, position):
    path = tmp_path / "answers.csv"
    path.write_text(f"a,b,c,odd\n1,2,3,{position}\n")
    with pytest.raises(ValueError, match=r"answers\.csv must hold whole numbers; got"):
        read_triplets(path, odd="position", items=("a", "b", "c"), position="odd", base=1)
    np.save(tmp_path / "a.npy", np.array([[1, 2, 3, float(position)]]))
    with pytest.raises(ValueError, match=r"a\.npy must hold whole numbers; got"):
        read_triplets(tmp_path / "a.npy", odd="position", base=1)
