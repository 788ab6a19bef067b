from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import zarr

from alignkit.rsa import TiledRDM, squareform
from alignkit.rsa._tiles._feature_tiles import Recipe
from alignkit.rsa._tiles._write_tiles import write_tiles


@pytest.fixture
def folder(rng, tmp_path):
    write_tiles(rng.normal(size=(40, 6)), tmp_path / "x.zarr", Recipe("euclidean"), side=16)
    return tmp_path / "x.zarr"


def test_a_reader_says_what_there_is(folder):
    tiled = TiledRDM.open(folder)
    assert (tiled.n_items, tiled.n_pairs, tiled.side, tiled.n_tiles, tiled.n_done) == (40, 780, 16, 6, 6)
    assert tiled.finished
    assert tiled.labels is None
    assert tiled.metric == "euclidean"
    assert set(tiled.provenance) == {"normalize", "products", "features_sha256"}
    assert repr(tiled) == (
        "<TiledRDM 40 items (unlabelled), metric: euclidean, float32, 6 tiles, 6.1 kB, in .../x.zarr>"
    )


def test_tiles_are_parts_of_the_square(folder):
    tiled = TiledRDM.open(folder)
    square = squareform(tiled.load().values)
    for rows, columns, values in tiled.tiles():
        np.testing.assert_array_equal(values, square[rows, columns])
    np.testing.assert_array_equal(tiled.tile(1, 2), square[16:32, 32:])
    for i, j in ((1, 0), (0, 3)):
        with pytest.raises(ValueError, match="is not among those of 3 blocks"):
            tiled.tile(i, j)


def test_others_read_it_with_zarr(folder):
    square = squareform(TiledRDM.open(folder).load().values)
    values = zarr.open_group(folder, mode="r")["values"]
    np.testing.assert_array_equal(values[0:16, 16:32], square[:16, 16:32])
    assert np.isneginf(values[32:40, 0:16]).all()  # not there


def test_it_travels_as_a_path(folder):
    tiled = TiledRDM.open(folder)
    sent = pickle.dumps(tiled)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent).tile(0, 1), tiled.tile(0, 1))


def test_what_does_not_fit_is_not_loaded(folder, monkeypatch):
    monkeypatch.setattr("alignkit.rsa._tiled_rdm.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"more than the .* GiB allowed; compare\(\) and tiles\(\) read it in parts"):
        TiledRDM.open(folder).load()


def damage(folder, how):
    if how == "lost tile":
        (folder / "values" / "c" / "0" / "1").unlink()
    elif how == "short tile":
        (folder / "values" / "c" / "0" / "1").write_bytes(b"abc")
    elif how == "lost list":
        shutil.rmtree(folder / "done")
    elif how == "other items":
        group = zarr.open_group(folder, mode="r+")
        group.attrs["alignkit"] = {**group.attrs["alignkit"], "n_items": 41}
    elif how == "huge side":
        group = zarr.open_group(folder, mode="r+")
        group.attrs["alignkit"] = {**group.attrs["alignkit"], "side": 10**6}
    elif how == "labels":
        zarr.open_group(folder, mode="r+").attrs["labels"] = ["a", "a"]
    else:
        (folder / "zarr.json").write_text('{"alignkit.TiledRDM/1": ')


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("lost tile", "values/c/0/1 is missing; delete this folder and make it anew"),
        ("short tile", "holds 3 bytes in place of 1,024"),
        ("lost list", "list of tiles that are done cannot be read"),
        ("other items", "its tiles are not those of 41 items"),
        ("huge side", "it says"),
        ("labels", "its labels are not 40 different names"),
        ("json", "is not a readable RDM in tiles"),
    ],
)
def test_damaged_folders(folder, how, text):
    damage(folder, how)
    with pytest.raises(ValueError, match=text):
        list(TiledRDM.open(folder).tiles())


def test_folders_of_others(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        TiledRDM.open(tmp_path / "x.zarr")
    (tmp_path / "f.zarr").write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        TiledRDM.open(tmp_path / "f.zarr")
    zarr.open_group(tmp_path / "g.zarr", mode="w").create_array("values", data=np.zeros((3, 3)))
    with pytest.raises(ValueError, match="no RDM in tiles"):
        TiledRDM.open(tmp_path / "g.zarr")
