"""``alignkit design``: what the functions return, and one sentence for each wrong input."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from alignkit.data import StudyAssumptions, TripletDesign, answers_needed, design_triplets


@pytest.fixture
def photos(here):
    """A folder of two objects with four photos each."""
    for name in ("cat", "car"):
        (here / "photos" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (4, 4)).save(here / "photos" / name / f"{i}.png")
    return [f"{name}/{i}.png" for name in ("car", "cat") for i in range(4)]


def test_lists_of_a_folder(run, photos):
    words = ("photos", "--people", "4", "--answers", "20", "--groups", "folder", "--lists", "lists", "--out", "d.csv")
    code, out, err = run("design", "triplets", *words)
    assert code == 0, err
    expected = design_triplets(photos, n_people=4, n_answers=20, groups=[name[:3] for name in photos])
    assert out == f"{expected!r}\nsaved to d.csv\n4 lists saved to lists\n"
    table = pd.read_csv("d.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(table, expected.to_dataframe(), check_dtype=False)
    parts = pd.concat([pd.read_csv(path, keep_default_na=False) for path in sorted(Path("lists").iterdir())])
    assert parts.to_numpy().tolist() == table.to_numpy().tolist()


def test_lists_of_names_with_groups_from_a_table(run, here):
    names = [f"n{i}" for i in range(9)]
    (here / "names.txt").write_text("\n".join(names) + "\n")
    (here / "groups.csv").write_text("item,group\n" + "".join(f"n{i},{i % 3}\n" for i in range(9)))
    options = ("--people", 3, "--answers", 12, "--groups", "groups.csv", "--seed", 2, "--correlation", 0.8)
    code, _, err = run("design", "triplets", "names.txt", *options, "--out", "d.json")
    assert code == 0, err
    expected = design_triplets(
        names,
        n_people=3,
        n_answers=12,
        groups=[i % 3 for i in range(9)],
        assume=StudyAssumptions(correlation=0.8),
        rng=2,
    )
    assert repr(TripletDesign.load("d.json")) == repr(expected)


def test_how_many_answers(run):
    code, out, _ = run("design", "answers", "--half-width", "0.02", "--power", "0.9", "--individuality", "0.4")
    assert code == 0
    expected = answers_needed(half_width=0.02, individuality=0.4, assume=StudyAssumptions(power=0.9))
    assert out == f"{expected!r}\n"
    code, out, _ = run("design", "answers", "--difference", "0.02", "--out", "n.csv")
    assert len(Path("n.csv").read_text().splitlines()) == 3


def test_what_does_not_fit_is_said_in_a_sentence(fails, photos, here):
    budget = ("--people", 2, "--answers", 10)
    assert "does not exist" in fails("design", "triplets", "nowhere", *budget)
    assert "catch trials need --groups" in fails("design", "triplets", "photos", *budget, "--catch", 0.1)
    (here / "groups.csv").write_text("item,group\ncar/0.png,a\n")
    assert "has no group for 'car/1.png'" in fails("design", "triplets", "photos", *budget, "--groups", "groups.csv")
    assert "at least two subfolders" in fails("design", "triplets", "photos/cat", *budget, "--groups", "folder")
    assert "suffix of --out" in fails("design", "triplets", "photos", *budget, "--out", "d.txt")
    assert "no goal is given" in fails("design", "answers")
    assert "must not exceed accuracy" in fails("design", "answers", "--half-width", 0.02, "--person-sd", 0.6)
