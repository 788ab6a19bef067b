from __future__ import annotations

import re

import h5py
import numpy as np
import pytest
from reference.matlab73 import write_matlab73
from scipy.io import savemat

from alignkit.meg._read_matlab import read_matlab

pytest.importorskip("pymatreader")

CONTENT = {"a": {"x": np.arange(6.0).reshape(2, 3), "name": "cat", "previous": "long ago"}, "b": ["one", "two"]}


def test_old_and_new_versions_alike(tmp_path):
    savemat(tmp_path / "old.mat", {**CONTENT, "b": np.array(["one", "two"], dtype=object)})
    write_matlab73(tmp_path / "new.mat", CONTENT)
    for name in ("old.mat", "new.mat"):
        content = read_matlab(tmp_path / name)
        assert sorted(content) == ["a", "b"]
        assert np.array_equal(content["a"]["x"], CONTENT["a"]["x"])
        assert content["a"]["name"] == "cat"
        assert list(content["b"]) == ["one", "two"]


@pytest.mark.parametrize("name", ["old.mat", "new.mat"])
def test_every_truncation_gives_one_sentence(tmp_path, name):
    path = tmp_path / name
    (savemat if name == "old.mat" else write_matlab73)(path, {"a": CONTENT["a"]})
    whole = path.read_bytes()
    for size in [1, 64, 127, 140, *range(200, len(whole) - 8, max(1, len(whole) // 40))]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
            read_matlab(path)
        assert "\n" not in str(caught.value)
        assert "truncated" in str(caught.value) or "damaged" in str(caught.value)


def test_nothing_outside_is_followed(tmp_path):
    with h5py.File(tmp_path / "other.mat", "w") as file:
        file["secret"] = np.arange(4.0)
    path = tmp_path / "evil.mat"
    for link in (h5py.ExternalLink("other.mat", "secret"), h5py.SoftLink("/x")):
        write_matlab73(path, {"a": {"x": np.zeros((2, 2))}})
        with h5py.File(path, "r+") as file:
            file["a"]["link"] = link
        with pytest.raises(ValueError, match="'link' only points elsewhere"):
            read_matlab(path)
    write_matlab73(path, {"a": {"x": np.zeros((2, 2))}})
    with h5py.File(path, "r+") as file:
        file["a"].create_dataset("y", (4, 6), "f4", external=[(str(tmp_path / "other.mat"), 0, 96)])
    with pytest.raises(ValueError, match="'/a/y' lies in other files"):
        read_matlab(path)


def test_what_unfolds_without_end(tmp_path):
    path = tmp_path / "a.mat"
    write_matlab73(path, {"a": {"x": np.zeros((2, 2))}})
    with h5py.File(path, "r+") as file:
        file["a"]["self"] = file["a"]
    with pytest.raises(ValueError, match="its parts hold each other"):
        read_matlab(path)
    write_matlab73(path, {"a": "x"})
    with h5py.File(path, "r+") as file:  # ten references each to the one before: 10^12 in all
        last = file["a"]
        for i in range(12):
            cells = np.empty(10, dtype=h5py.ref_dtype)
            cells[:] = last.ref
            last = file.create_dataset(f"c{i}", data=cells)
            last.attrs["MATLAB_class"] = np.bytes_("cell")
    with pytest.raises(ValueError, match="expands to more than the 8 GiB allowed"):
        read_matlab(path)
    write_matlab73(path, {"a": "x"})
    with h5py.File(path, "r+") as file:
        file.create_dataset("huge", (10**6, 10**6), "f8", chunks=(100, 100))
    with pytest.raises(ValueError, match="expands to more than the 8 GiB allowed"):
        read_matlab(path)


def test_earlier_steps_are_left_alone(tmp_path):
    write_matlab73(tmp_path / "a.mat", {"a": {"x": np.zeros((2, 3)), "previous": {"y": 1.0}}})
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        file["a"]["previous"].create_dataset("huge", (10**6, 10**6), "f8", chunks=(100, 100))
    assert list(read_matlab(tmp_path / "a.mat")["a"]) == ["x"]
