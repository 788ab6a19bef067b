from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from reference.stores import LABELS, TIMES, create

from alignkit import _io
from alignkit.meg import RDMStore, _rdm_store_files
from alignkit.rsa import RDM

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def movie(rng) -> np.ndarray:
    values = rng.standard_normal((5, 6))
    values[1, 2] = np.nan
    return values


@pytest.mark.parametrize("n_decisions", [None, 24, 126])
def test_pairs_without_any_value_are_stored_as_such(n_decisions, tmp_path):
    with create(tmp_path / "a.zarr", n_decisions=n_decisions) as store:
        store.write(0, np.full((5, 6), np.nan))
    for values in (RDMStore.open(tmp_path / "a.zarr").read(0, 5), RDM.load(tmp_path / "a.zarr").values):
        assert np.isnan(values).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_finished_store_is_a_saved_rdm(movie, dtype, tmp_path):
    path = tmp_path / "a.zarr"
    with create(path, dtype=dtype) as store:
        assert not store.finished
        for start, stop in ((3, 5), (0, 1), (1, 3)):
            store.write(start, movie[start:stop])
        assert store.finished
    stored = movie.astype(dtype)
    loaded = RDM.load(path)
    for rdm in (loaded, RDMStore.open(path).rdm()):
        assert np.array_equal(rdm.values, stored, equal_nan=True)
        assert rdm.values.dtype == dtype
        assert rdm.labels == LABELS
        assert rdm.dims == ("time",)
        assert rdm.coords["time"].tolist() == TIMES.tolist()
        assert (rdm.metric, rdm.provenance) == ("crossnobis", {"folds": 4})
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_saved_movie_opens_as_a_store(movie, tmp_path):
    rdm = RDM(movie, LABELS, dims=["time"], coords={"time": TIMES}, metric="cosine")
    rdm.save(tmp_path / "a.zarr")
    store = RDMStore.open(tmp_path / "a.zarr")
    assert store.finished
    assert (store.labels, store.metric, store.provenance) == (LABELS, "cosine", {})
    assert np.array_equal(store.read(1, 4), movie[1:4], equal_nan=True)
    RDM(movie).replace(movie, dims=["time"]).save(tmp_path / "bare.zarr")
    bare = RDMStore.open(tmp_path / "bare.zarr")
    assert bare.labels is None
    assert bare.times.tolist() == [0, 1, 2, 3, 4]
    assert "unlabelled" in repr(bare)
    assert bare.rdm().labels is None


def test_what_a_store_says_of_itself(movie, tmp_path):
    store = create(tmp_path / "a.zarr", dtype="float64")
    store.write(1, movie[1:2])
    assert store.path == tmp_path / "a.zarr"
    assert (store.labels, store.n_items, store.n_pairs, store.shape, len(store)) == (LABELS, 4, 6, (5,), 5)
    assert (store.dims, store.dtype, store.n_decisions) == (("time",), np.float64, None)
    assert store.times.tolist() == store.coords["time"].tolist() == TIMES.tolist()
    assert store.done.tolist() == [False, True, False, False, False]
    assert repr(store) == (
        "<RDMStore 4 items (zebra, café, 日本, ...), time: 5, -0.1 to 0.3 s, metric: crossnobis, float64, "
        f"240 B, 1 of 5 done, in {tmp_path / 'a.zarr'}>"
    )
    store.done[:] = True
    store.times[:] = 0
    store.provenance["folds"] = 5
    assert (store.done.sum(), store.times[0], store.provenance) == (1, -0.1, {"folds": 4})


