"""Zarr folders of RDMs: named once, and opened with one sentence or not at all."""

from __future__ import annotations

import pytest

from alignkit.rsa._zarr_folder import flush, opening, settle, stored_labels


def test_the_folder_of_a_faster_process_counts(tmp_path):
    new, path = tmp_path / "new", tmp_path / "there"
    for folder in (new, path):
        folder.mkdir()
        (folder / "zarr.json").write_text(folder.name)
    settle(new, path)
    assert (path / "zarr.json").read_text() == "there"
    (path / "zarr.json").rename(path / "other")
    with pytest.raises(OSError, match="there"):
        settle(new, path)
    settle(new, tmp_path / "free")
    assert (tmp_path / "free" / "zarr.json").read_text() == "new"


def test_what_cannot_be_opened_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"), opening(tmp_path / "none", "store"):
        pass
    file = tmp_path / "file"
    file.write_text("x")
    flush(file)
    with pytest.raises(ValueError, match=r"is a file; a .zarr folder is expected"), opening(file, "store"):
        pass
    message = r"is not a readable store \('no'\); it is incomplete, damaged or something else"
    with pytest.raises(ValueError, match=message), opening(tmp_path, "store"):
        {}["no"]


def test_labels_are_one_name_an_item(tmp_path):
    assert stored_labels(tmp_path, None, 2) is None
    assert stored_labels(tmp_path, ["a", "b"], 2) == ("a", "b")
    for labels in (["a", "a"], ["a"], ["a", 1], "ab"):
        with pytest.raises(ValueError, match="its labels are not 2 different names"):
            stored_labels(tmp_path, labels, 2)
