from __future__ import annotations

from pathlib import Path

import pytest

from alignkit.data import load_things
from alignkit.data._things48 import THINGS48
from alignkit.rsa import RDM, Triplets
from alignkit.train._things_items import (
    images_folder,
    of_the_48,
    recognise_things,
    repeated_answers,
    restrict_answers,
    select48,
    things_at_hand,
)


def test_the_48_are_found_by_id_and_by_the_names_of_images():
    assert of_the_48(["beaver", "beaver_01b.jpg", "somebody"]) == ("beaver", "beaver_01b.jpg")
    assert of_the_48(["somebody"]) == ()


def test_items_are_of_things_where_most_are(shared_data):
    root = shared_data("things").parent
    labels = load_things(root).labels
    things, always, notes = recognise_things(labels[:200], root)
    assert things is not None
    assert set(always) == set(labels[:200]) & set(THINGS48)
    assert notes == ()
    things, always, notes = recognise_things([f"{name}_01b.jpg" for name in labels[:200]], root)
    assert things is not None
    assert len(always) == len(set(labels[:200]) & set(THINGS48))
    assert "under names of images" in notes[0]
    assert recognise_things(["table", "x", "y", "z"], root) == (None, (), ())


def test_the_48_count_by_name_where_things_is_not_at_hand(tmp_path):
    assert things_at_hand(tmp_path) is None
    things, always, notes = recognise_things(["table", "x", "y", "z"], tmp_path)
    assert (things, always) == (None, ("table",))
    assert "not at hand; items named as its 48 fully sampled objects ('table')" in notes[0]
    assert recognise_things(["x", "y"], tmp_path) == (None, (), ())


def test_few_of_the_48_are_no_rdm():
    labels = [f"i{k}" for k in range(12)]
    rdm = RDM([1.0] * 66, labels)
    assert select48(None, labels) is None
    assert select48(rdm, [*labels[:10], "x"]).labels == tuple(labels[:10])
    assert select48(rdm, labels[:9]) is None


def test_the_folder_of_images_is_the_one_given_or_that_of_things(tmp_path):
    assert images_folder(Path("mine"), tmp_path) == Path("mine")
    with pytest.raises(FileNotFoundError, match="images is not given"):
        images_folder(None, tmp_path)
    (tmp_path / "things" / "photos").mkdir(parents=True)
    assert images_folder(None, tmp_path) == tmp_path / "things" / "photos"


def test_answers_are_those_among_the_items():
    answers = Triplets([[0, 1, 2], [1, 2, 3], [2, 0, 1]], ["a", "b", "c", "d"])
    assert restrict_answers(answers, ["c", "b", "a"]).items.tolist() == [[2, 1, 0], [0, 2, 1]]
    assert restrict_answers(answers, ["x", "y", "z"]) is None
    assert restrict_answers(None, ["a"]) is None
    assert repeated_answers(answers).items.tolist() == [[0, 1, 2], [2, 0, 1]]
    assert repeated_answers(answers.take([0, 1])) is None
    assert repeated_answers(None) is None
