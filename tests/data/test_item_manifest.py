"""Tables that say what photos show: what they may look like, and every way in which they may be wrong."""

from __future__ import annotations

import csv

import pytest

from alignkit.data._item_manifest import read_item_manifest


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table of rows below a header."""

    def write(rows, header="file,item,relation,place", name="photos.csv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return write


ROWS = ["a.jpg,cat,exact,in", "b.jpg,cat,hyponym,out", "b.jpg,dog,exact,out", "c.jpg,dog,hyponym,in"]


def shown(path, **options):
    return dict(read_item_manifest(path, **options).shown)


def test_many_photos_of_one_item_and_one_photo_of_several(write):
    assert shown(write(ROWS)) == {"a.jpg": ("cat",), "b.jpg": ("cat", "dog"), "c.jpg": ("dog",)}


def test_filters_keep_rows_and_what_is_left_out_shows_nothing(write):
    path = write(ROWS)
    assert shown(path, relation="exact") == {"a.jpg": ("cat",), "b.jpg": ("dog",), "c.jpg": ()}
    assert shown(path, where=["place=in"]) == {"a.jpg": ("cat",), "b.jpg": (), "c.jpg": ("dog",)}
    assert shown(path, where=["place=in", "place=out"]) == shown(path)
    assert shown(path, relation="exact", where=["place=in"]) == {"a.jpg": ("cat",), "b.jpg": (), "c.jpg": ()}
    assert shown(path, where=["relation=hyponym"]) == {"a.jpg": (), "b.jpg": ("cat",), "c.jpg": ("dog",)}


def test_a_table_without_relations_is_exact_throughout(write):
    assert shown(write(["a.jpg,cat"], "file,item"), relation="exact") == {"a.jpg": ("cat",)}


@pytest.mark.parametrize("column", ["item", "concept", "uniqueID"])
def test_the_items_column_has_several_names(write, column):
    assert shown(write(["cat,a.jpg"], f"{column},file")) == {"a.jpg": ("cat",)}
    assert shown(write(["cat\ta.jpg"], f"{column}\tfile", "photos.tsv")) == {"a.jpg": ("cat",)}


def test_names_are_texts(write):
    assert shown(write(["01.jpg,007", "NA,nan", '"a, b.jpg",null'], "file,item")) == {
        "01.jpg": ("007",),
        "NA": ("nan",),
        "a, b.jpg": ("null",),
    }


def test_accents_are_the_same_however_they_were_typed(write):
    assert shown(write(["cafe\u0301.jpg,cafe\u0301"], "file,item")) == {"café.jpg": ("café",)}


def test_labels_name_files_as_they_are_by_name_or_without_suffix(write):
    manifest = read_item_manifest(write(["x/a.jpg,cat", "y/a.jpg,dog", "b.v2.png,cow"], "file,item"))
    assert manifest.find(["x/a.jpg", "y/a.jpg"]) == ["x/a.jpg", "y/a.jpg"]
    assert manifest.find(["photos/b.v2.png"]) == manifest.find(["b.v2"]) == manifest.find(["c:\\b.v2.jpg"])
    assert manifest.find(["b.v2"]) == ["b.v2.png"]
    # two files are called a.jpg: the name alone is neither
    assert manifest.find(["a.jpg", "a", "z/a.jpg", "unknown"]) == [None] * 4


def test_two_labels_of_one_file_are_refused(write):
    manifest = read_item_manifest(write(ROWS))
    with pytest.raises(ValueError, match=r"^the inputs 'x/a.jpg', 'y/a.jpg' all name 'a.jpg' of .*photos\.csv; name"):
        manifest.find(["x/a.jpg", "b.jpg", "y/a.jpg"])


def test_items_that_the_data_set_lacks_are_named(write):
    manifest = read_item_manifest(write(ROWS))
    manifest.check_items(["cat", "dog", "cow"], "toy")
    sentence = r"photos.csv names items that are not in toy: 'dog'; the data set's are 'cat', 'cow'\.$"
    with pytest.raises(ValueError, match=sentence):
        manifest.check_items(["cat", "cow"], "toy")


@pytest.mark.parametrize(
    ("rows", "header", "sentence"),
    [
        (["cat"], "item", r"lacks the column\(s\) 'file'; it has 'item'"),
        (["a.jpg"], "file", r"has no column 'item' or 'concept' or 'uniqueID'; it has 'file'"),
        (["a.jpg,cat"], "photo,item", r"lacks the column\(s\) 'file'; it has 'photo', 'item'"),
        ([], "file,item", "has a header and no rows"),
        (["a.jpg,cat", "b.jpg, "], "file,item", "has no item in row 2 below its header"),
        ([",cat", "b.jpg,dog"], "file,item", "has no file in row 1 below its header"),
        (["a.jpg,cat", "b.jpg,dog", "a.jpg,cat"], "file,item", "lists photos twice for the same item: 'a.jpg for cat'"),
        (["a.jpg,cat,more"], "file,item", "rows with more cells than its header names"),
        (["a.jpg,cat,x", "b.jpg"], "file,item,relation", "breaks off: its last row has 1 cells"),
        (["a.jpg,cat,b.jpg"], "file,item,file", "more than one column 'file'"),
        (["a.jpg,cat,dog"], "file,item,item", "more than one column 'item'"),
    ],
)
def test_wrong_tables_are_one_sentence(write, rows, header, sentence):
    path = write(rows, header)
    with pytest.raises(ValueError, match=sentence) as caught:
        read_item_manifest(path)
    assert "photos.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (["colour=red"], r"the filter 'colour=red' must be column=value with a column of .*'relation', 'place'\.$"),
        (["place"], "the filter 'place' must be column=value"),
        (["place=nowhere"], r"no row of .* has place 'nowhere'; that column holds 'in', 'out'\.$"),
        (["relation=exact", "file=c.jpg"], "passes all the filters 'relation=exact', 'file=c.jpg'; drop some"),
    ],
)
def test_wrong_filters_are_one_sentence(write, where, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_item_manifest(write(ROWS), where=where)


def test_a_filter_of_two_columns_is_refused(write):
    path = write(["a.jpg,cat,exact,hyponym"], "file,item,relation,relation")
    assert read_item_manifest(path).shown == {"a.jpg": ("cat",)}
    with pytest.raises(ValueError, match="more than one column 'relation'"):
        read_item_manifest(path, relation="exact")
    with pytest.raises(ValueError, match="more than one column 'relation'"):
        read_item_manifest(path, where=["relation=hyponym"])


def test_rows_that_a_filter_leaves_out_may_name_items_of_other_data(write):
    path = write(["a.jpg,cat,toy", "a.jpg,tabby,other", "b.jpg,dog,toy"], "file,item,set")
    read_item_manifest(path, where=["set=toy"]).check_items(["cat", "dog"], "toy")
    with pytest.raises(ValueError, match="names items that are not in toy: 'tabby'"):
        read_item_manifest(path).check_items(["cat", "dog"], "toy")


def test_files_that_are_no_tables_are_refused(write, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv does not exist"):
        read_item_manifest(tmp_path / "nowhere.csv")
    with pytest.raises((ValueError, OSError), match=r"is a directory|not a file"):
        read_item_manifest(tmp_path)
    (tmp_path / "bytes.csv").write_bytes(b"file,item\n\xff\xfe\x00,cat\n")
    with pytest.raises(ValueError, match=r"bytes\.csv is not a readable table"):
        read_item_manifest(tmp_path / "bytes.csv")
    with pytest.raises(ValueError, match="relation must be one of 'any', 'exact'"):
        read_item_manifest(write(ROWS), relation="hyponym")


def test_the_photos_of_things(shared_data):
    path = shared_data("things", "photos_manifest.csv")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for options, kept in (
        ({}, rows),
        ({"relation": "exact"}, [row for row in rows if row["relation"] == "exact"]),
        ({"where": ["depth=0"]}, [row for row in rows if row["depth"] == "0"]),
    ):
        found = {(file, item) for file, items in shown(path, **options).items() for item in items}
        assert found == {(row["file"], row["uniqueID"]) for row in kept}
    assert len(rows) == 1435
