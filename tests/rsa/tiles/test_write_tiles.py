from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import alignkit
from alignkit.rsa import RDM, TiledRDM, rdm
from alignkit.rsa._tiles import _feature_tiles, _store_files
from alignkit.rsa._tiles._feature_tiles import Recipe
from alignkit.rsa._tiles._write_tiles import write_tiles


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean", "sqeuclidean"])
def test_tiles_hold_what_rdm_computes_in_memory(metric, rng, tmp_path):
    x = rng.normal(size=(50, 7))
    labels = [f"i{k}" for k in range(50)]
    tiled = write_tiles(x, tmp_path / "x.zarr", Recipe(metric), labels=labels, side=16)
    loaded = tiled.load()
    np.testing.assert_allclose(loaded.values, rdm(x, metric=metric).values, rtol=1e-7, atol=1e-8)
    assert loaded.labels == tuple(labels)
    assert loaded.metric == metric
    again = RDM.load(tmp_path / "x.zarr")
    np.testing.assert_array_equal(again.values, loaded.values)


@pytest.mark.parametrize("memory", ["50 KB", "1 GB"])
def test_memory_changes_no_bit(memory, rng, tmp_path, monkeypatch):
    x = rng.normal(size=(60, 40))
    np.save(tmp_path / "x.npy", x)
    monkeypatch.setattr("alignkit.rsa._tiles._write_tiles.as_bytes", lambda size: {"50 KB": 50_000}.get(size, 10**9))
    tiled = write_tiles(tmp_path / "x.npy", tmp_path / "x.zarr", Recipe("correlation"), side=16, memory=memory)
    whole = write_tiles(x, tmp_path / "y.zarr", Recipe("correlation"), side=16)
    np.testing.assert_array_equal(tiled.load().values, whole.load().values)


def test_too_little_memory_says_how_much(rng, tmp_path):
    with pytest.raises(
        ValueError, match=r"memory=1 MB is too little for one tile of x \(9 channels\), which takes 42 MB"
    ):
        rdm(rng.normal(size=(1100, 9)), out=tmp_path / "x.zarr", memory="1 MB")
    assert not (tmp_path / "x.zarr").exists()


def test_what_was_interrupted_continues_where_it_was(rng, tmp_path, monkeypatch):
    x, write, seen = rng.normal(size=(60, 5)), _store_files.TileFiles.write, []

    def breaks(self, tile, values):
        if len(seen) == 4:
            raise KeyboardInterrupt
        seen.append(tile)
        write(self, tile, values)

    monkeypatch.setattr(_store_files.TileFiles, "write", breaks)
    with pytest.raises(KeyboardInterrupt):
        write_tiles(x, tmp_path / "x.zarr", Recipe("cosine"), side=16)
    part = TiledRDM.open(tmp_path / "x.zarr")
    assert (part.n_done, part.n_tiles, part.finished) == (4, 10, False)
    assert "4 of 10 tiles done" in repr(part)
    with pytest.raises(ValueError, match=r"tile \(1, 1\) is not computed yet"):
        part.load()
    computed, tile = [], _feature_tiles.FeatureTiles.tile
    monkeypatch.setattr(_store_files.TileFiles, "write", write)
    monkeypatch.setattr(_feature_tiles.FeatureTiles, "tile", lambda s, i, j: computed.append((i, j)) or tile(s, i, j))
    whole = write_tiles(x, tmp_path / "x.zarr", Recipe("cosine"), side=16)
    assert len(computed) == 6
    assert not set(computed) & set(seen)
    np.testing.assert_array_equal(
        whole.load().values, write_tiles(x, tmp_path / "y.zarr", Recipe("cosine"), side=16).load().values
    )


