from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignkit.models._items import UnreadableError, as_items, list_images

from .conftest import picture


def test_a_folder_is_searched_in_order_of_its_posix_paths(folder: Path) -> None:
    items = as_items("image", folder, None)
    labels = [item.label for item in items]
    assert labels == sorted(f"class_{i % 3}/{i:02d}.png" for i in range(11))
    image, sha256 = items[0].read()
    assert sha256 == hashlib.sha256((folder / labels[0]).read_bytes()).hexdigest()
    assert image.mode == "RGB"


def test_links_back_to_a_parent_end(folder: Path) -> None:
    (folder / "class_0" / "loop").symlink_to(folder, target_is_directory=True)
    assert len(list_images(folder)) == 11


def test_labels_are_composed_however_the_file_system_spells_them(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Übung é.png")
    (tmp_path / "кот").mkdir()
    picture(0).save(tmp_path / "кот" / name)
    assert [item.label for item in as_items("image", tmp_path, None)] == [unicodedata.normalize("NFC", f"кот/{name}")]


def test_lists_mappings_and_arrays() -> None:
    image = picture(0, (4, 4))
    pixels = np.asarray(image)
    by_list = as_items("image", [image, pixels], None)
    by_array = as_items("image", np.stack([pixels, pixels]), ["a", "b"])
    assert [item.label for item in by_list] == ["0", "1"]
    assert [item.label for item in by_array] == ["a", "b"]
    assert len({item.sha256() for item in [*by_list, *by_array]}) == 1
    assert [item.label for item in as_items("image", {"x": "p.png", "y": image}, None)] == ["x", "y"]
    assert as_items("image", [Path("d", "p.png")], None)[0].label == "d/p.png"


@pytest.mark.parametrize(
    ("inputs", "error", "sentence"),
    [
        ([], ValueError, "inputs are empty"),
        (["a.png", "a.png"], ValueError, "must be unique; repeated: 'a.png'"),
        ([3], TypeError, "an image must be a path, a PIL image or a uint8 array"),
        (np.zeros((2, 4, 4, 3)), TypeError, "got float64, shape"),
        (7, TypeError, "got int"),
    ],
)
def test_what_is_no_images(inputs: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        as_items("image", inputs, None)


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        as_items("image", tmp_path / "no", None)
    with pytest.raises(FileNotFoundError, match="holds no images"):
        as_items("image", tmp_path, None)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(NotADirectoryError, match=r"a\.png is a file; give a folder"):
        as_items("image", tmp_path / "a.png", None)


def test_texts() -> None:
    assert [item.label for item in as_items("text", ["a cat", "a dog"], None)] == ["a cat", "a dog"]
    items = as_items("text", {"cat1": "a cat", "cat2": "a cat"}, None)
    assert items[0].read() == ("a cat", hashlib.sha256(b"a cat").hexdigest())
    with pytest.raises(TypeError, match=r"a text model takes a list of texts .* got words\.tsv"):
        as_items("text", "words.tsv", None)
    with pytest.raises(TypeError, match="texts must be strings; got int"):
        as_items("text", [1], None)
    with pytest.raises(ValueError, match=r"1 text\(s\) are empty, with the labels 'b'"):
        as_items("text", {"a": "x", "b": " "}, None)


def broken(tmp_path: Path, content: bytes) -> UnreadableError:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableError) as caught:
        as_items("image", [path], None)[0].read()
    return caught.value


def test_unreadable_images_say_why(tmp_path: Path) -> None:
    picture(0, (64, 64)).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    assert broken(tmp_path, b"").reason == "the file is empty (0 bytes)"
    assert broken(tmp_path, b"<html>").reason == "not an image of a known format"
    assert "truncated" in broken(tmp_path, whole[: len(whole) // 2]).reason
    Image.fromarray(np.full((4, 4), 40000, dtype=np.uint16)).save(tmp_path / "deep.png")
    deep = broken(tmp_path, (tmp_path / "deep.png").read_bytes())
    assert "more than 8 bits (mode I;16)" in deep.reason
    assert deep.sha256 == hashlib.sha256((tmp_path / "deep.png").read_bytes()).hexdigest()
    with pytest.raises(UnreadableError, match="No such file"):
        as_items("image", [tmp_path / "gone.png"], None)[0].read()
    assert as_items("image", [tmp_path / "gone.png"], None)[0].sha256() is None


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    picture(0).save(tmp_path / "open" / "a.png")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything
    with pytest.raises(PermissionError, match="closed"):
        as_items("image", tmp_path, None)


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in ("a.png", ".hidden.png", ".thumbnails/b.png", "__MACOSX/c.png", "deep/.git/d.png", "deep/e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(tmp_path / name)
    assert [item.label for item in as_items("image", tmp_path, None)] == ["a.png", "deep/e.png"]
