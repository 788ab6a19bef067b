"""Folders that are damaged or hostile are refused in a sentence, and nothing in them is run."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference.stores import create

from alignkit.meg import RDMStore
from alignkit.rsa import RDM


@pytest.fixture
def movie(rng) -> np.ndarray:
    values = rng.standard_normal((5, 6))
    values[1, 2] = np.nan
    return values


@pytest.fixture
def folder(movie, tmp_path) -> Path:
    with create(tmp_path / "a.zarr", dtype="float64") as store:
        store.write(0, movie)
    return tmp_path / "a.zarr"


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_no_folder(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        RDMStore.open(tmp_path / "b.zarr")
    (tmp_path / "c.zarr").write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        RDMStore.open(tmp_path / "c.zarr")
    with pytest.raises(ValueError, match="not a readable store of RDMs"):
        RDMStore.open(tmp_path)


def test_lost_and_damaged_pieces(folder):
    piece = folder / "values" / "c" / "0" / "0"
    content = piece.read_bytes()
    piece.write_bytes(content[:-8])
    with pytest.raises(ValueError, match="is damaged: its times from 0 up to 2 cannot be read"):
        RDMStore.open(folder).read(0, 2)
    piece.unlink()
    with pytest.raises(ValueError, match=r"values/c/0/0 is missing"):
        RDMStore.open(folder).read(0, 2)
    with pytest.raises(ValueError, match="chunks of 'values' are missing"):
        RDM.load(folder)


@pytest.mark.parametrize("name", ["zarr.json", "values/zarr.json", "coord_time/zarr.json", "done/zarr.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"zarr_format": 3, "node_type": "array"}'])
def test_damaged_metadata(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=r"a.zarr") as caught:
        RDMStore.open(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("attributes", [
    {"alignkit": None},
    {"alignkit": {"schema": "other"}},
    {"labels": ["a", "b"]},
    {"labels": ["a", "a", "b", "c"]},
    {"labels": "abcd"},
    {"labels": [1, 2, 3, 4]},
    {"alignkit": {"schema": "alignkit.RDM/1", "dims": ["subject", "time"], "metric": None, "provenance": {}}},
    {"alignkit": {"schema": "alignkit.RDM/1", "dims": ["time"], "metric": 3, "provenance": {}}},
    {"alignkit": {"schema": "alignkit.RDM/1", "dims": ["time"], "metric": None, "provenance": []}},
    {"alignkit": {"schema": "alignkit.RDM/1", "dims": ["time"], "metric": None, "provenance": {}, "n_decisions": 24}},
    {"alignkit": {"schema": "alignkit.RDM/1", "dims": ["time"], "metric": None, "provenance": {}, "n_decisions": "x"}},
    {"alignkit": {"schema": "alignkit.RDM/1", "dims": ["time"], "metric": None, "provenance": {}, "n_decisions": -1}},
])  # fmt: skip
def test_hostile_attributes(folder, attributes):
    edit(folder / "zarr.json", lambda content: content["attributes"].update(attributes))
    with pytest.raises(ValueError, match=r"a.zarr"):
        RDMStore.open(folder)


@pytest.mark.parametrize(("name", "shape"), [
    ("values", [5, 10**12]),
    ("values", [5, 7]),
    ("values", [10**12, 6]),
    ("values", [5]),
    ("coord_time", [10**12]),
    ("coord_time", [4]),
    ("done", [10**12]),
    ("done", [4]),
])  # fmt: skip
def test_claimed_shapes(folder, name, shape):
    edit(folder / name / "zarr.json", lambda content: content.update(shape=shape))
    with pytest.raises(ValueError, match=r"a.zarr"):
        RDMStore.open(folder)


def test_claimed_pieces(folder):
    def change(content: dict[str, Any]) -> None:
        content["chunk_grid"]["configuration"]["chunk_shape"] = [10**6, 10**6]

    edit(folder / "values" / "zarr.json", change)
    with pytest.raises(ValueError, match="in pieces of"):
        RDMStore.open(folder)


def claim_pieces(folder: Path, side: int) -> None:
    def change(content: dict[str, Any]) -> None:
        content["chunk_grid"]["configuration"]["chunk_shape"] = [side, side]

    edit(folder / "values" / "zarr.json", change)


@pytest.mark.parametrize("side", [2**32, 2**40])
def test_claimed_pieces_beyond_numbers(folder, side):
    claim_pieces(folder, side)
    with pytest.raises(ValueError, match=r"a\.zarr is damaged: its values are no RDMs"):
        RDMStore.open(folder)


def test_claimed_pieces_of_nothing(folder):
    claim_pieces(folder, 0)
    # zarr 3.4 takes 0 for 1, and then most pieces are missing
    with pytest.raises(ValueError, match=r"a\.zarr is damaged: (its values are no RDMs|values/c/0/1 is missing)"):
        RDMStore.open(folder).read(0, 2)


def test_no_times(folder):
    for name, shape in (("values", [0, 6]), ("coord_time", [0]), ("done", [0])):
        edit(folder / name / "zarr.json", lambda content, shape=shape: content.update(shape=shape))
    with pytest.raises(ValueError, match="it holds 0 slices and 0 times"):
        RDMStore.open(folder)


def test_half_precision_is_none_of_ours(folder):
    edit(folder / "values" / "zarr.json", lambda content: content.update(data_type="float16", fill_value=0))
    with pytest.raises(ValueError, match="values of dtype float16"):
        RDMStore.open(folder)


@pytest.mark.parametrize("name", ["values/c/0/0", "coord_time/c/0", "done/c/0"])
def test_files_that_are_too_large_are_not_read(folder, name):
    os.truncate(folder / name, 2**40)  # takes no room
    with pytest.raises(ValueError, match=r"1,099,511,627,776 bytes in place of"):
        RDMStore.open(folder).read(0, 5)
    with pytest.raises(ValueError, match=r"a\.zarr"):
        RDM.load(folder)


def test_pieces_that_unpack_to_more_than_they_should(tmp_path):
    path = tmp_path / "a.zarr"
    with create(path, n_decisions=24) as store:
        store.write(0, np.full((5, 6), 0.5))
    from numcodecs.zstd import Zstd

    (path / "values" / "c" / "0" / "0").write_bytes(Zstd().encode(bytes(2**18)))
    for read in (lambda: RDMStore.open(path).read(0, 5), lambda: RDM.load(path)):
        with pytest.raises(ValueError, match=r"c/0/0 holds 262,144 bytes in place of 30"):
            read()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["zarr.json", "values/zarr.json", "done/zarr.json", "values/c/0/0"])
def test_pipes_are_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    for read in (lambda: RDMStore.open(folder).read(0, 5), lambda: RDM.load(folder)):
        with pytest.raises(ValueError, match=r"a\.zarr"):
            read()


def test_no_pickle_is_run(folder):
    for file in folder.rglob("*"):
        if file.is_file() and file.name == "0":
            file.write_bytes(pickle.dumps(print))
    with pytest.raises(ValueError, match="damaged"):
        RDMStore.open(folder).read(0, 1)


# --- speed
