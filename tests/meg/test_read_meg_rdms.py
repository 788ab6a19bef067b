from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from alignkit.meg import RDMStore, _rdm_array, read_meg_rdms
from alignkit.meg._read_meg_rdms import sizes_of_rdms
from alignkit.rsa import RDM

ROOT = Path(__file__).resolve().parents[2]
N = 5
LABELS = tuple("abcde")


def squares(rng: np.random.Generator, *shape: int, diagonal: float = np.nan, levels: int = 24) -> np.ndarray:
    """Return symmetric accuracies of shape (..., 5, 5)."""
    upper = np.triu(rng.integers(0, levels + 1, (*shape, N, N)) / levels, 1)
    full = upper + np.swapaxes(upper, -1, -2)
    full[..., range(N), range(N)] = diagonal
    return full


def condensed(full: np.ndarray) -> np.ndarray:
    return full[..., *np.triu_indices(N, 1)]


def write_v73(path: Path, name: str, array: np.ndarray, **options: Any) -> Path:
    """Write what MATLAB would: the axes the other way round, after a header of 512 bytes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        data = file.create_dataset(name, data=array.T, **options)
        data.attrs["MATLAB_class"] = np.bytes_("double")
    return path


# --- layouts


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 2, N, N), "compression": "gzip"}])
def test_things(rng, tmp_path, options):
    full = squares(rng, 4, 7)  # subject, time
    matlab = full.transpose(2, 3, 1, 0)
    path = write_v73(tmp_path / "validation-pairwise_decoding_RDM1854.mat", "mat", matlab, **options)
    with h5py.File(path) as file:
        assert file["mat"].shape == (4, 7, N, N)  # as notes on the published file say
    rdm = read_meg_rdms(path, times=(-0.1, 0.2), labels=LABELS)
    assert (rdm.dims, rdm.labels, rdm.metric) == (("subject", "time"), LABELS, "decoding")
    assert rdm.coords["subject"].tolist() == [1, 2, 3, 4]
    assert rdm.coords["time"].tolist() == [-0.1, -0.05, 0, 0.05, 0.1, 0.15, 0.2]
    assert np.array_equal(rdm.values, condensed(full))
    assert rdm.provenance == {"file": path.name, "variable": "mat"}


def test_things_has_its_own_times_and_labels(rng, tmp_path):
    full = squares(rng, 2, 281)
    rdm = read_meg_rdms(write_v73(tmp_path / "a.mat", "mat", full.transpose(2, 3, 1, 0)))
    assert rdm.coords["time"][[0, 1, 20, 280]].tolist() == [-0.1, -0.095, 0.0, 1.3]
    assert rdm.labels is None  # of five items
    n = 1854
    path = tmp_path / "b.npy"
    stack = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(1, 1, n, n))
    stack[...] = 0.5
    stack[..., range(n), range(n)] = 0
    rdm = read_meg_rdms(path, times=[0.1])
    assert rdm.labels is not None
    assert (rdm.labels[0], rdm.labels[-1]) == ("1", "1854")
    assert rdm.values.dtype == np.float32


def test_92_images(rng, tmp_path):
    full = squares(rng, 3, 2, 7)  # subject, session, time
    new = write_v73(tmp_path / "MEG_decoding_RDMs.mat", "MEG_decoding_RDMs", full)
    with h5py.File(new) as file:
        assert file["MEG_decoding_RDMs"].shape == (N, N, 7, 2, 3)
    old = tmp_path / "old.mat"
    savemat(old, {"MEG_decoding_RDMs": full})
    for path in (new, old):
        rdm = read_meg_rdms(path, times=(-0.1, 0.5))
        assert rdm.dims == ("subject", "session", "time")
        assert rdm.coords["session"].tolist() == [1, 2]
        assert np.array_equal(rdm.values, condensed(full))


@pytest.mark.parametrize(("n_times", "last"), [(1301, 1.2), (1101, 1.0), (221, 1.0)])
def test_known_times(rng, tmp_path, n_times, last):
    path = tmp_path / "a.npy"
    np.save(path, squares(rng, 2, n_times, diagonal=0))
    times = read_meg_rdms(path).coords["time"]
    assert (times[0], times[-1], len(times)) == (-0.1, last, n_times)
    assert 0.0 in times


def test_118_images(rng, tmp_path):
    full = squares(rng, 3, 1, 7)
    savemat(tmp_path / "a.mat", {"MEG_decoding_RDMs": full})
    savemat(tmp_path / "b.mat", {"MEG_decoding_RDMs": full[:, 0]})
    for name in ("a.mat", "b.mat"):
        rdm = read_meg_rdms(tmp_path / name, times=(-0.1, 0.5))
        assert rdm.dims == ("subject", "time")  # one session is none
        assert np.array_equal(rdm.values, condensed(full[:, 0]))


def test_grootswagers_2017(rng, tmp_path):
    full = squares(rng, 3, 7, diagonal=0)  # subject, time
    matlab = full.transpose(0, 2, 3, 1)
    savemat(tmp_path / "v5.mat", {"result_dsm": matlab, "other": np.zeros((2, 2))})
    write_v73(tmp_path / "v73.mat", "result_dsm", matlab)
    for name in ("v5.mat", "v73.mat"):
        rdm = read_meg_rdms(tmp_path / name, times=(-0.1, 0.5))
        assert rdm.dims == ("subject", "time")
        assert np.array_equal(rdm.values, condensed(full))


@pytest.mark.parametrize("diagonal", [0.0, np.nan])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stacks_in_npy(rng, tmp_path, diagonal, dtype):
    full = squares(rng, 4, 7, diagonal=diagonal).astype(dtype)
    np.save(tmp_path / "ThingsMEG_RDM_4P.npy", full)
    rdm = read_meg_rdms(tmp_path / "ThingsMEG_RDM_4P.npy", times=np.arange(7) / 10)
    assert rdm.values.dtype == dtype
    assert np.array_equal(rdm.values, condensed(full))
    assert read_meg_rdms(tmp_path / "ThingsMEG_RDM_4P.npy", times=(0, 1), dtype="float32").values.dtype == np.float32
    np.save(tmp_path / "one.npy", full[0])
    assert read_meg_rdms(tmp_path / "one.npy", times=(0, 1)).dims == ("time",)
    np.savez(tmp_path / "two.npz", rdm=full)
    assert read_meg_rdms(tmp_path / "two.npz", times=(0, 1)).shape == (4, 7)
    np.save(tmp_path / "sessions.npy", full[:, None].repeat(2, 1))
    assert read_meg_rdms(tmp_path / "sessions.npy", times=(0, 1)).shape == (4, 2, 7)


def test_axes_by_name(rng, tmp_path):
    full = squares(rng, 3, 7)
    write_v73(tmp_path / "a.mat", "d", full.transpose(1, 2, 3, 0))
    dims = ("time", "item", "item", "subject")
    rdm = read_meg_rdms(tmp_path / "a.mat", variable="d", dims=dims, times=(0, 1), metric="crossnobis")
    assert np.array_equal(rdm.values, condensed(full))
    assert rdm.metric == "crossnobis"
    with h5py.File(tmp_path / "python.h5", "w") as file:  # not turned round
        file["d"] = full.transpose(1, 2, 3, 0)
    assert np.array_equal(read_meg_rdms(tmp_path / "python.h5", dims=dims, times=(0, 1)).values, condensed(full))


# --- parts


def test_some_of_it(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(_rdm_array, "_BLOCK", 3 * 2 * 4 * N * N * 8)  # four times of all subjects and sessions
    full = squares(rng, 3, 2, 7)
    path = write_v73(tmp_path / "a.mat", "MEG_decoding_RDMs", full)
    kwargs: dict[str, Any] = {"times": (-0.1, 0.5)}
    rdm = read_meg_rdms(path, **kwargs, subject=[1, 3], session=2, tmin=0.1, tmax=0.3)
    assert rdm.dims == ("subject", "session", "time")
    assert rdm.coords["subject"].tolist() == [1, 3]
    assert rdm.coords["session"].tolist() == [2]
    assert rdm.coords["time"].tolist() == [0.1, 0.2, 0.3]
    assert np.array_equal(rdm.values, condensed(full[[0, 2]][:, 1:, 2:5]))
    assert np.array_equal(read_meg_rdms(path, **kwargs).values, condensed(full))
    assert np.array_equal(read_meg_rdms(path, **kwargs, subject=2).values, condensed(full[1:2]))


def test_only_a_stretch_of_time_is_read_at_once(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(_rdm_array, "_BLOCK", 2 * N * N * 8)
    full = squares(rng, 1, 7)
    path = write_v73(tmp_path / "a.mat", "mat", full.transpose(2, 3, 1, 0))
    seen = []
    read = _rdm_array.SquareArray._read
    monkeypatch.setattr(
        _rdm_array.SquareArray, "_read", lambda self, chosen: seen.append(len(chosen["time"])) or read(self, chosen)
    )
    assert np.array_equal(read_meg_rdms(path, times=(0, 1)).values, condensed(full))
    assert seen == [2, 2, 2, 1]


def test_what_is_compressed_in_one_piece_is_read_in_one_go(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(_rdm_array, "_BLOCK", 1)
    full = squares(rng, 2, 7)
    path = write_v73(tmp_path / "a.mat", "mat", full.transpose(2, 3, 1, 0), chunks=(1, 3, N, N))
    with _rdm_array.open_squares(path, variable=None, dims=("item", "item", "time", "subject"), known={}) as a:
        rows = [rows for rows, _ in a.blocks({"subject": np.arange(2), "session": np.arange(1), "time": np.arange(7)})]
    assert rows == [slice(0, 3), slice(3, 6), slice(6, 7)]


# --- to disk


def test_a_store_of_counts(rng, tmp_path):
    full = squares(rng, 4, 7)
    full[1, 3, 0, 1] = full[1, 3, 1, 0] = np.nan
    path = write_v73(tmp_path / "a.mat", "mat", full.transpose(2, 3, 1, 0))
    store = read_meg_rdms(path, times=(0, 0.6), labels=LABELS, subject=2, tmin=0.1, out=tmp_path / "p2.zarr")
    assert isinstance(store, RDMStore)
    assert (store.n_decisions, store.dtype, store.finished, store.labels) == (24, np.uint8, True, LABELS)
    assert np.array_equal(store.read(0, 6), condensed(full[1, 1:]), equal_nan=True)
    assert np.array_equal(RDM.load(tmp_path / "p2.zarr").values, condensed(full[1, 1:]), equal_nan=True)
    assert store.provenance == {"file": "a.mat", "file_bytes": path.stat().st_size, "variable": "mat", "subject": 2}
    again = read_meg_rdms(path, times=(0, 0.6), labels=LABELS, subject=2, tmin=0.1, out=tmp_path / "p2.zarr")
    assert again.finished
    with pytest.raises(FileExistsError, match="subject 2 there, 3 here"):
        read_meg_rdms(path, times=(0, 0.6), labels=LABELS, subject=3, tmin=0.1, out=tmp_path / "p2.zarr")
    other = read_meg_rdms(
        path, times=(0, 0.6), labels=LABELS, subject=3, dtype="float64", out=tmp_path / "p2.zarr", overwrite=True
    )
    assert (other.n_decisions, other.dtype) == (None, np.float64)
    assert np.array_equal(other.read(0, 7), condensed(full[2]))


def test_a_store_of_other_accuracies(rng, tmp_path):
    full = squares(rng, 1, 7, levels=48)
    path = write_v73(tmp_path / "a.mat", "mat", full.transpose(2, 3, 1, 0))
    store = read_meg_rdms(path, times=(0, 1), labels=LABELS, out=tmp_path / "a.zarr")
    assert (store.n_decisions, store.dtype) == (None, np.float32)
    np.save(tmp_path / "b.npy", squares(rng, 1, 1, 7))
    store = read_meg_rdms(tmp_path / "b.npy", times=(0, 1), labels=LABELS, out=tmp_path / "b.zarr")
    assert store.n_decisions is None


def test_accuracies_that_change_their_steps(rng, tmp_path):
    full = squares(rng, 1, 7)
    full[0, 5, 0, 1] = full[0, 5, 1, 0] = 0.123
    path = write_v73(tmp_path / "a.mat", "mat", full.transpose(2, 3, 1, 0))
    with pytest.raises(ValueError, match=r"a\.mat: it holds 0\.123, .*; pass dtype='float32' and overwrite=True"):
        read_meg_rdms(path, times=(0, 1), labels=LABELS, out=tmp_path / "a.zarr")
    store = read_meg_rdms(path, times=(0, 1), labels=LABELS, out=tmp_path / "a.zarr", dtype="float32", overwrite=True)
    assert np.array_equal(store.read(0, 7), condensed(full[0]).astype(np.float32))


def test_single_precision_of_the_other_byte_order(rng, tmp_path):
    full = squares(rng, 2, 7).astype(">f4")
    np.save(tmp_path / "a.npy", full)
    rdm = read_meg_rdms(tmp_path / "a.npy", times=(0, 1))
    assert rdm.values.dtype == np.float32
    assert np.array_equal(rdm.values, condensed(full.astype(np.float32)))


def test_a_store_holds_one_movie(rng, tmp_path):
    np.save(tmp_path / "a.npy", squares(rng, 3, 2, 7))
    with pytest.raises(ValueError, match=r"3 subjects and 2 sessions: choose one with subject= \(and session=\)"):
        read_meg_rdms(tmp_path / "a.npy", times=(0, 1), labels=LABELS, out=tmp_path / "a.zarr")
    with pytest.raises(ValueError, match=r"give the 5 of .* with labels="):
        read_meg_rdms(tmp_path / "a.npy", times=(0, 1), subject=1, session=1, out=tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()


RUN = """
import sys, time
from alignkit.meg import RDMStore, _rdm_array, read_meg_rdms
from alignkit.meg._read_meg_rdms import sizes_of_rdms
_rdm_array._BLOCK = 1
write = RDMStore.write
def slow(self, start, values):
    write(self, start, values)
    print(start, flush=True)
    time.sleep(float(sys.argv[1]))