CHILD = """
import sys, time
import numpy as np
from alignkit.rsa._tiles import _store_files
from alignkit.rsa._tiles._feature_tiles import Recipe
from alignkit.rsa._tiles._write_tiles import write_tiles

write = _store_files.TileFiles.write
def slowly(self, tile, values):
    write(self, tile, values)
    time.sleep(0.02)
_store_files.TileFiles.write = slowly
write_tiles(np.load(sys.argv[1]), sys.argv[2], Recipe("correlation"), side=16)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_killed_process_leaves_whole_tiles(rng, tmp_path):
    x = rng.normal(size=(160, 5))
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "x.zarr"
    cwd = os.path.dirname(os.path.dirname(alignkit.__file__))
    child = subprocess.Popen([sys.executable, "-c", CHILD, tmp_path / "x.npy", out], cwd=cwd)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (out.is_dir() and TiledRDM.open(out).n_done > 3):
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    n_done = TiledRDM.open(out).n_done
    assert 3 < n_done < 55
    resumed = write_tiles(x, out, Recipe("correlation"), side=16)
    assert resumed.finished
    np.testing.assert_array_equal(
        resumed.load().values, write_tiles(x, tmp_path / "y.zarr", Recipe("correlation"), side=16).load().values
    )


def test_another_computation_is_refused(rng, tmp_path):
    x, out = rng.normal(size=(9, 4)), tmp_path / "x.zarr"
    rdm(x, out=out)
    rdm(x, out=out)  # all is there
    other = x.copy()
    other[0, 0] += 1e-12
    for change, text in (
        ({"x": other}, "other features"),
        ({"metric": "cosine"}, "metric 'correlation', not 'cosine'"),
        ({"dtype": "float32"}, "products 'float64', not 'float32'"),
        ({"labels": list("abcdefghi")}, "other labels"),
    ):
        with pytest.raises(FileExistsError, match=f"holds another computation .*{text}"):
            rdm(change.pop("x", x), out=out, **change)


def test_other_folders_are_left_alone(rng, tmp_path):
    x = rng.normal(size=(9, 4))
    rdm(x).save(tmp_path / "r.zarr")
    for name, error, text in (
        ("r.zarr", FileExistsError, "no RDM in tiles"),
        ("x.npz", ValueError, "ends in .zarr"),
        ("no/x.zarr", FileNotFoundError, "does not exist"),
    ):
        with pytest.raises(error, match=text):
            rdm(x, out=tmp_path / name)


def test_nan_is_named_or_raised(rng, tmp_path):
    x = rng.normal(size=(9, 4))
    x[2, 1], x[5] = np.nan, 1.0
    with pytest.warns(RuntimeWarning, match="NaN or infinite values in the items: 'b'; .*constant patterns.*: 'e'"):
        tiled = rdm(x, labels=list("xybzdevwu"), out=tmp_path / "x.zarr")
    assert np.isnan(tiled.load().values).sum() == 8 + 7
    with pytest.raises(ValueError, match="NaN or infinite values in the items: 'item 2'"):
        rdm(x, out=tmp_path / "y.zarr", nan_policy="raise")
    assert not (tmp_path / "y.zarr").exists()


def test_options_that_tiles_do_not_take(rng, tmp_path):
    x, out = rng.normal(size=(9, 4)), tmp_path / "x.zarr"
    for options, text in (
        ({"out": out, "noise": np.eye(4)}, "noise cannot be used with out="),
        ({"out": out, "nan_policy": "omit"}, "nan_policy='omit' cannot be used with out="),
        ({"out": out, "metric": "jaccard"}, "RDMs in tiles have one of the metrics"),
        ({"memory": "2 GB"}, "memory is for RDMs in tiles"),
        ({"progress": True}, "progress is for RDMs in tiles"),
    ):
        with pytest.raises(ValueError, match=text):
            rdm(x, **options)
    with pytest.raises(TypeError, match=r"client must be a dask.distributed.Client; got 3"):
        rdm(x, out=out, client=3)


def test_the_bar_counts_pairs(rng, tmp_path, capsys):
    rdm(rng.normal(size=(30, 4)), out=tmp_path / "x.zarr", progress=True)
    assert "435/435" in capsys.readouterr().err