def test_accuracies_are_stored_as_counts(rng, tmp_path):
    counts = rng.integers(0, 49, (5, 6))
    accuracies = counts / 48
    accuracies[2, 3] = np.nan
    path = tmp_path / "a.zarr"
    with create(path, metric="decoding", n_decisions=24) as store:
        assert store.dtype == np.uint8
        store.write(0, accuracies[:2])
        store.write(2, accuracies[2:].astype(np.float32))
        store.write(1, counts[1:2])
        assert "uint8 counts of 24" in repr(store)
    store = RDMStore.open(path)
    assert np.array_equal(store.read(0, 5), accuracies, equal_nan=True)
    assert np.array_equal(RDM.load(path).values, accuracies, equal_nan=True)
    counts[2, 3] = 255
    assert np.array_equal(store.read_counts(0, 5), counts)
    assert store.rdm(tmin=0.1, tmax=0.2).coords["time"].tolist() == [0.1, 0.2]


def test_many_decisions_take_two_bytes(tmp_path):
    with create(tmp_path / "a.zarr", n_decisions=1000) as store:
        store.write(0, np.full((5, 6), 0.0005))
        assert store.dtype == np.uint16
        assert (store.read_counts(0, 1) == 1).all()


def test_counts_that_fit_no_decisions_are_refused(tmp_path):
    with create(tmp_path / "a.zarr", n_decisions=24) as store:
        with pytest.raises(ValueError, match=r"multiples of 1/48; store them as floats"):
            store.write(0, np.full((1, 6), 0.51))
        assert not store.done.any()
        with pytest.raises(ValueError, match="not counts of decisions; use read"):
            create(tmp_path / "b.zarr").read_counts(0, 1)


def test_a_part_of_the_times(movie, tmp_path):
    with create(tmp_path / "a.zarr") as store:
        store.write(2, movie[2:4])
        part = store.rdm(tmin=0.05, tmax=0.2)
        assert part.coords["time"].tolist() == [0.1, 0.2]
        assert np.array_equal(part.values, movie[2:4].astype(np.float32))
        with pytest.raises(ValueError, match=r"position 0 \(-0.1 s\) is not computed yet"):
            store.rdm()
        with pytest.raises(ValueError, match=r"has no time between tmin=0.5 and tmax=None"):
            store.rdm(tmin=0.5)


def test_times_are_sums_of_steps(tmp_path):
    with create(tmp_path / "a.zarr", times=-0.1 + np.arange(5) * 0.005) as store:
        store.write(0, np.ones((5, 6)))
        assert store.rdm(tmin=-0.095, tmax=-0.085).shape == (3,)
        for bad in ("0", np.nan):
            with pytest.raises((TypeError, ValueError), match="tmin must be a"):
                store.rdm(tmin=bad)


def test_times_in_any_order(tmp_path):
    values = np.arange(18.0).reshape(3, 6)
    RDM(values, dims=["time"], coords={"time": [0.0, 0.3, 0.1]}).save(tmp_path / "a.zarr")
    part = RDMStore.open(tmp_path / "a.zarr").rdm(tmin=0, tmax=0.2)
    assert part.coords["time"].tolist() == [0.0, 0.1]
    assert np.array_equal(part.values, values[[0, 2]])


# --- continuing


