from __future__ import annotations

import csv
import dataclasses
import shutil
from pathlib import Path

import pytest

from alignkit.data import Things


def cells(path: Path, sep: str) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=sep))


@pytest.mark.parametrize(
    ("name", "file", "sep", "column", "out_of_order"),
    [("animacy", "animacy.csv", ",", "lives_mean", 8), ("size", "size_fixed.csv", ";", "meanSize", 31)],
)
def test_ratings_are_joined_by_id(
    things: Things, name: str, file: str, sep: str, column: str, out_of_order: int
) -> None:
    rows = cells(things.folder / "ratings" / file, sep)
    ids = [row["uniqueID"].replace(" ", "_") for row in rows]
    assert sum(a != b for a, b in zip(ids, things.labels, strict=True)) == out_of_order
    table = things.ratings(name)
    assert tuple(table.index) == things.labels
    for row, label in zip(rows, ids, strict=True):
        assert table.loc[label, column] == float(row[column])


def test_ratings_make_sense(things: Things) -> None:
    size, animacy = things.ratings("size")["meanSize"], things.ratings("animacy")["lives_mean"]
    assert size["hot-air_balloon"] > size["hot_chocolate"]
    assert size["chicken2"] > size["pepper1"]  # the animal and the spice
    assert size["ice"] < size["aircraft_carrier"]
    assert animacy["mouse1"] > animacy["mouse2"]  # the animal and the device
    assert animacy["chicken2"] > animacy["chicken_wire"]


def test_rows_of_the_size_table_whose_keys_disagree(things: Things) -> None:
    table = things.ratings("size")
    doubtful = table.index[~table["keys_agree"]]
    assert len(doubtful) == 15
    assert {"baseball_bat", "basketball", "button1", "crystal2", "mold1", "tank1", "walker2"} <= set(doubtful)
    assert table.loc["tank1", "object"] == "tank (storage)"  # as published
    assert "armored military vehicle" in things.concepts.loc["tank1", "Definition (from WordNet, Google, or Wikipedia)"]


def test_categories_equal_the_totals_row(things: Things) -> None:
    rows = cells(things.folder / "ratings/Categories_final_20200131.tsv", "\t")
    totals = rows[-1]
    assert totals["Word"] == ""
    table = things.categories()
    assert table.shape == (1854, 53)
    assert tuple(table.index) == things.labels
    assert {name: int(totals[name]) for name in table.columns} == table.sum().to_dict()


def test_words_with_several_meanings(things: Things) -> None:
    table = things.categories()
    assert table.loc["bat1", "animal"] != table.loc["bat2", "animal"]
    definitions = things.concepts["Definition (from WordNet, Google, or Wikipedia)"]
    animal = "bat1" if table.loc["bat1", "animal"] else "bat2"
    assert "mouselike mammal" in definitions[animal]
    container = "tank1" if table.loc["tank1", "container"] else "tank2"
    assert "vessel for holding gases or liquids" in definitions[container]
    assert table.loc["mouse1", "animal"]
    assert table.loc["mouse2", "electronic device"]


def test_the_join_does_not_use_row_numbers(things: Things, tmp_path: Path) -> None:
    shutil.copytree(things.folder / "ratings", tmp_path / "things/ratings")
    for file, newline in (("animacy.csv", "\n"), ("Categories_final_20200131.tsv", "\r\n")):
        path = tmp_path / "things/ratings" / file
        head, *lines = path.read_bytes().decode().split(newline)
        lines = [line for line in lines if line]
        path.write_bytes(newline.join([head, *reversed(lines)]).encode())
    moved = dataclasses.replace(things, folder=tmp_path / "things")
    assert moved.ratings("animacy").equals(things.ratings("animacy"))
    assert moved.categories().equals(things.categories())


def test_a_table_of_other_concepts(things: Things, tmp_path: Path) -> None:
    shutil.copytree(things.folder / "ratings", tmp_path / "things/ratings")
    path = tmp_path / "things/ratings/animacy.csv"
    path.write_text(path.read_text().replace('"aardvark"', '"unicorn"'))
    moved = dataclasses.replace(things, folder=tmp_path / "things")
    with pytest.raises(ValueError, match=r"animacy\.csv does not list .*names unknown 'unicorn'"):
        moved.ratings("animacy")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="alignkit data fetch things"):
        moved.ratings("animacy")


def test_unknown_rating(things: Things) -> None:
    with pytest.raises(ValueError, match="name must be one of 'animacy', 'size'; got 'colour'"):
        things.ratings("colour")
