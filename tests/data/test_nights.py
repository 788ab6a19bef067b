from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.data import load_nights

HEADER = "id,left_vote,right_vote,votes,ref_path,left_path,right_path,split,is_imagenet,prompt"
ROWS = [
    "0,1,0,7,ref/000/000.png,distort/000/000_0.png,distort/000/000_1.png,train,TRUE,An image of a cat",
    "1,0,1,3,ref/000/001.png,distort/000/001_1.png,distort/000/001_0.png,train,FALSE,An image of a dog",
    '2,0,1,6,ref/000/002.png,distort/000/002_0.png,distort/000/002_1.png,test,True,"An image of a cup, red"',
    "4,1,0,11,ref/000/004.png,distort/000/004_1.png,distort/000/004_0.png,test,false,An image of a car",
    "5,0.5,0.5,8,ref/000/005.png,distort/000/005_0.png,distort/000/005_1.png,val,FALSE,An image of a bus",
    "6,0.25,0.75,8,ref/000/006.png,distort/000/006_0.png,distort/000/006_1.png,val,FALSE,An image of a bed",
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "data.csv", ROWS)


def write(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_winners_votes_and_ties(table: Path) -> None:
    trials = load_nights(table)
    np.testing.assert_array_equal(trials.votes, [[7, 0], [0, 3], [0, 6], [11, 0], [4, 4], [2, 6]])
    np.testing.assert_array_equal(trials.choice, [0, 1, 1, 0, -1, 1])
    np.testing.assert_array_equal(trials.tied, [False, False, False, False, True, False])


def test_paths_are_taken_as_they_stand(table: Path) -> None:
    trials = load_nights(table)
    assert trials.labels is not None
    assert [trials.labels[i] for i in trials.items[1]] == [
        "ref/000/001.png",
        "distort/000/001_1.png",
        "distort/000/001_0.png",
    ]


def test_min_votes(table: Path) -> None:
    assert load_nights(table, min_votes=6).votes.sum(axis=1).tolist() == [7, 6, 11, 8, 8]
    assert len(load_nights(table, min_votes=7)) == 4


@pytest.mark.parametrize(
    ("split", "votes"),
    [("train", [7, 3]), ("val", [8, 8]), ("test", [6, 11]), ("test_imagenet", [6]), ("test_no_imagenet", [11])],
)
def test_splits(table: Path, split: str, votes: list[int]) -> None:
    trials = load_nights(table, split=split)  # type: ignore[arg-type]
    assert trials.votes.sum(axis=1).tolist() == votes
    assert len(trials.labels or ()) == 3 * len(votes)


def test_columns_are_found_by_name(table: Path, tmp_path: Path) -> None:
    names = HEADER.split(",")
    order = [6, 3, 9, 1, 8, 0, 5, 4, 2, 7]
    rows = [",".join(row.replace(', red"', '"').split(",")[i] for i in order) for row in ROWS]
    moved = write(tmp_path / "moved.csv", rows, ",".join(names[i] for i in order))
    np.testing.assert_array_equal(load_nights(moved).votes, load_nights(table).votes)
    assert load_nights(moved).items.shape == (6, 3)


def test_images_shared_between_rows_have_one_number(tmp_path: Path) -> None:
    rows = ["0,1,0,2,r.png,a.png,b.png,train,TRUE,x", "1,0,1,2,r.png,b.png,c.png,train,TRUE,x"]
    trials = load_nights(write(tmp_path / "d.csv", rows))
    np.testing.assert_array_equal(trials.items, [[0, 1, 2], [0, 2, 3]])


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", [], "id,left_vote,votes,ref_path,left_path")
    with pytest.raises(ValueError, match=r"lacks the column\(s\) 'right_vote', 'right_path'; it has 'id'"):
        load_nights(path)
    path = write(tmp_path / "d.csv", [], "left_vote,right_vote,votes,ref_path,left_path,right_path")
    with pytest.raises(ValueError, match=r"lacks the column\(s\) 'split', 'is_imagenet'"):
        load_nights(path, split="test_imagenet")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,1,0,7,r,a,b,train,maybe,x", "is_imagenet must be TRUE or FALSE; got 'maybe'"),
        ("0,1,0,seven,r,a,b,test,TRUE,x", "line 2: votes must be a number; got 'seven'"),
        ("0,1,0,6.5,r,a,b,test,TRUE,x", "votes must be a whole number"),
        ("0,0,0,7,r,a,b,test,TRUE,x", "name no choice"),
        ("0,-1,2,7,r,a,b,test,TRUE,x", "name no choice"),
        ("0,0.5,0.5,7,r,a,b,test,TRUE,x", "are not whole people"),
        ("0,1,0,7,r,a", "line 2: 'right_path', 'split', 'is_imagenet' is empty; the file may be truncated"),
        ("0,1,0,7,r,r,b,test,TRUE,x", "shows the same item twice"),
    ],
)
def test_damaged_rows(tmp_path: Path, row: str, message: str) -> None:
    path = write(tmp_path / "d.csv", [row.replace(",train,", ",test,")])
    with pytest.raises(ValueError, match=message):
        load_nights(path, split="test_imagenet")


def test_bad_options_and_files(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="split must be one of 'train'"):
        load_nights(table, split="dev")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="min_votes must be a whole number"):
        load_nights(table, min_votes=5.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no rows in the split 'val' with at least 9 votes"):
        load_nights(table, split="val", min_votes=9)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_nights(tmp_path / "none.csv")
    with pytest.raises(IsADirectoryError, match="is a directory"):
        load_nights(tmp_path)
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ValueError, match="is empty"):
        load_nights(tmp_path / "empty.csv")
    (tmp_path / "binary.csv").write_bytes(b"\x80\x04\x95" * 30)
    with pytest.raises(ValueError, match="not a readable csv file"):
        load_nights(tmp_path / "binary.csv")
    cut = write(tmp_path / "cut.csv", [ROWS[0], ROWS[2][:-4]])
    cut.write_text(cut.read_text().rstrip("\n"))
    with pytest.raises(ValueError, match="not a readable csv file"):
        load_nights(cut)


def test_real_nights(shared_data) -> None:
    path = shared_data("nights", "data.csv")
    assert len(load_nights(path)) == 20_019
    assert len(load_nights(path, min_votes=6)) == 17_444