def test_the_same_computation_continues(movie, tmp_path):
    path = tmp_path / "a.zarr"
    with create(path) as store:
        store.write(0, movie[:2])
    with create(path) as store:
        assert store.done.tolist() == [True, True, False, False, False]
        store.write(2, movie[2:])
    with create(path) as store:
        assert store.finished
        assert np.array_equal(store.read(0, 5), movie.astype(np.float32), equal_nan=True)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"labels": LABELS[::-1]}, "4 labels there, 4 others here"),
        ({"labels": (*LABELS, "owl")}, "4 labels there, 5 others here"),
        ({"times": TIMES + 0.001}, r"5 times from -0.1 to 0.3 s there, 5 times from -0.099 to 0.301 s here"),
        ({"times": TIMES[:4]}, "4 times from"),
        ({"metric": "cosine"}, "metric 'crossnobis' there, 'cosine' here"),
        ({"provenance": {"folds": 5}}, "folds 4 there, 5 here"),
        ({"provenance": {"folds": 4, "noise": "epoch"}}, "noise None there, 'epoch' here"),
        ({"dtype": "float64"}, "dtype 'float32' there, 'float64' here"),
        ({"n_decisions": 24}, "n_decisions None there, 24 here"),
    ],
)
def test_another_computation_is_refused_or_replaced(movie, changes, text, tmp_path):
    path = tmp_path / "a.zarr"
    with create(path) as store:
        store.write(0, movie)
    with pytest.raises(FileExistsError, match=text):
        create(path, **changes)
    assert RDM.load(path).n_items == 4
    with create(path, **changes, overwrite=True) as store:
        assert not store.done.any()
    with create(path, **changes) as store:
        assert not store.done.any()
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_sentence_in_other_words_is_the_same_computation(movie, tmp_path):
    """A later version may say the same otherwise; what was said first stays."""
    said = {"folds": 4, "methods": "Distances were computed."}
    with create(tmp_path / "a.zarr", provenance=said) as store:
        store.write(0, movie[:2])
    for provenance in ({**said, "methods": "We computed distances."}, {"folds": 4}):
        with create(tmp_path / "a.zarr", provenance=provenance) as store:
            assert store.done.sum() == 2
            assert store.provenance == said
    with pytest.raises(FileExistsError, match=r"\(folds 4 there, 5 here\)"):
        create(tmp_path / "a.zarr", provenance={**said, "folds": 5, "methods": "Other folds."})


@pytest.mark.parametrize("changes", [{"metric": "cosine"}, {"dtype": "float64"}, {"n_decisions": 24}])
def test_a_provenance_hides_no_other_difference(changes, tmp_path):
    provenance = {"metric": "p", "dtype": "q", "n_decisions": 3}
    create(tmp_path / "a.zarr", provenance=provenance).close()
    create(tmp_path / "a.zarr", provenance=provenance).close()
    with pytest.raises(FileExistsError, match=next(iter(changes))):
        create(tmp_path / "a.zarr", provenance=provenance, **changes)


def test_an_unfinished_store_is_no_rdm_yet(movie, tmp_path):
    path = tmp_path / "a.zarr"
    with create(path) as store:
        store.write(0, movie[:2])
    with pytest.raises(ValueError, match="holds 2 of 5 slices: what writes it has not finished"):
        RDM.load(path)
    assert RDMStore.open(path).read(0, 2).shape == (2, 6)


def test_an_unfinished_store_of_several_pieces(movie, tmp_path, monkeypatch):
    monkeypatch.setattr(_rdm_store_files, "_FEWEST", 1)
    path = tmp_path / "a.zarr"
    with create(path) as store:
        store.write(0, movie[:2])
    with pytest.raises(ValueError, match="holds 2 of 5 slices: what writes it has not finished"):
        RDM.load(path)  # pieces that are not there yet are no damage
    monkeypatch.undo()
    with create(tmp_path / "b.zarr") as store:  # in one piece, most of it empty
        store.write(0, movie[:2])
    (tmp_path / "b.zarr" / "done" / "zarr.json").unlink()
    with pytest.raises(ValueError, match="its list of slices that are done is lost"):
        RDM.load(tmp_path / "b.zarr")


RUN = """
import sys, time
import numpy as np
from alignkit.meg import RDMStore
labels = [f"item {i}" for i in range(300)]
store = RDMStore.create("killed.zarr", labels=labels, times=np.arange(40) / 100, metric="decoding", n_decisions=24)
for i in range(40):
    if not store.done[i]:
        store.write(i, np.full((1, store.n_pairs), i / 48))
        print(i, flush=True)
        time.sleep(float(sys.argv[1]))
"""


