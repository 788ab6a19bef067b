"""What is taught, chosen on and held out, by the names that a file of triplets has for images."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from alignkit.train.alignet._data import photos_in_use, read_data
from alignkit.train.alignet._named_images import find_named
from alignkit.train.alignet._probe_images import read_probe
from alignkit.train.alignet._teacher_triplets import TeacherTriplets


def test_no_image_is_on_two_sides_and_similarities_stay_with_their_images(config, triplets):
    data = read_data(config)
    with np.load(triplets) as content:
        files, similarities = content["filenames"], content["similarities"]
    known = {tuple(three): s for three, s in zip(files.tolist(), similarities.astype(np.float32).tolist(), strict=True)}
    sides = {}
    for name, part in (("train", data.teaching), ("val", data.choosing)):
        side = set(getattr(data.splits, name))
        sides[name] = side
        for three, s in zip(part.items, part.similarities.tolist(), strict=True):
            names = tuple(data.labels[i] for i in three)
            assert set(names) <= side
            assert known[names] == pytest.approx(s)
    assert not sides["train"] & sides["val"]
    expected = sum(set(three) <= sides["train"] for three in files.tolist())
    assert len(data.teaching) == expected
    assert data.arm == "aligned"
    assert photos_in_use(data) == data.photos


def test_images_of_one_item_stay_together_and_held_out_items_are_nowhere(config, table, tmp_path):
    held = tmp_path / "held.txt"
    held.write_text("thing03\nthing07\n")
    data = read_data(dataclasses.replace(config, items=table, held_out=held))
    item_of = {part: {name[:7] for name in getattr(data.splits, part)} for part in ("train", "val", "held_out")}
    assert item_of["held_out"] == {"thing03", "thing07"}
    assert not item_of["train"] & item_of["val"]
    seen = {data.labels[i][:7] for part in (data.teaching, data.choosing) for i in np.unique(part.items)}
    assert not seen & {"thing03", "thing07"}
    assert set(data.items["thing03"]) <= set(photos_in_use(data))


def test_the_shuffled_arm_exchanges_images_throughout(config):
    plain, shuffled = read_data(config), read_data(dataclasses.replace(config, arm="shuffled"))
    assert shuffled.arm == "shuffled"
    both = TeacherTriplets.read(config.triplets), TeacherTriplets.read(config.triplets).shuffled(1)
    assert both[0].similarities.tolist() == both[1].similarities.tolist()
    pairs = set(zip(both[0].items.ravel().tolist(), both[1].items.ravel().tolist(), strict=True))
    assert len(pairs) == len(both[0].names), "every image stands for one other"
    assert shuffled.splits == plain.splits


def test_a_file_of_its_own_to_choose_on(config, triplets, tmp_path):
    with np.load(triplets) as content:
        files, similarities = content["filenames"], content["similarities"]
    few = sorted(set(files.ravel().tolist()))[:12]
    rows = [set(three) <= set(few) for three in files.tolist()]
    path = tmp_path / "val.npz"
    np.savez(path, filenames=files[rows], similarities=similarities[rows])
    data = read_data(dataclasses.replace(config, val_triplets=path))
    assert set(data.splits.val) == set(files[rows].ravel().tolist())
    assert len(data.choosing) == sum(rows)
    assert not set(data.splits.train) & set(few)


def test_triplets_of_items_draw_among_their_photos(config, table, triplets, tmp_path):
    with np.load(triplets) as content:
        items = np.array([[name[:7] for name in three] for three in content["filenames"]])
        kept = [len(set(three)) == 3 for three in items.tolist()]
        np.savez(tmp_path / "items.npz", filenames=items[kept], similarities=content["similarities"][kept])
    data = read_data(dataclasses.replace(config, triplets=tmp_path / "items.npz", items=table))
    assert {len(paths) for paths in data.images} == {2}
    assert len(data.photos) == 48


@pytest.mark.parametrize(("change", "sentence"), [
    ({"triplets": None}, "triplets is not given"),
    ({"val_share": 0.05}, "to choose weights on alone, which is too few"),
    ({"n_triplets": 3}, "too few"),
])  # fmt: skip
def test_what_cannot_be_split_is_refused(config, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_data(dataclasses.replace(config, **change))


def test_images_that_are_not_there_are_named(config, triplets, tmp_path):
    with np.load(triplets) as content:
        files = content["filenames"].copy()
        files[0, 0] = "nothing.png"
        np.savez(tmp_path / "t.npz", filenames=files, similarities=content["similarities"])
    with pytest.raises(ValueError, match=re.escape("1 of the 49 images of the triplets are not in")):
        read_data(dataclasses.replace(config, triplets=tmp_path / "t.npz"))


def test_names_are_found_by_path_name_or_stem(tmp_path):
    paths = [tmp_path / "a" / "one.jpg", tmp_path / "b" / "two.png", tmp_path / "b" / "one.jpg"]
    names = ["a/one.jpg", "elsewhere/two.png", "two"]
    assert find_named(names, paths, tmp_path, {}) == ((paths[0],), (paths[1],), (paths[1],))
    with pytest.raises(ValueError, match="1 of the 1 images of the triplets are not in"):
        find_named(["one.jpg"], paths, tmp_path, {})


def test_a_probe_needs_classes(tmp_path, pictures):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_probe(tmp_path / "no", n=10)
    with pytest.raises(ValueError, match="must have a subfolder per class"):
        read_probe(pictures, n=10)
