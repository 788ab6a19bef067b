from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from alignkit.models import open_features


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(4, 6)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["h5", "hdf5"])
@pytest.mark.parametrize("kind", ["bytes", "variable"])
def test_one_data_set_and_its_names(tmp_path: Path, x: np.ndarray, suffix: str, kind: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    names = ["a", "кот", "c", "d"]
    with h5py.File(path, "w") as file:
        file["features"] = x
        file["labels"] = [name.encode() for name in names] if kind == "bytes" else names
        file["note"] = "made by hand"
        file["sizes"] = np.arange(4)
    feats = open_features(path)
    assert (feats.name, feats.labels, feats.layers) == ("clip", tuple(names), ("features",))
    assert feats.array().dtype == np.float32
    np.testing.assert_array_equal(feats.array(), x)


def test_layers_in_groups_in_their_natural_order(tmp_path: Path, x: np.ndarray) -> None:
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        for number in (10, 2, 1):
            file[f"net/conv{number}"] = x * number
        file["net/names"] = list("abcd")
    feats = open_features(path)
    assert feats.layers == ("net/conv1", "net/conv2", "net/conv10")
    assert feats.labels == ("a", "b", "c", "d")
    np.testing.assert_array_equal(feats.array("net/conv10"), x * 10)
    one = open_features(path, dataset="net/conv2")
    np.testing.assert_array_equal(one.array(), x * 2)
    with pytest.raises(ValueError, match=r"net\.h5 holds no array 'fc'; it has 'net/conv1'"):
        open_features(path, dataset="fc")


def test_one_data_set_per_item(tmp_path: Path, x: np.ndarray) -> None:
    path = tmp_path / "items.h5"
    with h5py.File(path, "w") as file:
        for name, row in zip("dbca", x, strict=True):
            file[name] = row
    feats = open_features(path)
    assert feats.labels == ("a", "b", "c", "d")
    np.testing.assert_array_equal(feats.array(), x[[3, 1, 2, 0]])


def test_parts_that_thingsvision_splits(tmp_path: Path, x: np.ndarray) -> None:
    path = tmp_path / "features.hdf5"
    with h5py.File(path, "w") as file:
        file["features_01"], file["features_02"], file["features_03"] = x[:2], x[2:3], x[3:]
    np.testing.assert_array_equal(open_features(path).array(), x)
    with h5py.File(path, "a") as file:
        del file["features_02"]
    with pytest.raises(ValueError, match=r"features\.hdf5 lacks part 2 of the features"):
        open_features(path)


def test_several_sizes_ask_for_a_name(tmp_path: Path, x: np.ndarray) -> None:
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["train"], file["test"] = x, x[:2]
    with pytest.raises(ValueError, match=r"two\.h5 holds arrays of different numbers of rows .*with dataset="):
        open_features(path)
    assert len(open_features(path, dataset="test")) == 2
    with h5py.File(path, "w") as file:
        file["x"], file["first"], file["second"] = x, list("abcd"), list("efgh")
    with pytest.raises(
        ValueError, match=r"several texts that could name its items \('first', 'second'\); pass labels="
    ):
        open_features(path)


def write_matlab(path: Path, x: np.ndarray) -> None:
    """Write what MATLAB's save -v7.3 writes: arrays turned round, cells as references to letters."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = x.T
        file["x"].attrs["MATLAB_class"] = np.bytes_("single")
        cells = np.empty((1, 4), dtype=h5py.ref_dtype)
        for i, name in enumerate(["a", "кот", "c d", "d"]):
            codes = np.frombuffer(name.encode("utf-16-le"), dtype="<u2").reshape(-1, 1)
            item = file.create_dataset(f"#refs#/{i}", data=codes)
            item.attrs["MATLAB_class"] = np.bytes_("char")
            cells[0, i] = item.ref
        file.create_dataset("names", data=cells).attrs["MATLAB_class"] = np.bytes_("cell")
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def test_matlab_version_73(tmp_path: Path, x: np.ndarray) -> None:
    path = tmp_path / "net.mat"
    write_matlab(path, x)
    feats = open_features(path)
    assert feats.labels == ("a", "кот", "c d", "d")
    np.testing.assert_array_equal(feats.array(), x)


def test_nothing_outside_the_file_is_read(tmp_path: Path, x: np.ndarray) -> None:
    np.arange(24, dtype="f4").tofile(tmp_path / "secret.raw")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = x
    path = tmp_path / "evil.h5"
    with h5py.File(path, "w") as file:
        file["link"] = h5py.ExternalLink("other.h5", "secret")
        file["group"] = h5py.SoftLink("/")
    with pytest.raises(ValueError, match=r"evil\.h5 holds no array of real numbers"):
        open_features(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (4, 6), "f4", external=[(str(tmp_path / "secret.raw"), 0, 96)])
    with pytest.raises(ValueError, match="'x' lies in other files, which alignkit does not follow"):
        open_features(path)
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((4, 6), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "secret", (4, 6))
        file.create_virtual_dataset("x", layout)
    with pytest.raises(ValueError, match="'x' lies in other files"):
        open_features(path)


def test_circles_damage_and_claims(tmp_path: Path, x: np.ndarray) -> None:
    path = tmp_path / "evil.h5"
    with h5py.File(path, "w") as file:
        file["x"] = x
        file["again"] = file["/"]  # a group inside itself
    np.testing.assert_array_equal(open_features(path).array(), x)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (10**6, 10**6), "f4", chunks=(1000, 1000))  # no bytes, and 3.6 TiB of zeros
    with pytest.raises(ValueError, match=r"evil\.h5: 'x' takes .* GiB, more than the 8 GiB allowed"):
        open_features(path)
    with h5py.File(path, "w") as file:
        file["x"] = np.random.default_rng(0).normal(size=(200, 50))
    whole = path.read_bytes()
    for length in (5, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"evil\.h5 is not a readable HDF5 file \(.*truncated or damaged"):
            open_features(path).array()
