from __future__ import annotations

import random
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from alignkit.models import open_features


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(3, 4))


def test_arrays_of_one_file_are_layers(tmp_path: Path, x: np.ndarray) -> None:
    layers = {"conv2": x, "conv10": x + 1, "labels": np.array(["a", "b", "c"])}
    np.savez(tmp_path / "net.npz", **layers)
    savemat(tmp_path / "net.mat", {**layers, "labels": np.array(["a", "b", "c"], dtype=object), "n": 5})
    torch.save({"conv2": torch.from_numpy(x), "conv10": torch.from_numpy(x + 1)}, tmp_path / "net.pt")
    for suffix in ("npz", "mat", "pt"):
        feats = open_features(tmp_path / f"net.{suffix}")
        assert feats.layers == ("conv2", "conv10"), suffix
        assert feats.labels == (None if suffix == "pt" else ("a", "b", "c"))
        np.testing.assert_array_equal(feats.array("conv10"), x + 1)
        one = open_features(tmp_path / f"net.{suffix}", dataset="conv2")
        np.testing.assert_array_equal(one.array(), x)


def test_names_of_bytes_and_of_matlab_characters(tmp_path: Path, x: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", features=x, labels=np.array([b"a", "кот".encode(), b"c"]))
    assert open_features(tmp_path / "a.npz").labels == ("a", "кот", "c")
    savemat(tmp_path / "a.mat", {"x": x, "names": np.array(["a", "long", "c"])})  # padded to one length
    assert open_features(tmp_path / "a.mat").labels == ("a", "long", "c")


def test_a_matlab_file_of_one_variable_per_item(tmp_path: Path, x: np.ndarray) -> None:
    names = ["zebra_01b", "aardvark_02s", "1/path/img"]
    savemat(tmp_path / "features.mat", dict(zip(names, x, strict=True)))  # as thingsvision writes it
    feats = open_features(tmp_path / "features.mat")
    assert feats.labels == tuple(names)
    np.testing.assert_array_equal(feats.array(), x)


def test_tensors(tmp_path: Path, x: np.ndarray) -> None:
    tensor = torch.from_numpy(x).float()
    torch.save(tensor.requires_grad_(), tmp_path / "a.pt")
    feats = open_features(tmp_path / "a.pt", labels=["a", "b", "c"])
    assert feats.array().dtype == np.float32
    np.testing.assert_array_equal(feats.array(), x.astype(np.float32))
    torch.save(tensor.detach().bfloat16(), tmp_path / "half.pth")
    np.testing.assert_allclose(open_features(tmp_path / "half.pth").array(), x, rtol=0.01)


def test_names_that_lie_beside_an_array(tmp_path: Path, x: np.ndarray) -> None:
    np.save(tmp_path / "clip.npy", x)
    (tmp_path / "file_names.txt").write_text("a.jpg\nb\\b.jpg\nc.jpg\n")
    feats = open_features(tmp_path / "clip.npy")
    assert feats.labels == ("a.jpg", "b/b.jpg", "c.jpg")
    assert feats.manifest["source"] == {"file": "clip.npy", "names": "file_names.txt"}
    (tmp_path / "clip_names.txt").write_text("x\ny\nz\n")
    assert open_features(tmp_path / "clip.npy").labels == ("x", "y", "z")
    assert open_features(tmp_path / "clip.npy", labels=["1", "2", "3"]).labels == ("1", "2", "3")
    (tmp_path / "clip_names.txt").write_text("x\ny\n")
    with pytest.raises(ValueError, match=r"clip\.npy: labels must hold one label per item: expected 3, got 2"):
        open_features(tmp_path / "clip.npy")


def test_files_that_are_no_features(tmp_path: Path, x: np.ndarray) -> None:
    torch.save({"x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil\.pt holds more than plain tensors, which alignkit never loads"):
        open_features(tmp_path / "evil.pt")
    torch.save([torch.ones(2)], tmp_path / "list.pt")
    with pytest.raises(ValueError, match=r"list\.pt holds a list; a tensor, or tensors by name, are expected"):
        open_features(tmp_path / "list.pt")
    torch.save(torch.ones(1).expand(10**5, 10**6), tmp_path / "view.pt")
    with pytest.raises(ValueError, match=r"view\.pt: 'features' takes 372\.5 GiB, more than the 8 GiB allowed"):
        open_features(tmp_path / "view.pt")
    torch.save(torch.eye(3).to_sparse(), tmp_path / "sparse.pt")
    with pytest.raises(ValueError, match=r"sparse\.pt: 'features' is no plain dense tensor"):
        open_features(tmp_path / "sparse.pt")
    np.savez(tmp_path / "evil.npz", features=np.array([Evil()], dtype=object))
    with pytest.raises(ValueError, match=r"evil\.npz holds pickled Python objects"):
        open_features(tmp_path / "evil.npz")
    savemat(tmp_path / "text.mat", {"names": "abc"})
    with pytest.raises(ValueError, match=r"text\.mat holds no array of real numbers"):
        open_features(tmp_path / "text.mat")
    np.save(tmp_path / "a.npy", x)
    with pytest.raises(ValueError, match=r"a\.npy holds one array, so it has no use for dataset="):
        open_features(tmp_path / "a.npy", dataset="x")


def test_torch_is_asked_for_by_its_extra(tmp_path: Path, x: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(torch.from_numpy(x), tmp_path / "a.pt")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"this needs the package 'torch'; install it with: .*alignkit\[train\]"):
        open_features(tmp_path / "a.pt")


@pytest.mark.parametrize("suffix", ["npy", "npz", "mat", "h5", "pt", "csv"])
def test_damaged_files_are_named(tmp_path: Path, x: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"bad.{suffix}"
    if suffix == "npy":
        np.save(path, x)
    elif suffix == "npz":
        np.savez_compressed(path, features=x, labels=np.array(["a", "b", "c"]))
    elif suffix == "mat":
        savemat(path, {"x": x, "names": np.array(["a", "b", "c"], dtype=object)}, do_compression=True)
    elif suffix == "h5":
        with h5py.File(path, "w") as file:
            file["x"], file["names"] = x, ["a", "b", "c"]
    elif suffix == "pt":
        torch.save(torch.from_numpy(x), path)
    else:
        path.write_text("name,f\na,1\nb,2\nc,3\n")
    whole = path.read_bytes()
    draw = random.Random(0)
    for _ in range(60):
        damaged = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.choice([0, 1, 8])):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numbers that became too large for their type
            try:
                open_features(path).array()
            except (ValueError, TypeError) as error:
                assert f"bad.{suffix}" in str(error) or "the features 'bad'" in str(error), error  # noqa: PT017