def test_a_killed_computation_continues(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def start(pause: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RUN, pause]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)

    path = tmp_path / "killed.zarr"
    with start("0.001") as process:
        assert process.stdout is not None
        while process.stdout.readline() != "11\n":
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    done = RDMStore.open(path).done
    assert done[:12].all()
    assert not done.all()
    for i in np.flatnonzero(done):
        assert (RDMStore.open(path).read_counts(i, i + 1) == i).all()
    (path / "values" / "c" / "0" / "0.0123.partial").write_bytes(b"half a piece")
    (path / "done" / "c" / "0.0123.partial").write_bytes(b"half a list")
    assert np.array_equal(RDMStore.open(path).done, done)
    with start("0") as process:
        printed, _ = process.communicate(timeout=60)
    assert printed.split() == [str(i) for i in np.flatnonzero(~done)]
    loaded = RDM.load(path)
    assert np.array_equal(loaded.values, np.repeat(np.arange(40)[:, None] / 48, loaded.n_pairs, axis=1))
    assert not list(path.rglob("*.partial"))


def test_slices_count_only_once_they_are_on_disk(movie, tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    with create(path) as store:

        def fail(*_: object) -> None:
            raise OSError(28, "no space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(_rdm_store_files, "flush", fail)
            with pytest.raises(OSError, match="no space left"):
                store.write(0, movie[:1])
        assert not store.done.any()
        assert not RDMStore.open(path).done.any()


# --- one writer


def test_another_process_is_kept_out(movie, tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "a.zarr"
    store = create(path)
    for options in ({}, {"overwrite": True}):
        with pytest.raises(BlockingIOError, match="another process is writing to"):
            create(path, **options)
    RDMStore.open(path)  # readers come in
    store.write(0, movie[:1])
    store.close()
    store.close()
    with pytest.raises(ValueError, match="open for reading only"):
        store.write(1, movie[1:2])
    assert create(path).done.tolist() == [True, False, False, False, False]  # and lets go when it is forgotten
    create(path).close()


def test_a_folder_that_was_replaced_meanwhile_is_not_held(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    create(tmp_path / "a.zarr").close()
    create(tmp_path / "b.zarr", metric="cosine").close()
    flock = fcntl.flock

    def late(handle: int, how: int) -> None:
        (tmp_path / "a.zarr").rename(tmp_path / "old.zarr")
        (tmp_path / "b.zarr").rename(tmp_path / "a.zarr")
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(BlockingIOError, match="another process is writing to"):
        create(tmp_path / "a.zarr")


def test_a_store_opened_for_reading_takes_nothing(movie, tmp_path):
    create(tmp_path / "a.zarr").close()
    with pytest.raises(ValueError, match=r"open for reading only; open it with RDMStore.create to write"):
        RDMStore.open(tmp_path / "a.zarr").write(0, movie[:1])


def test_a_folder_that_another_process_made_first_counts(movie, tmp_path):
    path = tmp_path / "a.zarr"
    with create(path) as store:
        store.write(0, movie[:1])
    new = tmp_path / "new"
    shutil.copytree(path, new)
    shutil.rmtree(new / "done")
    _rdm_store_files.settle(new, path)
    assert RDMStore.open(path).done[0]
    with pytest.raises(FileNotFoundError):
        _rdm_store_files.settle(tmp_path / "none", tmp_path / "other")


# --- refusals


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"labels": LABELS[:1]}, ValueError, "at least 2"),
        ({"labels": ("a", "a", "b")}, ValueError, "unique"),
        ({"times": [0.1, 0.1]}, ValueError, "increasing"),
        ({"times": []}, ValueError, "increasing"),
        ({"times": [0, np.nan]}, ValueError, "finite"),
        ({"times": "now"}, TypeError, "real numbers"),
        ({"times": np.zeros((2, 2))}, ValueError, "1 axes"),
        ({"dtype": "float16"}, ValueError, "one of 'float32', 'float64'"),
        ({"n_decisions": 0}, ValueError, "at least 1"),
        ({"n_decisions": 40_000}, ValueError, "at most 32,766"),
        ({"metric": 3}, TypeError, "metric must be a text"),
        ({"provenance": "x"}, TypeError, "provenance must be a mapping"),
    ],
)
def test_bad_options(changes, error, text, tmp_path):
    with pytest.raises(error, match=text):
        create(tmp_path / "a.zarr", **changes)
    assert not list(tmp_path.iterdir())


