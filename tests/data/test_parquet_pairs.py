"""Pairs in Parquet files, with captions and with token ids."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from reference.pairs import image_bytes

from alignkit.data import open_pairs
from alignkit.data._pair_captions import BadSampleError, check_tokens, fit_tokens

START, END = 49406, 49407


@pytest.mark.parametrize(
    ("tokens", "length", "expected"),
    [
        ([START, 5, END], 5, [START, 5, END, 0, 0]),
        ([START, 5, END, 0, 0, 0, 0], 5, [START, 5, END, 0, 0]),
        ([START, 5, 6, 7, END], 5, [START, 5, 6, 7, END]),
        ([START, 5, 6, 7, 8, 9, END], 5, [START, 5, 6, 7, END]),
        ([START, 5, 6, 7, 8, 9, END, 0, 0], 5, [START, 5, 6, 7, END]),
        ([START, 0, 6, END], 5, [START, 0, 6, END, 0]),
    ],
)
def test_tokens_are_cut_or_filled_up(tokens, length, expected):
    assert fit_tokens(check_tokens(tokens), length).tolist() == expected


@pytest.mark.parametrize("tokens", [[], [0, 0], [-1], [2**31], [1.5], "abc", None, [None]])
def test_what_is_no_tokens(tokens):
    with pytest.raises(BadSampleError, match="its tokens are"):
        check_tokens(tokens)


def write(path, texts, images=None, **options):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    images = [image_bytes((k, 0, 0)) for k in range(len(texts))] if images is None else images
    pq.write_table(pa.table({"id": range(len(texts)), "texts": pa.array(texts), "images": images}), path, **options)
    return path


def test_captions_by_row_group(tmp_path):
    texts = [f"n {k}" for k in range(10)]
    write(tmp_path / "a.parquet", texts, row_group_size=4)
    write(tmp_path / "b.parquet", [["x", "y"], ["z"]])
    pairs = open_pairs(tmp_path / "a.parquet")
    assert [pairs.caption(i) for i in range(10)] == texts
    assert [pairs.image(i).getpixel((0, 0))[0] for i in (9, 0, 5)] == [9, 0, 5]
    assert pairs.name(9) == "a.parquet/group 2 row 1"
    assert pairs.order(seed=0).sizes == (4, 4, 2)
    both = open_pairs(tmp_path)
    assert (len(both), both.captions(10), both.caption(10, 0.7), both.caption(11)) == (12, ("x", "y"), "y", "z")
    assert copy.deepcopy(both).caption(3) == "n 3"


def test_token_ids(tmp_path):
    texts = [[START, 5, END], [START, *range(1, 100), END]]
    pairs = open_pairs(write(tmp_path / "a.parquet", texts))
    assert pairs.tokenised
    assert repr(pairs) == "<ImageTextPairs: 2 images with token ids, 0 left out>"
    assert pairs.tokens(0).tolist() == [START, 5, END] + [0] * 74
    assert pairs.tokens(1).tolist() == [START, *range(1, 76), END]
    assert pairs.tokens(1).dtype == np.int64
    with pytest.raises(TypeError, match="token ids, which are not captions"):
        pairs.caption(0)
    write(tmp_path / "b.parquet", ["text"])
    with pytest.raises(ValueError, match="of one are token ids, of the other captions"):
        open_pairs(tmp_path)


def test_bad_rows_are_named_and_images_with_a_path_are_read(tmp_path):
    pa = pytest.importorskip("pyarrow")
    png = image_bytes((1, 2, 3))
    texts = pa.array([b"a", b"caf\xe9", None, b"", b"e", b"f"]).view(pa.string())
    images = [{"bytes": one, "path": "x.png"} for one in (png, png, png, png, png[:40], None)]
    path = write(tmp_path / "a.parquet", texts, images, row_group_size=2)
    with pytest.warns(UserWarning, match="5 of 6 samples are left out: 'a.parquet/group 0 row 1', .*not UTF-8"):
        pairs = open_pairs(path, index=tmp_path / "index")
    assert (len(pairs), pairs.caption(0), pairs.image_bytes(0)) == (1, "a", png)
    assert [name for name, _ in pairs.bad] == [
        f"a.parquet/{row}"
        for row in ("group 0 row 1", "group 1 row 0", "group 1 row 1", "group 2 row 0", "group 2 row 1")
    ]
    with pytest.warns(UserWarning, match="5 of 6"):
        assert open_pairs(path, index=tmp_path / "index").bad == pairs.bad


def test_damaged_files_are_refused(tmp_path):
    path = write(tmp_path / "a.parquet", ["a", "b"])
    whole = path.read_bytes()
    for length in (1, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"the shard .*a\.parquet cannot be read as Parquet"):
            open_pairs(path)
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    pq.write_table(pa.table({"image": [b"a"], "texts": ["a"]}), path)
    with pytest.raises(ValueError, match=r"lacks the column\(s\) 'images'; it has 'image', 'texts'"):
        open_pairs(path)
