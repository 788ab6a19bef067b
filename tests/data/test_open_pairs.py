"""Opening pairs: numbers, indices that are kept, and runs that go on where they were killed."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from reference.pairs import image_bytes, sample, write_shards, write_tar

from alignkit.data import open_pairs
from alignkit.data._tar_members import tar_members


def test_pairs_are_numbered_through(tmp_path):
    write_shards(tmp_path / "s", [3, 1, 4])
    pairs = open_pairs(str(tmp_path / "s" / "{00000..00002}.tar"))
    assert len(pairs) == 8
    for i in range(8):
        assert pairs.caption(i) == f"n {i}"
        assert pairs.image(i).getpixel((0, 0)) == (i, 0, 255 - i)
    assert [pairs.name(i) for i in (0, 3, 4)] == ["00000.tar/000000", "00001.tar/000003", "00002.tar/000004"]
    assert pairs.image(np.int64(2)).size == (8, 6)
    for wrong in (8, -1):
        with pytest.raises(ValueError, match="i must"):
            pairs.image(wrong)
    with pytest.raises(TypeError, match=r"are captions; tokenise caption\(i\)"):
        pairs.tokens(0)


def test_shards_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for folder in ("a", "b"):
        write_shards(tmp_path / folder, [1])
    pairs = open_pairs([tmp_path / "b", tmp_path / "a"])
    assert [pairs.name(i) for i in range(2)] == ["b/00000.tar/000000", "a/00000.tar/000000"]


def test_processes_and_threads_share_pairs(tmp_path):
    write_shards(tmp_path / "s", [20, 20])
    pairs = pickle.loads(pickle.dumps(open_pairs(tmp_path / "s")))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(pairs.caption, range(40))) == [f"n {i}" for i in range(40)]


def test_an_index_is_used_until_a_shard_changes(tmp_path, monkeypatch):
    paths = write_shards(tmp_path / "s", [2, 2])
    read = []
    monkeypatch.setattr(
        "alignkit.data._tar_pairs.tar_members", lambda path: read.append(path.name) or tar_members(path)
    )

    def opened(**options):
        read.clear()
        pairs = open_pairs(tmp_path / "s", index=tmp_path / "work" / "index", **options)
        assert [pairs.caption(i) for i in range(len(pairs))] == [f"n {i}" for i in range(len(pairs))]
        assert [pairs.image(i).getpixel((0, 0))[0] for i in range(len(pairs))] == list(range(len(pairs)))
        return sorted(read)

    assert opened() == ["00000.tar", "00001.tar"]
    assert opened() == []
    status = os.stat(paths[0])
    os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert opened() == ["00000.tar"]
    write_tar(paths[1], [file for number in range(2, 60) for file in sample(number)])
    assert opened() == ["00001.tar"]
    assert opened(check="header") == ["00000.tar", "00001.tar"]
    for kept in (tmp_path / "work" / "index").iterdir():
        kept.write_bytes(kept.read_bytes()[:-30])  # a damaged one is made again
    assert opened() == ["00000.tar", "00001.tar"]
    assert opened() == []
    with pytest.raises(NotADirectoryError, match="index must be a folder"):
        open_pairs(tmp_path / "s", index=paths[0])


def test_images_broken_in_their_middle(tmp_path):
    whole = bytearray(image_bytes((9, 9, 9), "PNG", (64, 64)))
    whole[whole.index(b"IDAT") + 10] ^= 0xFF  # the end is there
    path = write_tar(tmp_path / "0.tar", [*sample(1), ("x.png", bytes(whole)), ("x.txt", b"a")])
    pairs = open_pairs(path, check="header")
    with pytest.raises(ValueError, match=r"0\.tar/x cannot be used: its image is damaged.*check='decode'"):
        pairs.image(1)
    with pytest.warns(UserWarning, match=r"1 of 2 samples are left out: '0\.tar/x', its image is damaged"):
        assert len(open_pairs(path)) == 1


def test_a_run_killed_within_an_epoch_of_shards_sees_the_same_pairs(tmp_path):
    write_shards(tmp_path / "s", [5, 9, 3, 7])

    def run(first, last, world_size):
        pairs = open_pairs(tmp_path / "s", index=tmp_path / "index")
        order = pairs.order(seed=11, window=6)
        per_epoch = len(pairs) // 4
        return [
            (pairs.name(i), pairs.caption(i), pairs.image(i).getpixel((0, 0)))
            for step in range(first, last)
            for rank in range(world_size)
            for i in order.batch(*divmod(step, per_epoch), batch_size=4, rank=rank, world_size=world_size)
        ]

    whole = run(0, 12, 1)
    assert run(0, 2, 1) + run(2, 9, 2) + run(9, 12, 4) == whole
    assert len(set(whole[:24])) == len(set(whole[24:])) == 24
    assert whole[:24] != whole[24:]


def test_webdataset_reads_the_same_samples(tmp_path):
    tariterators = pytest.importorskip("webdataset.tariterators")
    paths = write_shards(tmp_path / "s", [5, 2])
    files = [("sub/one.jpg", image_bytes((1, 2, 3), "JPEG")), ("sub/one.json", b'{"caption": "a text"}')]
    found = []
    for path in (*paths, write_tar(tmp_path / "s" / "00002.tar", files)):
        with open(path, "rb") as stream:
            members = [{**one, "__url__": path.name} for one in tariterators.tar_file_iterator(stream)]
        found += list(tariterators.group_by_keys(members))
    pairs = open_pairs(tmp_path / "s")
    assert [pairs.name(i) for i in range(len(pairs))] == [f"{one['__url__']}/{one['__key__']}" for one in found]
    assert [pairs.image_bytes(i) for i in range(len(pairs))] == [one.get("png", one.get("jpg")) for one in found]
    assert [pairs.caption(i) for i in range(7)] == [one["txt"].decode() for one in found[:7]]
    assert pairs.caption(7) == "a text"