def test_bad_places(tmp_path):
    with pytest.raises(ValueError, match=r"name ends in .zarr; got .*a.npz"):
        create(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError, match="create it first"):
        create(tmp_path / "no" / "a.zarr")
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="is no store of RDMs"):
            create(tmp_path / "mine.zarr", overwrite=overwrite)
    assert (tmp_path / "mine.zarr" / "thesis.txt").is_file()


@pytest.mark.parametrize(
    ("start", "values", "error", "text"),
    [
        (0, np.zeros((1, 5)), ValueError, r"shape \(times, 6 pairs\); got \(1, 5\)"),
        (0, np.zeros(6), ValueError, "are not among|shape"),
        (4, np.zeros((2, 6)), ValueError, "times from 4 up to 6 are not among the 5"),
        (-1, np.zeros((1, 6)), ValueError, "at least 0"),
        (0, np.zeros((0, 6)), ValueError, "not among"),
        (0, np.full((1, 6), np.inf), ValueError, "infinities"),
        (0, np.full((1, 6), 1e39), ValueError, "overflows float32"),
        (0, [["a"] * 6], TypeError, "real numbers"),
        (0, np.zeros((1, 6), dtype=complex), TypeError, "real numbers"),
        ("0", np.zeros((1, 6)), TypeError, "whole number"),
        (0, 1.0, ValueError, "not among"),
    ],
)
def test_bad_values(start, values, error, text, tmp_path):
    with create(tmp_path / "a.zarr") as store:
        with pytest.raises(error, match=text):
            store.write(start, values)
        assert not store.done.any()


def test_whole_numbers_are_dissimilarities_where_no_counts_are_kept(tmp_path, readonly):
    with create(tmp_path / "a.zarr") as store:
        store.write(0, readonly(np.arange(6)[None]))
        assert store.read(0, 1).tolist() == [[0, 1, 2, 3, 4, 5]]
        with pytest.raises(ValueError, match="are not among"):
            store.read(1, 1)


def test_no_more_than_fits_is_read(movie, tmp_path, monkeypatch):
    with create(tmp_path / "a.zarr", n_decisions=24) as store:
        store.write(0, np.full((5, 6), 0.5))
        monkeypatch.setattr("alignkit.meg._rdm_store.MAX_BYTES", 100)
        assert store.read(0, 2).shape == (2, 6)
        with pytest.raises(ValueError, match=r"these 3 times take .* allowed at once; read fewer"):
            store.read(0, 3)


def test_an_rdm_takes_no_more_memory_than_is_allowed(tmp_path, monkeypatch):
    with create(tmp_path / "a.zarr", n_decisions=24) as store:
        store.write(0, np.full((5, 6), 0.5))
    monkeypatch.setattr("alignkit.rsa._storage.MAX_BYTES", 5 * 6 * 4)  # enough for the counts
    with pytest.raises(ValueError, match="expands to"):
        RDM.load(tmp_path / "a.zarr")
    assert _io.MAX_BYTES == 8 * 2**30


# --- damaged and hostile folders


@pytest.mark.slow
def test_a_time_of_things_is_read_quickly(tmp_path, rng):
    labels = [f"concept {i}" for i in range(1854)]
    for n_decisions in (None, 24):
        path = tmp_path / f"{n_decisions}.zarr"
        with create(path, labels=labels, times=np.arange(6) / 200, n_decisions=n_decisions) as store:
            accuracies = rng.binomial(24, 0.55, store.n_pairs) / 24
            for i in range(6):
                store.write(i, accuracies[None])
            taken = []
            for i in range(6):
                began = time.perf_counter()
                store.read(i, i + 1) if n_decisions is None else store.read_counts(i, i + 1)
                taken.append(time.perf_counter() - began)
            assert min(taken) < 0.02
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 6
        assert size < (7.1e6 if n_decisions is None else 1.75e6)
