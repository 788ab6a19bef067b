from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignkit.data import Things, ThingsMatch, match_things, things_label

KNOWN = ["aardvark", "abacus", "camera_lens", "camera1", "hot-air_balloon"]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("abacus", "abacus"),
        ("abacus.jpg", "abacus"),
        ("aardvark_01b.jpg", "aardvark"),
        ("aardvark_02s.png", "aardvark"),
        ("images/aardvark/whatever.jpg", "aardvark"),
        ("camera1/camera1_01b.jpg", "camera1"),
        ("hot-air_balloon_13n", "hot-air_balloon"),
        ("C:\\images\\abacus\\x.jpg", "abacus"),
    ],
)
def test_things_label(label: str, expected: str) -> None:
    assert things_label(label, KNOWN) == expected


@pytest.mark.parametrize("label", ["camera", "camera_01b.jpg", "aardvarks", "01b.jpg"])
def test_no_guessing(label: str) -> None:
    with pytest.raises(ValueError, match="names no THINGS concept"):
        things_label(label, KNOWN)


def test_closest_names_are_given() -> None:
    with pytest.raises(ValueError, match="the closest are 'abacus'"):
        things_label("abakus.jpg", KNOWN)


def test_average_per_concept() -> None:
    match = match_things(["x.jpg", "abacus_01b.jpg", "aardvark_01b.jpg", "abacus_02s.jpg"], KNOWN)
    assert match.matched == ("aardvark", "abacus")
    assert match.unmatched == ("x.jpg",)
    np.testing.assert_array_equal(match.average([[9, 9], [1, 2], [5, 6], [3, 4]]), [[5, 6], [2, 3]])
    with pytest.raises(ValueError, match=r"one row per label given to match_things \(4\); got 3 rows"):
        match.average(np.zeros((3, 2)))


def write(path: Path, rows: list[list[object]], header: str = "things_row,uniqueID,relation,file") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_one_picture_may_show_several_concepts(tmp_path: Path) -> None:
    manifest = write(
        tmp_path / "m.csv",
        [[0, "aardvark", "exact", "p.jpg"], [1, "abacus", "hyponym", "p.jpg"], [3, "camera1", "hyponym", "q.jpg"]],
    )
    match = match_things(["dir/p.jpg", "q", "abacus_01b.jpg"], KNOWN, manifest=manifest)
    rows = list(zip(match.rows.tolist(), match.concepts, match.how, strict=True))
    assert rows == [
        (0, "aardvark", "manifest"),
        (0, "abacus", "manifest"),
        (2, "abacus", "stimulus"),
        (1, "camera1", "manifest"),
    ]
    np.testing.assert_array_equal(match.average([[1.0], [2.0], [3.0]]), [[1.0], [2.0], [2.0]])
    exact = match_things(["dir/p.jpg", "q", "abacus_01b.jpg"], KNOWN, manifest=manifest, relation="exact")
    assert exact.concepts == ("aardvark", "abacus")
    assert exact.unmatched == ("q",)


def test_manifest_that_contradicts_the_concepts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gives row 1 to 'aardvark', which is not that row"):
        match_things(["p.jpg"], KNOWN, manifest=write(tmp_path / "m.csv", [[1, "aardvark", "exact", "p.jpg"]]))
    with pytest.raises(ValueError, match="uniqueIDs that are not in THINGS: 'unicorn'"):
        match_things(["p.jpg"], KNOWN, manifest=write(tmp_path / "m.csv", [[0, "unicorn", "exact", "p.jpg"]]))
    with pytest.raises(ValueError, match=r"lacks the column\(s\) 'file'"):
        match_things(["p.jpg"], KNOWN, manifest=write(tmp_path / "m.csv", [], "uniqueID,name"))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        match_things(["p.jpg"], KNOWN, manifest=tmp_path / "none.csv")


def test_nothing_matches_and_bad_options() -> None:
    with pytest.raises(ValueError, match=r"none of the 2 labels \('x', 'y'\) names a THINGS concept"):
        match_things(["x", "y"], KNOWN)
    with pytest.raises(ValueError, match="relation must be one of"):
        match_things(["x"], KNOWN, relation="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be unique; repeated: 'abacus'"):
        match_things(["abacus", "abacus"], KNOWN)


def test_result_round_trip(tmp_path: Path) -> None:
    match = match_things(["abacus", "x"], KNOWN)
    match.save(tmp_path / "match.json")
    loaded = ThingsMatch.load(tmp_path / "match.json")
    assert loaded.to_dataframe().equals(match.to_dataframe())
    assert "1 inputs matched none" in loaded.methods_text()


def test_the_photos(things: Things, shared_data: Callable[..., Path]) -> None:
    shared_data("things", "photos_manifest.csv")
    with open(things.folder / "photos_manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    files = sorted({row["file"] for row in rows})
    match = match_things(files, things)
    assert (len(files), len(match.rows), len(match.matched), match.unmatched) == (1301, 1435, 511, ())
    pairs = {(files[row], concept) for row, concept in zip(match.rows, match.concepts, strict=True)}
    assert pairs == {(row["file"], row["uniqueID"]) for row in rows}
    exact = match_things(files, things, relation="exact")
    assert (len(exact.rows), len(exact.matched)) == (1094, 375)
    # 3,020 human answers lie within the photographed concepts
    shown = np.isin(things.labels, match.matched)
    assert shown[things.test10.items].all(axis=1).sum() == 3020


def test_the_stimuli_names(things: Things, shared_data: Callable[..., Path]) -> None:
    names = shared_data("things", "splits", "things1854_image_names.csv").read_text().split()[1:]
    match = match_things(names, things)
    assert match.matched == things.labels
    assert [names[row].rsplit("_", 1)[0] for row in match.rows] == list(things.labels)
    assert set(match.how) == {"stimulus"}