RDMStore.write = slow
read_meg_rdms("a.mat", times=(0, 1), labels="a b c d e".split(), subject=2, out="a.zarr")
"""


def test_a_killed_run_continues(rng, tmp_path):
    full = squares(rng, 2, 30)
    write_v73(tmp_path / "a.mat", "mat", full.transpose(2, 3, 1, 0))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def start(pause: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RUN, pause]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)

    with start("0.02") as process:
        assert process.stdout is not None
        while process.stdout.readline() != "8\n":
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    done = RDMStore.open(tmp_path / "a.zarr").done
    with start("0") as process:
        printed, _ = process.communicate(timeout=60)
    assert printed.split() == [str(i) for i in np.flatnonzero(~done)]
    assert np.array_equal(RDM.load(tmp_path / "a.zarr").values, condensed(full[1]))


def test_progress_goes_to_stderr(rng, tmp_path, capsys):
    np.save(tmp_path / "a.npy", squares(rng, 3, 7))
    read_meg_rdms(tmp_path / "a.npy", times=(0, 1), progress=True)
    out, err = capsys.readouterr()
    assert not out
    assert "7/7" in err


# --- refusals


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, ValueError, r"has 7 samples, whose times are not known .* times=\(-0.1, 1.0\)"),
        ({"times": (1, 0)}, ValueError, "times must be 7 increasing numbers"),
        ({"times": np.arange(6)}, ValueError, "times must be 7 increasing numbers"),
        ({"times": (0, np.nan)}, ValueError, "times must be 7 increasing numbers"),
        ({"times": "now"}, TypeError, "real numbers"),
        ({"times": (0, 1), "tmin": 2}, ValueError, "has no time between tmin=2 and tmax=None"),
        ({"times": (0, 1), "subject": 0}, ValueError, r"subject must be ascending numbers from 1 to 3 \(a.npy has 3\)"),
        ({"times": (0, 1), "subject": 4}, ValueError, "from 1 to 3"),
        ({"times": (0, 1), "subject": [2, 1]}, ValueError, "ascending"),
        ({"times": (0, 1), "subject": []}, ValueError, "ascending"),
        ({"times": (0, 1), "subject": "P1"}, ValueError, "ascending"),
        ({"times": (0, 1), "session": 2}, ValueError, "from 1 to 1"),
        ({"times": (0, 1), "labels": LABELS[:4]}, ValueError, "expected 5, got 4"),
        ({"times": (0, 1), "labels": "abcde"}, TypeError, "sequence of labels"),
        ({"times": (0, 1), "dtype": "float16"}, ValueError, "one of 'float32', 'float64'"),
        ({"times": (0, 1), "metric": 3}, TypeError, "metric must be a text"),
        ({"dims": "item"}, ValueError, "dims must name each axis"),
        ({"dims": ("subject", "time", "item")}, ValueError, "dims must name each axis"),
        ({"dims": ("subject", "time", "item", "channel")}, ValueError, "dims must name each axis"),
        ({"dims": ("time", "item", "item")}, ValueError, "has shape 3 x 7 x 5 x 5, where time x item x item is"),
        ({"dims": ("item", "time", "subject", "item")}, ValueError, "where item x time x subject x item is expected"),
    ],
)
def test_bad_options(rng, tmp_path, options, error, text):
    np.save(tmp_path / "a.npy", squares(rng, 3, 7))
    with pytest.raises(error, match=text):
        read_meg_rdms(tmp_path / "a.npy", **options)


def test_squares_that_are_none(rng, tmp_path):
    full = squares(rng, 3, 7)
    full[1, 4, 0, 2] += 0.25
    np.save(tmp_path / "a.npy", full)
    with pytest.raises(ValueError, match=r"a.npy: among the times at positions 0 to 6, each RDM is not symmetric"):
        read_meg_rdms(tmp_path / "a.npy", times=(0, 1))
    full = squares(rng, 3, 7, diagonal=1.0)
    np.save(tmp_path / "a.npy", full)
    with pytest.raises(ValueError, match="zero diagonal"):
        read_meg_rdms(tmp_path / "a.npy", times=(0, 1))
    full = squares(rng, 3, 7)
    full[0, 0, 0, 1] = full[0, 0, 1, 0] = np.inf
    np.save(tmp_path / "a.npy", full)
    with pytest.raises(ValueError, match="infinities"):
        read_meg_rdms(tmp_path / "a.npy", times=(0, 1))


def test_too_large(rng, tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", squares(rng, 3, 7))
    monkeypatch.setattr("alignkit.meg._read_meg_rdms.MAX_BYTES", 500)
    with pytest.raises(ValueError, match=r"GiB allowed; read fewer subjects or times .* or go to disk with out="):
        read_meg_rdms(tmp_path / "a.npy", times=(0, 1))
    assert read_meg_rdms(tmp_path / "a.npy", times=(0, 1), tmax=0.1).shape == (3, 1)
    monkeypatch.setattr(_rdm_array, "_LARGEST", 100)
    with pytest.raises(ValueError, match="choose one subject at a time"):
        read_meg_rdms(tmp_path / "a.npy", times=(0, 1), tmax=0.1)


def test_files_that_are_none(rng, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_meg_rdms(tmp_path / "a.mat")
    with pytest.raises(IsADirectoryError, match="is a directory"):
        read_meg_rdms(tmp_path)
    (tmp_path / "empty.mat").touch()
    with pytest.raises(ValueError, match="is empty"):
        read_meg_rdms(tmp_path / "empty.mat")
    (tmp_path / "a.txt").write_text("1 2")
    with pytest.raises(ValueError, match=r"read from .npy, .npz and .mat files; got the suffix '.txt'"):
        read_meg_rdms(tmp_path / "a.txt")
    (tmp_path / "a.npy").write_bytes(pickle.dumps(print))
    with pytest.raises(ValueError, match="pickled Python objects"):
        read_meg_rdms(tmp_path / "a.npy")
    savemat(tmp_path / "b.mat", {"x": np.zeros((2, 2)), "y": np.zeros((2, 2))})
    with pytest.raises(ValueError, match="holds the arrays 'x', 'y'; name the one of the RDMs with variable="):
        read_meg_rdms(tmp_path / "b.mat")
    with pytest.raises(ValueError, match="holds no array 'z'; it has 'x', 'y'"):
        read_meg_rdms(tmp_path / "b.mat", variable="z")
    savemat(tmp_path / "c.mat", {"mat": np.array([["a", "b"]], dtype=object)})
    with pytest.raises(ValueError, match="holds no real numbers"):
        read_meg_rdms(tmp_path / "c.mat")
    np.save(tmp_path / "d.npy", squares(rng, 7)[0])
    with pytest.raises(ValueError, match=r"has shape 5 x 5, where subject x time x item x item or"):
        read_meg_rdms(tmp_path / "d.npy")


def test_truncated_files(rng, tmp_path):
    full = squares(rng, 2, 7)
    path = write_v73(tmp_path / "a.mat", "mat", full.transpose(2, 3, 1, 0))
    content = path.read_bytes()
    for size in (100, 700, 3000, len(content) - 100):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"a.mat") as caught:
            read_meg_rdms(path, times=(0, 1))
        assert "\n" not in str(caught.value)
    np.save(tmp_path / "b.npy", full)
    content = (tmp_path / "b.npy").read_bytes()
    (tmp_path / "b.npy").write_bytes(content[:-8])
    with pytest.raises(ValueError, match="truncated or damaged"):
        read_meg_rdms(tmp_path / "b.npy", times=(0, 1))


def test_nothing_outside_the_file_is_followed(rng, tmp_path):
    full = squares(rng, 2, 7)
    write_v73(tmp_path / "secret.mat", "mat", full.transpose(2, 3, 1, 0))
    with h5py.File(tmp_path / "link.mat", "w") as file:
        file["mat"] = h5py.ExternalLink("secret.mat", "mat")
    with pytest.raises(ValueError, match=r"holds the arrays \(none\)"):
        read_meg_rdms(tmp_path / "link.mat", times=(0, 1))
    (tmp_path / "raw.bin").write_bytes(b"\0" * 8 * 50 * 7)
    with h5py.File(tmp_path / "external.mat", "w") as file:
        file.create_dataset("mat", (2, 7, N, N), "f8", external=[(str(tmp_path / "raw.bin"), 0, 8 * 50 * 7)])
    with pytest.raises(ValueError, match="lies in other files"):
        read_meg_rdms(tmp_path / "external.mat", times=(0, 1))


def test_a_shape_that_is_only_claimed(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file.create_dataset("mat", (4, 281, 100_000, 100_000), "f8", chunks=(1, 1, 100, 100))
    for out in (None, tmp_path / "a.zarr"):
        with pytest.raises(ValueError, match=r"GiB|labels="):
            read_meg_rdms(tmp_path / "a.mat", subject=1, out=out)


def test_sizes_are_those_of_the_files_axes(tmp_path, rng):
    np.save(tmp_path / "a.npy", squares(rng, 3, 2, 4))
    assert sizes_of_rdms(tmp_path / "a.npy") == {"subject": 3, "session": 2, "time": 4, "item": N}
    path = write_v73(tmp_path / "b.mat", "mat", squares(rng, 3, 4).transpose(2, 3, 1, 0))
    assert sizes_of_rdms(path) == {"subject": 3, "time": 4, "item": N}
