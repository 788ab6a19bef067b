"""Pictures by class: tables, folders, BREEDS and ImageNet-A."""

from __future__ import annotations

import pytest

from alignkit.data import load_breeds, load_imagenet_a, read_labelled_images
from alignkit.data._imagenet_classes import is_adversarial, living17, of_imagenet_a, of_living17, wnid_of


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "wnid"),
    [
        ("imagenet/n01440764/x.JPEG", "n01440764"),
        ("n01440764/sub/x.JPEG", "n01440764"),
        ("n01440764_10026.JPEG", "n01440764"),
        ("val/n01440764_10026", "n01440764"),
        (r"train\n01440764\x.JPEG", "n01440764"),
        ("n01440764", "n01440764"),
        ("n014407641_1.JPEG", None),
        ("cat/1.jpg", None),
        ("", None),
    ],
)
def test_classes_in_names(name, wnid):
    assert wnid_of(name) == wnid


def test_living17_is_17_superclasses_of_two_and_two():
    table = living17()
    assert len(table) == 68
    for superclass in {name for name, _ in table.values()}:
        domains = [domain for name, domain in table.values() if name == superclass]
        assert sorted(domains) == ["source", "source", "target", "target"]
    assert len({name for name, _ in table.values()}) == 17
    # the published table: efts and axolotls in the source, newts and spotted salamanders in the target
    assert table["n01631663"] == ("salamander", "source")
    assert table["n01632458"] == ("salamander", "target")


def test_living17_against_the_names_of_its_classes():
    """WordNet's names of the ids: a dog's superclass is dog."""
    timm_data = pytest.importorskip("timm.data")
    info = timm_data.ImageNetInfo()
    words = {
        "salamander": ("salamander", "eft", "axolotl", "newt"),
        "turtle": ("turtle", "terrapin", "loggerhead"),
        "bear": ("bear",),
        "fox": ("fox",),
        "wolf": ("wolf", "coyote", "prairie wolf"),
        "beetle": ("beetle", "ladybug", "weevil"),
        "crab": ("crab",),
        "spider": ("spider", "tarantula", "black widow"),
        "domestic cat": ("cat",),
    }
    for wnid, (superclass, _) in living17().items():
        if superclass in words:
            text = info.label_name_to_description(wnid, detailed=True).lower()
            assert any(word in text for word in words[superclass]), (wnid, superclass, text)


def test_breeds_in_a_folder(tmp_path):
    touch(tmp_path, "a/n01631663/1.JPEG", "n01630670_7.JPEG", "n07747607/1.JPEG", "imagenet-a/n01631663/1.jpg", "x.txt")
    images = load_breeds(tmp_path)
    assert images.files == ("a/n01631663/1.JPEG", "n01630670_7.JPEG")
    assert images.domain == ("source", "target")
    assert set(images.classes) == {"salamander"}
    with pytest.raises(ValueError, match="no pictures of the 68 classes of Living-17"):
        load_breeds(touch(tmp_path / "other", "n07747607/1.JPEG"))
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load_breeds(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="task must be one of 'living17'"):
        load_breeds(tmp_path, task="entity13")


def test_imagenet_a_and_its_source(tmp_path):
    touch(tmp_path, "imagenet-a/n01498041/1.jpg", "imagenet-a/n01531178/2.jpg", "imagenet-a/README.txt")
    touch(tmp_path, "train/n01498041/1.JPEG", "train/n01440764/1.JPEG")
    images = load_imagenet_a(tmp_path / "imagenet-a", source=tmp_path / "train")
    assert images.files == (
        "train/n01498041/1.JPEG",
        "imagenet-a/n01498041/1.jpg",
        "imagenet-a/n01531178/2.jpg",
    )
    assert images.domain == ("source", "target", "target")
    whole = load_imagenet_a(tmp_path / "imagenet-a", source=tmp_path)
    assert whole.files[0] == f"{tmp_path.name}/train/n01498041/1.JPEG"
    assert len(whole.files) == 3
    with pytest.raises(ValueError, match="holds no pictures of the 2 classes"):
        load_imagenet_a(tmp_path / "imagenet-a", source=touch(tmp_path / "else", "n07747607/1.JPEG"))
    with pytest.raises(ValueError, match="in folders named by WordNet ids"):
        load_imagenet_a(touch(tmp_path / "cats", "cat/1.jpg"))


def test_names_of_features_say_the_same():
    names = ["imagenet-a/n01498041/1.jpg", "n01498041/1.JPEG", "n01440764/1.JPEG", "cat", "imagenet_a/n01531178/1.jpg"]
    assert of_imagenet_a(names) == [(0, "n01498041", "target"), (1, "n01498041", "source")]
    assert of_living17(["n01631663/1", "imagenet-a/n01631663/1", "x"]) == [(0, "salamander", "source")]
    assert [is_adversarial(name) for name in names] == [True, False, False, False, True]


def test_tables_come_back(tmp_path):
    touch(tmp_path / "images", "cat/1.jpg", "dog/2.png", "dog/notes.txt", "3.jpg")
    images = read_labelled_images(tmp_path / "images")
    assert images.classes == ("cat", "dog")
    assert repr(images) == "<LabelledImages images: 2 files, 2 classes>"
    images.to_csv(tmp_path / "table.csv")
    again = read_labelled_images(tmp_path / "table.csv")
    assert (again.files, again.classes, again.domain) == (images.files, images.classes, ("source", "source"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,item\na,b\n", "lacks the column.* 'class'"),
        ("file,class\na,\n", "leaves the column class empty"),
        ("file,class\na,b\na,c\n", "names 'a' more than once"),
        ("file,class,domain\na,b,train\n", "domain must be source or target; it holds 'train'"),
    ],
)
def test_other_tables_are_refused(tmp_path, text, sentence):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_labelled_images(tmp_path / "table.csv")


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no pictures in folders named after their classes"):
        read_labelled_images(touch(tmp_path / "flat", "1.jpg"))
