from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alignkit.models._preprocess import Preprocess
from alignkit.train._images import find_images, read_images

NAMES = ("cat", "dog", "bus")


def draw(path, colour=(200, 30, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 32), colour).save(path)
    return path


def test_names_of_images_and_of_their_folders_say_what_they_show(tmp_path):
    for name in ("cat.png", "dog/a.jpg", "dog/b.jpg", "tree.png"):
        draw(tmp_path / name)
    found = find_images(tmp_path, NAMES)
    assert list(found) == ["cat", "dog"]
    assert [path.name for path in found["dog"]] == ["a.jpg", "b.jpg"]


def test_a_table_says_what_images_show_and_one_may_show_several(tmp_path):
    draw(tmp_path / "photos" / "1.png")
    draw(tmp_path / "photos" / "2.png")
    table = tmp_path / "items.csv"
    table.write_text("file,item\n1.png,cat\n1.png,dog\n2.png,dog\n2.png,tree\n")
    found = find_images(tmp_path / "photos", NAMES, items=table)
    assert {name: [path.name for path in paths] for name, paths in found.items()} == {
        "cat": ["1.png"],
        "dog": ["1.png", "2.png"],
    }


def test_an_image_of_the_table_that_is_missing_is_named(tmp_path):
    draw(tmp_path / "photos" / "1.png")
    table = tmp_path / "items.csv"
    table.write_text("file,item\n1.png,cat\n2.png,dog\n")
    with pytest.raises(FileNotFoundError, match=r"'2.png'"):
        find_images(tmp_path / "photos", NAMES, items=table)


def test_images_of_nothing_known_are_refused(tmp_path):
    draw(tmp_path / "tree.png")
    with pytest.raises(ValueError, match=r"none of the 1 images .*'tree.png'.* shows one of the items"):
        find_images(tmp_path, NAMES)


def test_no_folder_no_images_or_a_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_images(tmp_path / "none", NAMES)
    with pytest.raises(FileNotFoundError, match="holds no images"):
        find_images(tmp_path, NAMES)
    with pytest.raises(NotADirectoryError, match="is a file"):
        find_images(draw(tmp_path / "cat.png"), NAMES)


def test_images_are_what_the_preprocessing_gives_one_by_one(tmp_path, rng):
    preprocess = Preprocess.clip(16)
    paths = []
    for i in range(5):
        pixels = rng.integers(0, 255, size=(30, 40, 3), dtype=np.uint8)
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(pixels).save(paths[-1])
    together = read_images(paths, preprocess)
    assert together.shape == (5, 3, 16, 16)
    assert together.dtype == np.float32
    for path, image in zip(paths, together, strict=True):
        assert np.array_equal(preprocess(Image.open(path)), image)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"", "the file is empty"), (b"no image", "not an image of a known format")],
)
def test_a_missing_or_broken_image_is_named(tmp_path, content, reason):
    good, bad = draw(tmp_path / "good.png"), tmp_path / "bad.png"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(ValueError, match=rf"the image .*bad\.png cannot be read \({reason}"):
        read_images([good, bad], Preprocess.clip(16))


def test_a_truncated_image_is_named(tmp_path):
    path = tmp_path / "cut.jpg"
    pixels = np.random.default_rng(0).integers(0, 255, size=(64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ValueError, match=r"cut\.jpg cannot be read"):
        read_images([path], Preprocess.clip(16))
