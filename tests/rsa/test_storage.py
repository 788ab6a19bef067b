from __future__ import annotations

import json
import sys
import zipfile

import numpy as np
import pytest
from scipy.io import savemat

from alignkit.rsa import RDM, _storage, squareform

LABELS = ("zebra", "café", "日本", "ant")
SUFFIXES = (".npz", ".zarr")


@pytest.fixture
def stack(rng) -> RDM:
    values = rng.random((2, 3, 6))
    values[0, 1] = np.nan
    coords = {"subject": ["s2", "s1"], "time": [-0.1, 0.0, 0.1]}
    provenance = {"normalize": False, "noise": None, "who": "Zoë"}
    return RDM(values, LABELS, dims=["subject", "time"], coords=coords, metric="cosine", provenance=provenance)


def assert_same(a: RDM, b: RDM) -> None:
    assert np.array_equal(a.values, b.values, equal_nan=True)
    assert (a.labels, a.dims, a.metric, a.provenance) == (b.labels, b.dims, b.metric, b.provenance)
    assert {k: v.tolist() for k, v in a.coords.items()} == {k: v.tolist() for k, v in b.coords.items()}
    assert {k: v.dtype.kind for k, v in a.coords.items()} == {k: v.dtype.kind for k, v in b.coords.items()}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(stack, suffix, tmp_path):
    for a in (stack, RDM([1, 2, 3]), RDM(np.zeros((6, 6)), dims=["subject"]), RDM(np.full((3, 3), np.nan), dims=["s"])):
        path = tmp_path / f"rdm{suffix}"
        a.save(path)
        assert_same(RDM.load(path), a)
        assert_same(RDM.load(str(path)), a)
    assert [p.name for p in tmp_path.iterdir()] == [f"rdm{suffix}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_dates_as_coordinates(suffix, tmp_path):
    days = np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]")
    a = RDM(np.ones((2, 3)), dims=["day"], coords={"day": days})
    a.save(tmp_path / f"a{suffix}")
    assert RDM.load(tmp_path / f"a{suffix}").coords["day"].astype("M8[D]").tolist() == days.tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_save_that_fails_leaves_the_old_file(stack, suffix, tmp_path, monkeypatch):
    path = tmp_path / f"rdm{suffix}"
    stack.save(path)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace" if suffix == ".npz" else "alignkit.rsa._storage.exchange", fail)
        with pytest.raises(OSError, match=r"(?i)no space left"):
            RDM([1, 2, 3]).save(path)
    assert_same(RDM.load(path), stack)
    assert [p.name for p in tmp_path.iterdir()] == [f"rdm{suffix}"]


def test_a_zarr_swap_that_fails_halfway_puts_the_old_folder_back(stack, tmp_path, monkeypatch):
    from pathlib import Path

    path = tmp_path / "rdm.zarr"
    stack.save(path)
    rename = Path.rename

    def fail_for_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(4, "interrupted")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(_storage, "exchange", lambda *_: False)  # a system that cannot
        patch.setattr(Path, "rename", fail_for_new)
        with pytest.raises(OSError, match="interrupted"):
            RDM([1, 2, 3]).save(path)
    assert_same(RDM.load(path), stack)
    assert [p.name for p in tmp_path.iterdir()] == ["rdm.zarr"]


@pytest.mark.parametrize("can", [True, False])
def test_a_zarr_folder_is_replaced_by_another(stack, tmp_path, monkeypatch, can):
    if not can:
        monkeypatch.setattr(_storage, "exchange", lambda *_: False)
    path = tmp_path / "rdm.zarr"
    RDM(np.ones((2, 300))).save(path)
    stack.save(path)
    assert_same(RDM.load(path), stack)
    assert [p.name for p in tmp_path.iterdir()] == ["rdm.zarr"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux exchanges folders")
def test_the_old_zarr_folder_is_never_away(stack, tmp_path, monkeypatch):
    from pathlib import Path

    path = tmp_path / "rdm.zarr"
    stack.save(path)
    rename = Path.rename

    def watch(self: Path, target: Path) -> Path:
        assert self != path, "the old folder steps aside: a kill now would leave none"
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watch)
    stack.save(path)
    assert_same(RDM.load(path), stack)


