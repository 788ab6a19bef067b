"""Streamed comparisons that are killed and go on."""

from __future__ import annotations

import collections
import os
import subprocess
import sys

import numpy as np
import pytest

import alignkit
from alignkit._executor import Threads
from alignkit._threads import jobs
from alignkit.rsa import RDM, stream_compare
from alignkit.rsa._tiles import _kernels_numpy, _sides, _sums_folder
from alignkit.rsa._tiles._counting import rank_sums
from alignkit.rsa._tiles._feature_tiles import Recipe
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._progress import pairs_bar
from alignkit.rsa._tiles._sums_folder import SumsFolder, remove_sums
from alignkit.rsa._tiles._write_tiles import write_tiles

KERNELS = ("coarse_counts", "fine_counts", "crossed", "moments")
#: Tiles of 60 items, 16 along a side.
TILES = 10
#: A process that keeps its sums after every tile, and stops for good when it enters a kernel for the n-th time.
CHILD = """
import sys, time
import numpy as np
from alignkit.rsa import RDM, stream_compare
from alignkit.rsa._tiles import _kernels_numpy, _sides, _sums_folder

values, folder, method, name, stop = sys.argv[1:]
_sides.SIDE, _sums_folder._EVERY, _sums_folder._TIMES = 16, 0.0, 0.0
kernel, calls = getattr(_kernels_numpy, name), []
def stopping(*args):
    calls.append(1)
    if len(calls) == int(stop):
        print("here", flush=True)
        time.sleep(600)
    return kernel(*args)
setattr(_kernels_numpy, name, stopping)
stream_compare(*map(RDM, np.load(values)), method=method, backend="numpy", resume=folder)
"""


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(_sides, "SIDE", 16)


@pytest.fixture
def rdms(rng):
    # few different values, or the tables of counts would be large
    return [RDM(row / 8) for row in rng.integers(1, 9, (2, 1770)).astype(np.float32)]


@pytest.fixture
def calls(monkeypatch):
    """How often every kernel is called."""
    found = collections.Counter()

    def counting(name, kernel):
        def call(*args):
            found[name] += 1
            return kernel(*args)

        return call

    for name in KERNELS:
        monkeypatch.setattr(_kernels_numpy, name, counting(name, getattr(_kernels_numpy, name)))
    return found


def again(rdms, folder, method="spearman", **options):
    return float(stream_compare(*rdms, method=method, backend="numpy", resume=folder, **options))


@pytest.mark.parametrize(
    ("method", "kernel", "stop", "left"),
    [
        ("spearman", "coarse_counts", 4, (TILES - 3, 2 * TILES, TILES, 0)),
        ("spearman", "fine_counts", 9, (0, 2 * (TILES - 4), TILES, 0)),
        ("rho-a", "crossed", 6, (0, 0, TILES - 5, 0)),
        ("pearson", "moments", 8, (0, 0, 0, TILES - 7)),
        ("whitened-pearson", "moments", 2, (0, 0, 0, TILES - 1)),
    ],
)
def test_a_killed_process_goes_on(rdms, tmp_path, calls, method, kernel, stop, left):
    np.save(tmp_path / "values.npy", [one.values for one in rdms])
    words = [sys.executable, "-c", CHILD, tmp_path / "values.npy", tmp_path / "sums", method, kernel, str(stop)]
    cwd = os.path.dirname(os.path.dirname(alignkit.__file__))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "here\n"
        finally:
            child.kill()
    found = again(rdms, tmp_path / "sums", method)
    assert tuple(calls[name] for name in KERNELS) == left
    assert found == float(stream_compare(*rdms, method=method, backend="numpy"))
    calls.clear()
    assert again(rdms, tmp_path / "sums", method) == found
    assert not calls
    assert not list((tmp_path / "sums").glob("fine*"))
    remove_sums(tmp_path / "sums")
    assert not (tmp_path / "sums").exists()


@pytest.mark.parametrize("n_done", [1, 9, 17])
def test_several_threads_are_stopped_in_the_second_pass(rdms, tmp_path, monkeypatch, n_done):
    monkeypatch.setattr(_sums_folder, "_EVERY", 0.0)
    monkeypatch.setattr(_sums_folder, "_TIMES", 0.0)
    kernel, counted = _kernels_numpy.fine_counts, []

    def failing(*args):
        if len(counted) == n_done:
            raise RuntimeError
        kernel(*args)
        counted.append(1)

    with monkeypatch.context() as patch, jobs(2):
        patch.setattr(_kernels_numpy, "fine_counts", failing)
        with pytest.raises(RuntimeError):
            again(rdms, tmp_path / "sums")
    assert again(rdms, tmp_path / "sums") == float(stream_compare(*rdms))


def test_another_comparison_is_refused(rdms, tmp_path):
    folder = tmp_path / "sums"
    again(rdms, folder)
    other = RDM(rdms[0].values.copy() + np.float32(1))
    named = RDM(rdms[0].values, [f"i{k}" for k in range(60)])
    for change in (
        {"method": "rho-a"},
        {"nan_policy": "omit"},
        {"rdms": rdms[::-1]},
        {"rdms": [other, rdms[1]]},
        {"rdms": [named, rdms[1]]},
    ):
        with pytest.raises(
            FileExistsError, match=r"holds the start of another comparison \(of other RDMs or options\)"
        ):
            again(change.pop("rdms", rdms), folder, **change)
    with pytest.raises(FileExistsError, match="another comparison"):
        stream_compare(*rdms, backend="numba", resume=folder)


