from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import savemat

from alignkit.models import open_features

NAMES = ["aardvark/a_01.jpg", "bass1/b_02.jpg", "c.d/c_03.jpeg", "dog/d_04.JPG", "eel/e_05.png"]


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(5, 4))


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """thingsvision's list of the images in their order, as its data sets of classes write it."""
    path = tmp_path / "file_names.txt"
    path.write_text("".join(f"{name}\n" for name in NAMES))
    return path


@pytest.mark.parametrize("suffix", ["npy", "txt", "hdf5", "pt", "mat", "bare.mat"])
def test_what_thingsvision_saves(tmp_path: Path, names: Path, x: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"features.{suffix.removeprefix('bare.')}"
    if suffix == "npy":
        np.save(path, x)
    elif suffix == "txt":
        np.savetxt(path, x)
    elif suffix == "hdf5":
        with h5py.File(path, "w") as file:
            file.create_dataset("features", data=x)
    elif suffix == "pt":
        torch.save(torch.from_numpy(x), path)
    elif suffix == "mat":  # a variable per image, its suffix dropped
        savemat(path, {str(Path(name).with_suffix("")): row for name, row in zip(NAMES, x, strict=True)})
    else:
        savemat(path, {"features": x})
    feats = open_features(tmp_path)
    assert (feats.name, feats.labels, feats.layers) == (tmp_path.name, tuple(NAMES), ("features",))
    np.testing.assert_allclose(feats.array(), x, rtol=1e-12)
    assert feats.manifest["source"]["names"] == "file_names.txt"
    # the list is wrong: other images, one too few
    names.write_text("".join(f"{name}\n" for name in NAMES[1:]))
    with pytest.raises(ValueError, match=r"must hold one label per item: expected 5, got 4|does not name the items"):
        open_features(tmp_path)


def test_maps_of_one_variable_per_image(tmp_path: Path, names: Path, rng: np.random.Generator) -> None:
    maps = rng.normal(size=(5, 3, 2, 2))
    keys = [str(Path(name).with_suffix("")) for name in NAMES]
    savemat(tmp_path / "features.mat", dict(zip(keys[::-1], maps[::-1], strict=True)))
    feats = open_features(tmp_path)
    assert feats.labels == tuple(NAMES)
    np.testing.assert_array_equal(feats.array(), maps.reshape(5, -1))


@pytest.mark.parametrize("suffix", ["npy", "txt", "pt"])
def test_what_thingsvision_splits(tmp_path: Path, names: Path, x: np.ndarray, suffix: str) -> None:
    for number, rows in enumerate(np.split(x, [1, 3]), 1):
        path = tmp_path / f"features_{number:02d}.{suffix}"
        if suffix == "npy":
            np.save(path, rows)
        elif suffix == "txt":
            np.savetxt(path, rows)
        else:
            torch.save(torch.from_numpy(rows), path)
    np.testing.assert_allclose(open_features(tmp_path).array(), x, rtol=1e-12)
    (tmp_path / f"features_02.{suffix}").unlink()
    with pytest.raises(ValueError, match="lacks part 2 of the features that were split into it"):
        open_features(tmp_path)


def test_what_thingsvision_streams(tmp_path: Path, names: Path, rng: np.random.Generator) -> None:
    layers = {"visual": rng.normal(size=(5, 3)), "blocks.10": rng.normal(size=(5, 2)), "blocks.2": np.ones((5, 2, 2))}
    for layer, rows in layers.items():
        (tmp_path / layer).mkdir()
        for start, stop in ((0, 2), (2, 4), (4, 5)):
            # its second layer counts the start as the stop
            shown = start if layer == "visual" else stop
            np.save(tmp_path / layer / f"features_train_{shown}-{stop}.npy", rows[start:stop])
    feats = open_features(tmp_path)
    assert feats.layers == ("blocks.2", "blocks.10", "visual")
    assert feats.labels == tuple(NAMES)
    for layer, rows in layers.items():
        np.testing.assert_array_equal(feats.array(layer), rows.reshape(5, -1))
    one = open_features(tmp_path / "visual")  # the list of names lies above
    assert one.labels == tuple(NAMES)
    np.testing.assert_array_equal(one.array(), layers["visual"])
    (tmp_path / "visual" / "features_train_2-4.npy").unlink()
    with pytest.raises(ValueError, match=r"features_train_4-5\.npy holds 1 rows where .* leave 3; a part is missing"):
        open_features(tmp_path).array("visual")


def test_a_file_per_layer(tmp_path: Path, x: np.ndarray) -> None:
    np.save(tmp_path / "conv10.npy", x.astype(np.float32))
    np.save(tmp_path / "conv2.npy", x + 1)
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "notes.md").write_text("not features")
    feats = open_features(tmp_path)
    assert (feats.layers, feats.labels) == (("conv2", "conv10"), None)
    np.testing.assert_array_equal(feats.array("conv2"), x + 1)
    assert open_features(tmp_path, labels=list("abcde")).labels == ("a", "b", "c", "d", "e")
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    assert open_features(tmp_path).labels == tuple(NAMES)
    np.save(tmp_path / "fc.npy", x[:4])
    with pytest.raises(ValueError, match=r"fc\.npy holds 4 rows where conv2\.npy holds 5"):
        open_features(tmp_path).array("fc")
    np.save(tmp_path / "fc.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"fc\.npy holds pickled Python objects"):
        open_features(tmp_path).array("fc")


def test_tables_of_other_orders_are_brought_into_one(tmp_path: Path, x: np.ndarray) -> None:
    frame = pd.DataFrame(x, index=pd.Index(NAMES, name="name"))
    frame.to_csv(tmp_path / "a.csv")
    (frame + 1).sort_index(ascending=False).to_csv(tmp_path / "b.csv")
    feats = open_features(tmp_path)
    assert feats.labels == tuple(NAMES)
    np.testing.assert_array_equal(feats.array("b"), x + 1)
    (frame + 1).rename(index={NAMES[0]: "other"}).to_csv(tmp_path / "b.csv")
    with pytest.raises(
        ValueError, match=r"b\.csv does not name the items that the folder lists \('other', 'aardvark/a_01\.jpg' stand"
    ):
        open_features(tmp_path).array("b")


def test_one_file_of_several_layers(tmp_path: Path, x: np.ndarray) -> None:
    np.savez(tmp_path / "net.npz", a=x, b=x + 1)
    feats = open_features(tmp_path)
    assert feats.layers == ("a", "b")
    np.testing.assert_array_equal(feats.array("b"), x + 1)
    np.save(tmp_path / "c.npy", x)
    with pytest.raises(ValueError, match=r"net\.npz holds the arrays 'a', 'b'; beside other files it must hold one"):
        open_features(tmp_path).array("net")


def test_a_layer_in_two_formats_is_refused(tmp_path: Path, x: np.ndarray) -> None:
    np.save(tmp_path / "features.npy", x)
    np.savetxt(tmp_path / "features.txt", x)
    with pytest.raises(ValueError, match=r"holds 'features' more than once \('features\.npy', 'features\.txt'\)"):
        open_features(tmp_path)
    (tmp_path / "features.txt").unlink()
    np.save(tmp_path / "features_0-2.npy", x[:2])
    with pytest.raises(ValueError, match="holds 'features' more than once"):
        open_features(tmp_path)


def test_labels_and_lists_exclude_each_other(tmp_path: Path, names: Path, x: np.ndarray) -> None:
    np.save(tmp_path / "features.npy", x)
    with pytest.raises(ValueError, match="stores its own labels; leave labels out"):
        open_features(tmp_path, labels=list("abcde"))
    with pytest.raises(ValueError, match="is a folder, so it has no use for dataset="):
        open_features(tmp_path, dataset="x")


def test_one_layer_at_a_time_is_read(tmp_path: Path, x: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for layer in ("a", "b", "c"):
        np.save(tmp_path / f"{layer}.npy", x)
    from alignkit.models import _layer_files

    opened: list[str] = []
    read_file = _layer_files.read_file

    def spy(path: Path, **options: object) -> object:
        opened.append(path.stem)
        return read_file(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(_layer_files, "read_file", spy)
    feats = open_features(tmp_path)
    assert opened == ["a"]
    feats.array("c")
    assert opened == ["a", "c"]
