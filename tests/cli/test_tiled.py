"""``alignkit rdm --tiled`` and ``alignkit compare`` of what it wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import TiledRDM, compare, rdm


def test_tiles_are_written_and_compared(run, here, patterns):
    x, y = patterns(9, 1), patterns(9, 2)
    for name, array in (("x", x), ("y", y)):
        np.save(f"{name}.npy", array)
        code, out, _ = run("rdm", f"{name}.npy", "--metric", "cosine", "--tiled", "--out", f"{name}.zarr")
        assert code == 0
        assert "<TiledRDM 9 items" in out
    np.testing.assert_allclose(TiledRDM.open("x.zarr").load().values, rdm(x, metric="cosine").values, rtol=1e-6)
    code, out, _ = run("compare", "x.zarr", "y.zarr", "--method", "pearson", "--out", "r.json")
    expected = float(compare(rdm(x, metric="cosine"), rdm(y, metric="cosine"), method="pearson"))
    assert code == 0
    assert f"pearson = {expected:.4f}, 9 items" in out


def test_a_comparison_that_was_stopped_goes_on(run, here, patterns, monkeypatch):
    np.save("x.npy", patterns(9, 1))
    words = ("compare", "x.zarr", "x.zarr", "--method", "pearson", "--resume", "sums")
    assert run("rdm", "x.npy", "--tiled", "--out", "x.zarr")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr("alignkit.rsa._stream_compare._value", lambda *_: 1 / 0)  # all tiles are done
        assert run(*words)[0] != 0
    assert Path("sums/moments.npz").is_file()
    calls = []
    monkeypatch.setattr("alignkit.rsa._tiles._moments._moments", lambda *_: calls.append(1))
    code, out, _ = run(*words)
    assert (code, calls) == (0, [])
    assert "pearson = 1.0000, 9 items" in out
    assert not Path("sums").exists()


def test_torch_computes_tiles_where_it_is_told_to(run, here, patterns):
    pytest.importorskip("torch")
    x = patterns(9, 1)
    np.save("x.npy", x)
    options = ("--metric", "sqeuclidean", "--tiled", "--device", "cpu")
    assert run("rdm", "x.npy", *options, "--out", "x.zarr")[0] == 0
    tiled = TiledRDM.open("x.zarr")
    assert tiled.provenance["device"] == "cpu"
    np.testing.assert_allclose(tiled.load().values, rdm(x, metric="sqeuclidean").values, rtol=1e-6)
    rdm(patterns(9, 2)).save("y.npz")
    words = ("compare", "x.zarr", "y.npz", "--method", "pearson")
    assert run(*words, "--device", "cpu")[1] == run(*words)[1]


def test_other_files_are_read_whole(run, here, patterns):
    np.savetxt("x.csv", patterns(9, 1), delimiter=",")
    assert run("rdm", "x.csv", "--tiled", "--out", "x.zarr")[0] == 0
    np.testing.assert_allclose(TiledRDM.open("x.zarr").load().values, rdm(patterns(9, 1)).values, rtol=1e-6)


def test_flags_that_do_not_fit(run, here, patterns):
    np.save("x.npy", patterns(9, 1))
    assert run("rdm", "x.npy", "--tiled", "--out", "x.zarr")[0] == 0
    rdm(patterns(9, 1)).save("x.npz")
    for words, text in (
        (("rdm", "x.npy", "--tiled"), "--tiled writes a folder"),
        (("rdm", "x.npy", "--scheduler", "tcp://127.0.0.1:1"), "--scheduler is for RDMs in tiles"),
        (("rdm", "x.npy", "--memory", "2 GB"), "--memory is for RDMs in tiles"),
        (("compare", "x.npz", "x.npz", "--memory", "2 GB"), "--memory is for two files"),
        (("compare", "x.npz", "x.npz", "--scheduler", "tcp://127.0.0.1:1"), "--scheduler is for two files"),
        (("rdm", "x.npy", "--device", "cpu"), "--device is for RDMs in tiles"),
        (("compare", "x.npz", "x.npz", "--device", "cpu"), "--device is for two files"),
        (("compare", "x.npz", "x.npz", "--resume", "sums"), "--resume is for two files"),
        (("compare", "x.zarr", "x.npz", "--resume", "no/sums"), "does not exist; create it first"),
        (("compare", "x.zarr", "x.npz", "--controls", "x.npz"), "take no --sigma-k"),
    ):
        code, _, err = run(*words)
        assert code == 2, words
        assert text in err