def test_zarr_folder_is_readable_by_others(stack, tmp_path):
    stack.save(tmp_path / "a.zarr")
    plain = tmp_path / "plain"
    plain.mkdir()
    assert (tmp_path / "a.zarr").stat().st_mode == plain.stat().st_mode


# ---- bad targets -----------------------------------------------------------------------------------------------------


def test_bad_targets(stack, tmp_path):
    with pytest.raises(ValueError, match=r"saved as \.npz or \.zarr"):
        stack.save(tmp_path / "a.pkl")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(IsADirectoryError, match="is a directory; give a file name"):
        stack.save(tmp_path / "folder.npz")
    for suffix in SUFFIXES:
        with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
            stack.save(tmp_path / "nowhere" / f"a{suffix}")
    (tmp_path / "notes.zarr").mkdir()
    (tmp_path / "notes.zarr" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(ValueError, match="exists and is not a zarr folder; choose another name"):
        stack.save(tmp_path / "notes.zarr")
    assert (tmp_path / "notes.zarr" / "thesis.txt").read_text() == "irreplaceable"
    (tmp_path / "file.zarr").write_text("text")
    with pytest.raises(ValueError, match="exists and is not a zarr folder"):
        stack.save(tmp_path / "file.zarr")


# ---- bad sources -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy", ".mat", ".csv"])
def test_missing(suffix, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        RDM.load(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".mat", ".csv"])
def test_empty_file_and_directory(suffix, tmp_path):
    (tmp_path / f"a{suffix}").touch()
    with pytest.raises(ValueError, match="is empty"):
        RDM.load(tmp_path / f"a{suffix}")
    (tmp_path / f"b{suffix}").mkdir()
    with pytest.raises(IsADirectoryError, match="is a directory"):
        RDM.load(tmp_path / f"b{suffix}")


@pytest.mark.parametrize("keep", [0.02, 0.3, 0.6, 0.95])
def test_truncated_npz(stack, keep, tmp_path):
    path = tmp_path / "a.npz"
    stack.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ValueError, match="truncated or damaged"):
        RDM.load(path)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickles_are_never_opened(tmp_path):
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.savez(tmp_path / "a.npz", values=trap, allow_pickle=True)
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    for suffix in (".npz", ".npy"):
        with pytest.raises(ValueError, match="pickle"):
            RDM.load(tmp_path / f"a{suffix}")
    assert not (tmp_path / "sprung").exists()


def test_zarr_version_2_with_a_pickle_filter_is_never_opened(tmp_path):
    folder = tmp_path / "a.zarr"
    (folder / "values").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps({"alignkit": {"schema": "alignkit.RDM/1"}}))
    header = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": None, "order": "C"}
    header |= {"compressor": None, "filters": [{"id": "pickle", "protocol": 5}]}
    (folder / "values" / ".zarray").write_text(json.dumps(header))
    import pickle

    (folder / "values" / "0").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ValueError, match="not a readable zarr folder"):
        RDM.load(folder)
    assert not (tmp_path / "sprung").exists()


def test_wrong_schema(stack, tmp_path):
    path = tmp_path / "a.npz"
    stack.save(path)
    rewrite(path, {"schema": "alignkit.Triplets/1"})
    with pytest.raises(ValueError, match=r"is not an RDM saved by alignkit.*got 'alignkit.Triplets/1'"):
        RDM.load(path)


@pytest.mark.parametrize(
    "change",
    [{"dims": 3}, {"dims": ["subject"]}, {"dims": None}, {"provenance": 7}, {"dims": ["a", "a"]}],
)
def test_a_header_that_does_not_fit(stack, change, tmp_path):
    path = tmp_path / "a.npz"
    stack.save(path)
    rewrite(path, change)
    with pytest.raises(ValueError, match="is damaged: its parts do not make an RDM"):
        RDM.load(path)


