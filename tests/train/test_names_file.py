from __future__ import annotations

import pytest

from alignkit.train._names_file import read_lines, read_names


def write(tmp_path, content: bytes):
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    return path


def test_names_stand_one_a_line(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbfcat\r\n\r\n  a dog \n")
    assert read_lines(path) == ("cat", "a dog")
    assert read_names(path, ["a dog", "cat", "cow"], "animals that there are not") == ("cat", "a dog")


def test_names_that_nothing_has_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"names\.txt names animals that there are not: 'elk'"):
        read_names(write(tmp_path, b"cat\nelk\n"), ["cat"], "animals that there are not")


def test_names_that_come_twice_and_files_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(ValueError, match="cat"):
        read_lines(write(tmp_path, b"cat\ncat\n"))
    with pytest.raises(ValueError, match="is not a text file"):
        read_lines(write(tmp_path, b"\xff\xfe\x00c"))
    with pytest.raises(FileNotFoundError):
        read_lines(tmp_path / "none.txt")
