"""The same images in every layout give the same set; what is damaged is named."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from reference.pairs import image_bytes, write_tar
from reference.zero_shot_sets import COLOURS, colour, npy, wds_files, write_captioned, write_folders, write_wds

from alignkit.data import load_cifar10h, open_zero_shot_set
from alignkit.data._open_zero_shot_set import zero_shot_sources

TEMPLATES = ["a photo of a {}."]


@pytest.fixture(autouse=True)
def published(request, tmp_path, monkeypatch):
    """A data folder of its own with a few published sets, except where the real one is asked for."""
    if "shared_data" in request.fixturenames:
        return
    folder = tmp_path / "data" / "reference" / "clip_benchmark"
    folder.mkdir(parents=True)
    classes = {"caltech101": ["b", "a"], "caltech101_vtab": ["a", "b", "c"], "imagenet1k": ["x", "y", "z"]}
    (folder / "en_classnames.json").write_text(json.dumps(classes))
    templates = {name: [f"{name} {{c}}"] for name in ("cifar10", "cifar100", "caltech101", "imagenet1k", "pets")}
    (folder / "en_zeroshot_classification_templates.json").write_text(json.dumps(templates))
    monkeypatch.setenv("ALIGNKIT_DATA", str(tmp_path / "data"))


def numbers(found):
    """Return which images a set has, by their colours."""
    pixels = [found.image(i).getpixel((0, 0)) for i in range(len(found))]
    assert all(pixel == colour(pixel[0]) for pixel in pixels)
    return [pixel[0] for pixel in pixels]


@pytest.mark.parametrize("form", ["png", "webp"])
def test_a_webdataset_of_classes(tmp_path, form):
    found = open_zero_shot_set(write_wds(tmp_path / "wds_colours", [[0, 1, 2], [3, 4]], form=form))
    assert (found.name, found.kind) == ("colours", "classification")
    assert found.class_names == COLOURS
    assert found.templates == ("a photo of a {c}.", "the {c}.")
    assert found.targets.tolist() == [0, 1, 2, 0, 1]
    assert [found.image_name(i) for i in (0, 3)] == ["0.tar/s0000000", "1.tar/s0000003"]
    if form == "png":
        assert numbers(found) == [0, 1, 2, 3, 4]
    assert found.image(0).mode == "RGB"
    assert found.bad == found.captions == ()


def test_a_webdataset_of_several_classes(tmp_path):
    found = open_zero_shot_set(write_wds(tmp_path / "wds_colours", [[0, 1], [2]], "multilabel"))
    assert found.kind == "multilabel"
    assert found.targets.tolist() == [[True, False, False], [True, True, False], [True, False, True]]


def test_a_webdataset_of_captions(tmp_path):
    found = open_zero_shot_set(write_wds(tmp_path / "wds_flickr30k", [[0, 1], [2]], "retrieval"))
    assert (found.name, found.kind, found.class_names) == ("flickr30k", "retrieval", ())
    assert found.captions == (("number 0", "the 0th"), ("number 1", "the 1th"), ("number 2", "the 2th"))
    assert numbers(found) == [0, 1, 2]
    part = found.subset([2, 0])
    assert part.captions == (("number 2", "the 2th"), ("number 0", "the 0th"))
    assert numbers(part) == [2, 0]


def test_a_captioned_folder_is_the_same_set(tmp_path):
    found = open_zero_shot_set(write_captioned(tmp_path / "flickr30k", [0, 1, 2]))
    assert found.captions == (("number 0", "the 0th"), ("number 1", "the 1th"), ("number 2", "the 2th"))
    assert numbers(found) == [0, 1, 2]
    (tmp_path / "flickr30k" / "captions.csv").rename(tmp_path / "elsewhere.csv")
    other = open_zero_shot_set(tmp_path / "flickr30k", captions=tmp_path / "elsewhere.csv", name="other")
    assert (other.name, other.captions) == ("other", found.captions)
    with pytest.raises(ValueError, match="need no class names"):
        open_zero_shot_set(tmp_path / "flickr30k", captions=tmp_path / "elsewhere.csv", templates=TEMPLATES)


def test_folders_by_class(tmp_path):
    folder = write_folders(tmp_path / "pets", range(5), ("big_dog", "ant", "cat"))
    found = open_zero_shot_set(folder)
    assert found.class_names == ("ant", "big dog", "cat")
    assert found.templates == ("pets {c}",)
    assert found.targets.tolist() == [0, 0, 1, 1, 2]
    assert numbers(found) == [1, 4, 0, 3, 2]
    assert found.image_name(0) == "ant/001.png"
    (folder / "classnames.txt").write_text("Ant\nDog\nCat\n")
    (folder / "templates.txt").write_text("{} here\n\n")
    named = open_zero_shot_set(folder)
    assert (named.class_names, named.templates) == (("Ant", "Dog", "Cat"), ("{} here",))
    given = open_zero_shot_set(folder, class_names=["1", "2", "3"], templates=folder / "templates.txt")
    assert (given.class_names, given.templates) == (("1", "2", "3"), ("{} here",))
    with pytest.raises(ValueError, match="has 3 folders, and there are 2 class names"):
        open_zero_shot_set(folder, class_names=["1", "2"])


def test_numbers_of_wordnet_are_no_words(tmp_path):
    folder = write_folders(tmp_path / "imagenet", range(3), ("n00000001", "n00000002", "n00000003"))
    found = open_zero_shot_set(folder)
    assert found.class_names == ("x", "y", "z")
    assert found.templates == ("imagenet1k {c}",)
    with pytest.raises(ValueError, match=r"the set birds has no class names and no templates, .* pass class_names"):
        open_zero_shot_set(folder, name="birds")


@pytest.mark.parametrize(("name", "n_labels", "files"), [
    ("cifar10", 1, ("test_batch.bin", "batches.meta.txt")), ("cifar100", 2, ("test.bin", "fine_label_names.txt"))
])  # fmt: skip
def test_cifars_own_files(tmp_path, rng, name, n_labels, files):
    pixels = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    rows = [
        bytes([9, k % 3][-n_labels:]) + b"".join(image[..., c].tobytes() for c in range(3))
        for k, image in enumerate(pixels)
    ]
    (tmp_path / "cifar").mkdir()
    path = tmp_path / "cifar" / files[0]
    path.write_bytes(b"".join(rows))
    (tmp_path / "cifar" / files[1]).write_text("".join(f"{one}\n" for one in COLOURS) + "\n")
    for source in (tmp_path / "cifar", path):
        found = open_zero_shot_set(source)
        assert (found.name, found.class_names, found.templates) == (name, COLOURS, (f"{name} {{c}}",))
        assert found.targets.tolist() == [0, 1, 2, 0]
        for i in range(4):
            np.testing.assert_array_equal(np.asarray(found.image(i)), pixels[i])
    path.write_bytes(b"".join(rows)[:-1])
    with pytest.raises(ValueError, match="it is truncated or no CIFAR file"):
        open_zero_shot_set(path)
    path.write_bytes(bytes([9, 7][-n_labels:]) + rows[0][n_labels:])
    with pytest.raises(ValueError, match="is of class 7, and there are 3 class names"):
        open_zero_shot_set(path)


def write_npz(path, contents, **changed):
    arrays = {
        "data": np.frombuffer(b"".join(contents), dtype=np.uint8),
        "offsets": np.cumsum([0, *map(len, contents)]),
        "labels": np.arange(len(contents)) % 3,
        "classes": np.array(COLOURS),
    }
    np.savez(path, **{**arrays, **changed})
    return path


def test_encoded_images_in_one_file(tmp_path):
    contents = [image_bytes(colour(k)) for k in range(4)]
    (tmp_path / "cifar10h").mkdir()
    path = write_npz(tmp_path / "cifar10h" / "cifar10_test_jpg.npz", contents)
    for source in (tmp_path / "cifar10h", path):
        found = open_zero_shot_set(source)
        assert (found.name, found.class_names, found.targets.tolist()) == ("cifar10", COLOURS, [0, 1, 2, 0])
        assert numbers(found) == [0, 1, 2, 3]
    contents[1] = contents[1][:30]
    with pytest.warns(UserWarning, match="1 of 4 samples of cifar10 are left out: 'cifar10_test_jpg.npz/00001'"):
        found = open_zero_shot_set(write_npz(path, contents))
    assert (numbers(found), found.targets.tolist()) == ([0, 2, 3], [0, 2, 0])
    assert found.image_name(1) == "cifar10_test_jpg.npz/00002"
    for changed in ({"offsets": np.array([0, 3, 2, 5, 9])}, {"classes": np.arange(3)}, {"labels": np.zeros((4, 1))}):
        with pytest.raises(ValueError, match="do not describe images"):
            open_zero_shot_set(write_npz(path, contents, **changed))


def test_the_projects_own_cifar10(shared_data, tmp_path, monkeypatch):
    path = shared_data("cifar10h", "cifar10_test_jpg.npz")
    monkeypatch.setenv("ALIGNKIT_DATA", str(path.parent.parent))
    found, theirs = open_zero_shot_set(path, check="header"), load_cifar10h()
    assert len(found) == 10_000
    assert found.class_names == theirs.classes
    assert len(found.templates) == 18
    np.testing.assert_array_equal(found.targets, theirs.target)
    image = Image.open(io.BytesIO(theirs.jpeg(77))).convert("RGB")
    np.testing.assert_array_equal(np.asarray(found.image(77)), np.asarray(image))


def test_published_words_are_found_by_name(tmp_path):
    folder = write_wds(tmp_path / "wds_vtab-caltech101", [[0, 1, 2]])
    own = open_zero_shot_set(folder)
    assert (own.name, own.class_names) == ("vtab/caltech101", COLOURS)
    for file in ("classnames.txt", "zeroshot_classification_templates.txt"):
        (folder / file).unlink()
    found = open_zero_shot_set(folder)
    # VTAB's list has another order than torchvision's
    assert (found.class_names, found.templates) == (("a", "b", "c"), ("caltech101 {c}",))
    with pytest.raises(ValueError, match=r"is of class 2, and there are 2 class names"):
        open_zero_shot_set(folder, name="caltech101")
    assert open_zero_shot_set(folder, name="imagenetv2").class_names == ("x", "y", "z")
    with pytest.raises(ValueError, match=r"has no class names and no templates.*; pass class_names=.* and templates="):
        open_zero_shot_set(folder, name="unheard")
    with pytest.raises(ValueError, match=r"has no class names, and .*; pass class_names="):
        open_zero_shot_set(folder, name="unheard", templates=TEMPLATES)


def test_names_inside_may_be_empty(tmp_path):
    folder = write_wds(tmp_path / "wds_distances", [[0, 1, 2]])
    (folder / "classnames.txt").write_text("near\r\n\r\nfar\r\n\r\n")
    assert open_zero_shot_set(folder).class_names == ("near", "", "far")


@pytest.mark.parametrize(("kind", "change", "reason"), [
    ("classification", lambda files: files[:1] + files[2:], "it has no image"),
    ("classification", lambda files: files[1:], "it has no .cls"),
    ("classification", lambda files: [("s0000000.cls", b"one"), *files[1:]], "no class number but b'one'"),
    ("classification", lambda files: [("s0000000.cls", b"-1"), *files[1:]], "no class number"),
    ("classification", lambda files: [("s0000000.cls", b"9" * 65), *files[1:]], "more than the 64 allowed"),
    ("classification", lambda files: [files[0], ("s0000000.png", files[1][1][:45]), *files[2:]], "image is damaged"),
    ("classification", lambda files: [*files[:2], ("s0000000.jpg", b"x"), *files[2:]], "it has 2 files with its image"),
    ("multilabel", lambda files: [("s0000000.npy", npy([1, 0])), *files[1:]], r"its .npy holds shape \(2,\)"),
    ("multilabel", lambda files: [("s0000000.npy", npy([1, 0, 2])), *files[1:]], "must hold 0 or 1"),
    ("multilabel", lambda files: [("s0000000.npy", npy([1, 0, 1])[:-1]), *files[1:]], "its .npy"),
    ("multilabel", lambda files: [("s0000000.npy", b"\x80\x04]."), *files[1:]], "its .npy is damaged"),
    ("retrieval", lambda files: [*files[:1], ("s0000000.txt", b" \n"), *files[2:]], "its caption is empty"),
])  # fmt: skip
def test_broken_samples_are_named_and_left_out(tmp_path, kind, change, reason):
    folder = write_wds(tmp_path / "wds_x", [[], [5]], kind)
    write_tar(folder / "test" / "0.tar", change(wds_files([0, 1], kind)))
    with pytest.warns(UserWarning, match="1 of 3 samples of x are left out"):
        found = open_zero_shot_set(folder)
    assert numbers(found) == [1, 5]
    assert [name for name, _ in found.bad] == ["0.tar/s0000000"]
    with pytest.raises(ValueError, match=reason):
        raise ValueError(found.bad[0][1])


def test_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    with io.BytesIO() as file:
        np.save(file, np.array([Trap(), 0, 0], dtype=object), allow_pickle=True)
        content = file.getvalue()
    folder = write_wds(tmp_path / "wds_x", [[], [5]], "multilabel")
    write_tar(folder / "test" / "0.tar", [("s0000000.npy", content), ("s0000000.png", image_bytes(colour(0)))])
    with pytest.warns(UserWarning, match="left out"):
        open_zero_shot_set(folder)
    assert not (tmp_path / "sprung").exists()


def test_damaged_webdatasets_are_refused(tmp_path):
    folder = write_wds(tmp_path / "wds_x", [[0, 1], [2]])
    whole = (folder / "test" / "0.tar").read_bytes()
    (folder / "test" / "0.tar").write_bytes(whole[:2000])
    with pytest.raises(ValueError, match="truncated"):
        open_zero_shot_set(folder)
    (folder / "test" / "0.tar").write_bytes(whole)
    for said, sentence in (
        ("3", "lacks '2.tar' of the 3 shards"),
        ("many", "the number of shards"),
        ("0", "number of"),
    ):
        (folder / "test" / "nshards.txt").write_text(said)
        with pytest.raises((ValueError, FileNotFoundError), match=sentence):
            open_zero_shot_set(folder)
    (folder / "test" / "nshards.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"nshards\.txt is missing"):
        open_zero_shot_set(folder)
    (folder / "test" / "nshards.txt").write_text("2")
    (folder / "dataset_type.txt").write_text("segmentation")
    with pytest.raises(ValueError, match="must say classification, multilabel or retrieval"):
        open_zero_shot_set(folder)


def test_broken_files_of_a_folder_are_left_out(tmp_path):
    folder = write_folders(tmp_path / "pets", range(6))
    (folder / "red" / "000.png").write_bytes(b"")
    (folder / "red" / ".hidden.png").write_bytes(b"")
    (folder / "blue" / "notes.txt").write_text("no image")
    with pytest.warns(UserWarning, match="1 of 6 samples of pets are left out: 'red/000.png'"):
        found = open_zero_shot_set(folder)
    assert numbers(found) == [2, 5, 1, 4, 3]
    for path in folder.rglob("*.png"):
        path.write_bytes(b"x")
    with pytest.raises(ValueError, match="holds no image that can be used"):
        open_zero_shot_set(folder)


def test_parts_of_a_set(tmp_path):
    found = open_zero_shot_set(write_wds(tmp_path / "wds_x", [[0, 1, 2], [3, 4]]))
    part = found.subset([4, 1])
    assert (numbers(part), part.targets.tolist(), part.class_names) == ([4, 1], [1, 1], COLOURS)
    assert numbers(part.subset(np.array([False, True]))) == [1]
    assert part.image_name(0) == "1.tar/s0000004"
    for wrong in ([], [5], [-1], [1, 1]):
        with pytest.raises(ValueError, match="rows must be numbers from 0 to 4"):
            found.subset(wrong)
    with pytest.raises(TypeError, match="rows must be numbers of images"):
        found.subset([0.5])
    with pytest.raises(ValueError, match="i must lie below"):
        found.image(5)


def test_what_is_no_set_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is no zero-shot set"):
        open_zero_shot_set(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_zero_shot_set(tmp_path / "absent")
    with pytest.raises(TypeError, match="class_names must be a list of texts"):
        open_zero_shot_set(write_folders(tmp_path / "x", range(3)), class_names=[1, 2, 3])


def test_sets_are_found_in_folders(tmp_path):
    root = tmp_path / "sets"
    (root / "nothing").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds no zero-shot set"):
        zero_shot_sources(root)
    paths = [
        write_captioned(root / "flickr30k", [0]),
        write_folders(root / "pets", range(3)),
        write_folders(root / "vtab" / "dtd", range(3)),
        write_wds(root / "wds_vtab-eurosat", [[0]]),
    ]
    assert zero_shot_sources(root) == sorted(paths)
    assert [open_zero_shot_set(path, templates=TEMPLATES).name for path in paths[1:]] == [
        "pets",
        "vtab/dtd",
        "vtab/eurosat",
    ]
    for path in paths:
        assert zero_shot_sources(path) == [path]
    with pytest.raises(FileNotFoundError, match="does not exist"):
        zero_shot_sources(root / "absent")
