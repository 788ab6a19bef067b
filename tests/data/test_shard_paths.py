"""Names of shards: folders, braces and lists."""

from __future__ import annotations

import pytest

from alignkit.data._shard_paths import expand_braces, shard_paths


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.tar", ["a.tar"]),
        ("{08..11}.tar", ["08.tar", "09.tar", "10.tar", "11.tar"]),
        ("{8..10}", ["8", "9", "10"]),
        ("{a,b}/{0..1}.tar", ["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"]),
        ("x{,y}", ["x", "xy"]),
    ],
)
def test_braces(pattern, expected):
    assert expand_braces(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("{0..3.tar", "do not pair up"),
        ("{a{0..3},b}.tar", "do not pair up"),
        ("{}.tar", "stands for nothing"),
        ("{abc}.tar", "stands for nothing"),
        ("{9..3}.tar", "counts down"),
        ("{0..99999999999}.tar", "more than 1,000,000 files"),
        ("{0..999}{0..999}{0..999}{0..999}.tar", "more than 1,000,000 files"),
    ],
)
def test_broken_braces_are_refused(pattern, sentence):
    with pytest.raises(ValueError, match=sentence):
        expand_braces(pattern)


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def test_folders_are_sorted_and_lists_keep_their_order(tmp_path):
    touch(tmp_path, "2.tar", "1.tar", "notes.txt", ".3.tar")
    assert [path.name for path in shard_paths(tmp_path)] == ["1.tar", "2.tar"]
    assert [path.name for path in shard_paths([tmp_path / "2.tar", str(tmp_path / "{1..1}.tar")])] == ["2.tar", "1.tar"]
    touch(tmp_path, "{1,2}.tar")  # a name with braces that is there
    assert [path.name for path in shard_paths(str(tmp_path / "{1,2}.tar"))] == ["{1,2}.tar"]


def test_missing_mixed_and_repeated_files_are_named(tmp_path):
    touch(tmp_path, "1.tar", "2.tar", "4.tar", "a.parquet", "b.tar.gz")
    with pytest.raises(FileNotFoundError, match=r"3\.tar' is missing: 1 of the 4 files"):
        shard_paths(str(tmp_path / "{1..4}.tar"))
    with pytest.raises(ValueError, match=r"not both.*'\.parquet', '\.tar'"):
        shard_paths(tmp_path)
    with pytest.raises(ValueError, match=r"it names '\.gz'"):
        shard_paths(tmp_path / "b.tar.gz")
    (tmp_path / "link.tar").symlink_to(tmp_path / "1.tar")
    with pytest.raises(ValueError, match="more than once"):
        shard_paths([tmp_path / "1.tar", tmp_path / "link.tar"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no \.tar or \.parquet files; for a folder of images"):
        shard_paths(tmp_path / "empty")
    with pytest.raises(ValueError, match="it names nothing"):
        shard_paths([])
    with pytest.raises(TypeError, match="source must be a folder"):
        shard_paths(5)