def test_features_and_folders_tell_themselves_apart(rng, tmp_path, monkeypatch):
    x = rng.integers(0, 2, size=(60, 3)).astype(float)
    x[:, 0] += np.arange(60)
    y = x.copy()
    y[59, 2] += 1
    options = {"metric": "sqeuclidean", "backend": "numpy", "method": "cosine"}
    folder = tmp_path / "sums"
    value = float(stream_compare(x, y, resume=folder, **options))
    for change in ({"metric": "euclidean"}, {"dtype": "float32"}):
        with pytest.raises(FileExistsError, match="another comparison"):
            stream_compare(x, y, resume=folder, **{**options, **change})
    with pytest.raises(FileExistsError, match="another comparison"):
        stream_compare(x, x, resume=folder, **options)
    monkeypatch.setattr(_sides, "SIDE", 32)
    with pytest.raises(FileExistsError, match="another comparison"):
        stream_compare(x, y, resume=folder, **options)
    stored = [write_tiles(z, tmp_path / f"{k}.zarr", Recipe("sqeuclidean"), side=16) for k, z in enumerate((x, y))]
    for _ in range(2):
        assert float(stream_compare(*stored, method="cosine", backend="numpy", resume=tmp_path / "t")) == value
    with pytest.raises(FileExistsError, match="another comparison"):
        stream_compare(stored[0], stored[0], method="cosine", backend="numpy", resume=tmp_path / "t")


def test_what_is_no_folder_of_sums(rdms, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="is a file; resume needs a folder"):
        again(rdms, tmp_path / "file")
    with pytest.raises(FileExistsError, match="holds something else; choose another folder for resume"):
        again(rdms, tmp_path)
    assert (tmp_path / "file").read_text() == "x"
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        again(rdms, tmp_path / "no" / "sums")
    with (
        SumsFolder.opened(tmp_path / "sums", "key", 3),
        pytest.raises(BlockingIOError, match=r"another process is writing .* or choose another resume"),
    ):
        again(rdms, tmp_path / "sums")


def test_damaged_sums_are_refused(rdms, tmp_path):
    folder = tmp_path / "sums"
    again(rdms, folder, "pearson")
    file = folder / "moments.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        ValueError, match=r"moments\.npz is not a readable \.npz archive .*; it is truncated or damaged"
    ):
        again(rdms, folder, "pearson")
    np.savez(file, done=np.ones(3))
    with pytest.raises(ValueError, match="does not hold the start of a comparison"):
        again(rdms, folder, "pearson")
    with SumsFolder.opened(tmp_path / "other", "key", 4) as kept:
        kept.stage("coarse", {"counts": np.zeros(5)}).keep(now=True)
        with pytest.raises(ValueError, match="is damaged: counts is missing or has another shape; remove the folder"):
            kept.stage("coarse", {"counts": np.zeros(6)})


def test_ranks_without_their_squares_are_refused(rdms, tmp_path):
    with SumsFolder.opened(tmp_path / "sums", "key", 1) as kept:
        third = kept.stage("crossed", {"totals": np.zeros((4, 2), dtype=np.int64)})
        third.done[:] = True
        third.keep(now=True)
        tiles = _sides.CondensedTiles(rdms[0], Grid(60, 64))
        with pairs_bar(1, "", shown=False) as bar, pytest.raises(ValueError, match="is damaged: it does not say"):
            rank_sums(
                tiles, tiles, Grid(60, 64), Threads(1), chosen="numpy", memory=10**9, omit=False, bar=bar, kept=kept
            )


def test_more_than_a_file_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_sums_folder, "MAX_BYTES", 1000)
    with (
        SumsFolder.opened(tmp_path / "sums", "key", 4) as kept,
        pytest.raises(ValueError, match=r"resume keeps at most 1 kB in fine_a\.npz, and this takes 8 kB; drop it"),
    ):
        kept.stage("fine_a", {"counts": np.zeros(1000)})


def test_writing_is_rare_and_nothing_is_written_without_a_folder(rdms, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(_sums_folder, "save_npz", lambda *args: written.append(args))
    with SumsFolder.opened(None, "", 4) as kept:
        kept.stage("coarse", {"counts": np.zeros(5)}).keep(now=True)
    assert not written
    again(rdms, tmp_path / "sums", "pearson")
    assert len(written) == 1  # at the end: it took less than two seconds


def test_a_bar_says_how_fast_it_is_without_what_was_done(rdms, tmp_path, monkeypatch):
    class Bar:
        def __init__(self, total):
            self.total, self.n, self.initial = total, 0, 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def update(self, n):
            self.n += n

    bars = []
    monkeypatch.setattr(
        "alignkit.rsa._stream_compare.pairs_bar", lambda total, *_, **__: bars.append(Bar(total)) or bars[-1]
    )
    for _ in range(2):
        again(rdms, tmp_path / "sums")
    assert [(bar.total, bar.n, bar.initial) for bar in bars] == [(3 * 1770, 3 * 1770, 0), (3 * 1770,) * 3]