def rewrite(path, change):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    meta = {**json.loads(arrays["alignkit.json"].tobytes()), **change}
    arrays["alignkit.json"] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    np.savez(path, **arrays)


@pytest.mark.parametrize("part", ["values", "labels"])
def test_an_archive_that_lacks_a_part(stack, part, tmp_path):
    path, other = tmp_path / "a.npz", tmp_path / "b.npz"
    stack.save(path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            if name != f"{part}.npy":
                new.writestr(name, old.read(name))
    if part == "labels":
        assert RDM.load(other).labels is None
    else:
        with pytest.raises(ValueError, match="is damaged: its values are missing"):
            RDM.load(other)


def test_damaged_zarr(stack, tmp_path):
    path = tmp_path / "a.zarr"
    stack.save(path)
    chunk = next(p for p in (path / "values").rglob("*") if p.is_file() and p.name != "zarr.json")
    chunk.unlink()
    with pytest.raises(ValueError, match="1 of 1 chunks of 'values' are missing"):
        RDM.load(path)
    (path / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match="not a readable zarr folder"):
        RDM.load(path)
    (tmp_path / "file.zarr").write_text("text")
    with pytest.raises(ValueError, match=r"is a file; a \.zarr folder is expected"):
        RDM.load(tmp_path / "file.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(ValueError, match="not a readable zarr folder"):
        RDM.load(tmp_path / "empty.zarr")


def test_zarr_bomb(stack, tmp_path):
    path = tmp_path / "a.zarr"
    stack.save(path)
    header = json.loads((path / "values" / "zarr.json").read_text())
    header["shape"] = [1_000_000, 1_000_000, 6]
    (path / "values" / "zarr.json").write_text(json.dumps(header))
    with pytest.raises(ValueError, match=r"expands to 44703\.5 GiB"):
        RDM.load(path)


def test_a_foreign_zarr(tmp_path):
    import zarr

    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("values", data=np.ones(3))
    with pytest.raises(ValueError, match="is not an RDM saved by alignkit"):
        RDM.load(tmp_path / "a.zarr")


def test_a_zarr_folder_without_its_values(stack, tmp_path):
    stack.save(tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "values" / "zarr.json").unlink()
    with pytest.raises(ValueError, match=r"a\.zarr is damaged: its values are missing"):  # and no warning
        RDM.load(tmp_path / "a.zarr")


# ---- plain files of others -------------------------------------------------------------------------------------------


def test_plain_files(tmp_path, rng):
    square = squareform(rng.random((2, 6)))
    np.save(tmp_path / "a.npy", square)
    np.savez(tmp_path / "b.npz", Net_RDM=square)
    savemat(tmp_path / "c.mat", {"RDM": square})
    for name in ("a.npy", "b.npz", "c.mat"):
        a = RDM.load(tmp_path / name)
        assert np.array_equal(a.squareform(), square)
        assert a.provenance == {"file": name}
    np.savetxt(tmp_path / "d.csv", square[0], delimiter=",")
    assert np.allclose(RDM.load(tmp_path / "d.csv").squareform(), square[0], atol=1e-15)


def test_plain_files_that_hold_no_rdm(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(12.0).reshape(3, 4))
    with pytest.raises(ValueError, match=r"a\.npy: values .*\(3, 4\)|a\.npy: values has 4 values"):
        RDM.load(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", a=np.ones(3), b=np.ones(3))
    with pytest.raises(ValueError, match="holds 2 arrays"):
        RDM.load(tmp_path / "b.npz")
    np.save(tmp_path / "c.npy", np.array(["a", "b", "c"]))
    with pytest.raises(TypeError, match=r"c\.npy: values must hold real numbers"):
        RDM.load(tmp_path / "c.npy")
