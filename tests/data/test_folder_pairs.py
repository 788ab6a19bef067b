"""Pairs of a folder of images and a csv of captions."""

from __future__ import annotations

import pytest
from reference.pairs import image_bytes

from alignkit.data import open_pairs


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        path = tmp_path / "images" / f"sub/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes((number, 0, 0)))
    return tmp_path / "images"


def table(folder, content, name="captions.csv"):
    path = folder.parent / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_columns_go_by_name_and_images_may_have_several_captions(folder):
    rows = 'caption,id,file\r\n"a, ""b""\nc",1,sub/1.png\r\nété,2,sub/0.png\r\nsecond,3,sub/1.png\r\n'
    pairs = open_pairs(folder, captions=table(folder, b"\xef\xbb\xbf" + rows.encode()))
    assert [pairs.name(i) for i in range(len(pairs))] == ["sub/1.png", "sub/0.png"]
    assert [pairs.captions(i) for i in range(2)] == [('a, "b"\nc', "second"), ("été",)]
    assert [pairs.image(i).getpixel((0, 0))[0] for i in range(2)] == [1, 0]
    drawn = [pairs.caption(0, u) for u in (0.0, 0.49, 0.5, 0.999)]
    assert drawn == ['a, "b"\nc'] * 2 + ["second"] * 2
    with pytest.raises(ValueError, match=r"u must lie in \[0, 1\); got 1"):
        pairs.caption(0, 1.0)
    tabs = open_pairs(folder, captions=table(folder, "file\tcaption\nsub/2.png\tx, y\n", "captions.tsv"))
    assert tabs.captions(0) == ("x, y",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"sub/9.png,a", "there is no such file"),
        (b"sub,a", "there is no such file"),
        (b"../captions.csv,a", "names no file inside the folder"),
        (b"..\\captions.csv,a", "names no file inside the folder"),
        (b"/etc/hosts,a", "names no file inside the folder"),
        (b",a", "names no file inside the folder"),
        (b"a\0b,a", "there is no such file|cannot be read|damaged in line"),
        (b"sub/1.png,caf\xe9", "caption is not UTF-8"),
        (b"sub/1.png, ", "caption is empty"),
        (b"broken.jpg,a", "neither a JPEG"),
    ],
)
def test_bad_rows_are_named_and_left_out(folder, row, reason):
    (folder / "broken.jpg").write_bytes(b"no image")
    rows = b"file,caption\nsub/0.png,zero\n" + row + b"\nsub/2.png,two\n"
    with pytest.warns(UserWarning, match=f"1 of 3 samples are left out.*({reason})"):
        pairs = open_pairs(folder, captions=table(folder, rows))
    assert [pairs.caption(i) for i in range(len(pairs))] == ["zero", "two"]
    assert len(pairs.bad) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name,caption\na,b\n", "must have one column 'file'.*it has 'name', 'caption'"),
        ("file,caption,caption\na,b,c\n", "must have one column 'caption'"),
        ("file,caption\nsub/0.png,a\nsub/1", r"captions.csv is damaged in line 3 \(it has 1 cells"),
        ("file,caption\nsub/0.png,a,b\n", "it has 3 cells where the header has 2"),
        ('file,caption\nsub/0.png,"a', "damaged in line 2"),
        ("file,caption\n", "holds no image-text pair"),
        ("", "is empty"),
        ("file,caption\nsub/7.png,a\nsub/8.png,b\n", "can be used: 'sub/7.png', there is no such file"),
    ],
)
def test_damaged_tables_are_refused(folder, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        open_pairs(folder, captions=table(folder, text))


def test_folders_and_tables_that_are_not_there(folder):
    with pytest.raises(FileNotFoundError, match=r"no\.csv does not exist"):
        open_pairs(folder, captions=folder / "no.csv")
    with pytest.raises(FileNotFoundError, match="must be the folder of the images"):
        open_pairs(folder / "no", captions=table(folder, "file,caption\n"))
    with pytest.raises(TypeError, match="must be one folder of images"):
        open_pairs([folder], captions=table(folder, "file,caption\n"))


def test_an_index_notices_images_that_change(folder, tmp_path):
    captions = table(folder, "file,caption\nsub/0.png,a\nsub/1.png,b\n")
    options = {"captions": captions, "index": tmp_path / "index"}
    assert len(open_pairs(folder, **options)) == len(open_pairs(folder, **options)) == 2
    assert len(list((tmp_path / "index").iterdir())) == 1
    (folder / "sub/0.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="'sub/0.png', its image is neither"):
        assert [open_pairs(folder, **options).caption(0)] == ["b"]
    (folder / "sub/0.png").unlink()
    with pytest.warns(UserWarning, match="'sub/0.png', there is no such file"):
        open_pairs(folder, **options)
