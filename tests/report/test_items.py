from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from alignkit.report._items import SIDE, read_categories, small_pictures


def paint(path, colour, size=(400, 200), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def opened(uri):
    head, _, data = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_photos_are_found_by_path_name_stem_stimulus_and_folder(tmp_path):
    paint(tmp_path / "a" / "dog_01b.jpg", "red")
    paint(tmp_path / "b" / "other.png", "blue")
    paint(tmp_path / "cat.png", (0, 255, 0, 255), mode="RGBA")
    found = small_pictures(tmp_path, ["a/dog_01b.jpg", "dog_01b", "dog", "b", "elsewhere/cat.tif", "nobody"])
    assert list(found.pictures) == ["a/dog_01b.jpg", "dog_01b", "dog", "b", "elsewhere/cat.tif"]
    assert found.notes == ["1 item has no photo in the folder."]
    dog, other, cat = (opened(found.pictures[name]) for name in ("dog", "b", "elsewhere/cat.tif"))
    for picture, colour in ((dog, (255, 0, 0)), (other, (0, 0, 255)), (cat, (0, 255, 0))):
        assert picture.size == (SIDE, SIDE // 2)
        assert max(abs(a - b) for a, b in zip(picture.getpixel((9, 9)), colour, strict=True)) < 5


def test_a_name_of_its_own_goes_before_a_folders(tmp_path):
    paint(tmp_path / "cat" / "x.png", "red")
    paint(tmp_path / "other" / "cat.png", "blue")
    picture = opened(small_pictures(tmp_path, ["cat"]).pictures["cat"])
    assert picture.getpixel((5, 5))[2] > 200


def test_what_is_transparent_is_white(tmp_path):
    paint(tmp_path / "cat.png", (0, 0, 0, 0), mode="RGBA")
    assert opened(small_pictures(tmp_path, ["cat"]).pictures["cat"]).getpixel((5, 5)) == (255, 255, 255)


def test_pictures_stop_where_the_page_is_full_and_damage_is_told(tmp_path):
    for name in "abcd":
        paint(tmp_path / f"{name}.png", "red")
    (tmp_path / "b.png").write_bytes(b"no picture")
    one = len(small_pictures(tmp_path, ["a"]).pictures["a"])
    found = small_pictures(tmp_path, list("abcd"), most_bytes=one + 1)
    assert list(found.pictures) == ["a", "c"]
    assert found.notes[0] == "Photos that cannot be read are left out: 'b.png'."
    assert found.notes[1].startswith("Pictures of 1 item are")


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        small_pictures(tmp_path / "nowhere", ["a"])
    with pytest.raises(ValueError, match=r"no photo in .* is named as one of the items"):
        small_pictures(tmp_path, ["a"])


@pytest.mark.parametrize(("name", "mark"), [("t.csv", ","), ("t.tsv", "\t")])
def test_categories_are_read(tmp_path, name, mark):
    path = tmp_path / name
    path.write_text(
        f"more{mark}label{mark}class\n1{mark}cat{mark}animal\n2{mark}car{mark}thing\n", encoding="utf-8-sig"
    )
    assert read_categories(path) == {"cat": "animal", "car": "thing"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n", "needs the columns item and category; it has 'a', 'b'"),
        ("", "it has none"),
        ("item,category\n", "has no rows"),
        ("item,category\ncat,a\ncat,b\n", "item must be unique; repeated: 'cat'"),
    ],
)
def test_tables_without_categories_are_refused(tmp_path, text, sentence):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_categories(tmp_path / "t.csv")


def test_a_table_must_be_text(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_categories(tmp_path / "t.csv")
    with pytest.raises(FileNotFoundError):
        read_categories(tmp_path / "none.csv")
