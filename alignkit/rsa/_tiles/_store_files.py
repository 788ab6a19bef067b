"""The folder of an RDM in tiles: a square Zarr array of which the upper tiles are there, and a list of those done."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alignkit._check import shown
from alignkit._lock import FolderLock
from alignkit._typing import AnyArray, BoolArray
from alignkit.rsa._storage import DONE
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._zarr_folder import flush, opening, settle, stored_labels
from alignkit.rsa._zarr_pieces import check_all_pieces, check_pieces

SCHEMA = "alignkit.TiledRDM/1"
#: What to do with a damaged folder.
_ANEW = "; delete this folder and make it anew."
_VALUES = "values"
#: Items along a tile that a folder made by others may ask for.
_LARGEST_SIDE = 1 << 14
#: What tells one computation from another.
_IDENTITY = ("metric", "provenance", "n_items", "side")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TileFiles:
    """An open folder; ``meta`` holds ``metric``, ``provenance``, ``n_items`` and ``side``."""

    path: Path
    labels: tuple[str, ...] | None
    meta: dict[str, Any]
    group: Any

    @property
    def grid(self) -> Grid:
        """How the items are cut."""
        return Grid(self.meta["n_items"], self.meta["side"])

    def file_of(self, tile: tuple[int, int]) -> Path:
        """Return the file of a tile."""
        file: Path = self.path / _VALUES / self.group[_VALUES].metadata.encode_chunk_key(tile)
        return file

    def write(self, tile: tuple[int, int], values: AnyArray) -> None:
        """Write a tile; it is on disk when this returns."""
        (top, bottom), (left, right) = map(self.grid.bounds, tile)
        self.group[_VALUES][top:bottom, left:right] = values
        flush(self.file_of(tile))

    def read(self, tile: tuple[int, int]) -> AnyArray:
        """Return a tile, or raise ValueError where its file is lost or damaged."""
        file = self.file_of(tile)
        if not file.is_file():
            msg = f"{self.path} is damaged: {file.relative_to(self.path)} is missing{_ANEW}"
            raise ValueError(msg)
        (top, bottom), (left, right) = map(self.grid.bounds, tile)
        try:
            values = self.group[_VALUES]
            check_pieces(values, [file])
            found: AnyArray = np.asarray(values[top:bottom, left:right])
        except Exception as error:  # zarr raises many kinds on damaged folders
            msg = f"{self.path} is damaged: its tile {tile} cannot be read ({error}){_ANEW}"
            raise ValueError(msg) from error
        return found

    def read_done(self) -> BoolArray:
        """Return which tiles are on disk, in the order of the grid."""
        try:
            done = self.group[DONE]
            if done.shape == (self.grid.n_tiles,) and done.dtype == np.bool_:
                check_all_pieces(self.path / DONE, done)
                return np.asarray(done[...])
        except Exception as error:  # zarr raises many kinds on damaged folders
            msg = f"{self.path} is damaged: its list of tiles that are done cannot be read ({error})."
            raise ValueError(msg) from error
        msg = f"{self.path} is damaged: its list of tiles that are done does not fit its items."
        raise ValueError(msg)

    def write_done(self, done: BoolArray) -> None:
        """Keep which tiles are on disk; the old list stays until the new one is whole."""
        self.group[DONE][...] = done


def is_tiled(path: Path) -> bool:
    """Return whether a folder says that it holds an RDM in tiles."""
    file = path / "zarr.json"
    if not path.is_dir() or not file.is_file():
        return False
    with open(file, "rb") as stream:
        return SCHEMA.encode() in stream.read(1 << 28)


def create_files(path: Path, labels: tuple[str, ...] | None, meta: Mapping[str, Any]) -> tuple[TileFiles, FolderLock]:
    """Make a folder, or open the one that the same computation left; either way locked by this process.

    Raises
    ------
    FileExistsError
        The folder holds another computation, or something else.
    FileNotFoundError
        The folder that it shall lie in is not there.
    BlockingIOError
        Another process writes to it.
    ValueError
        Another suffix.
    """
    if path.suffix != ".zarr":
        msg = f"an RDM in tiles is a folder whose name ends in .zarr; got {str(path)!r}."
        raise ValueError(msg)
    if not path.parent.is_dir():
        msg = f"the folder {path.parent} does not exist; create it first."
        raise FileNotFoundError(msg)
    if path.exists() and not is_tiled(path):
        msg = f"{path} exists and is no RDM in tiles; choose another name."
        raise FileExistsError(msg)
    if not path.exists():
        _make(path, labels, meta)
    lock = FolderLock(path)
    try:
        files = open_files(path, "r+")
        _check_same(files, labels, meta)
        for leftover in path.rglob("*.partial"):  # what a killed process was about to write
            leftover.unlink()
    except BaseException:
        lock.release()
        raise
    return files, lock


def _make(path: Path, labels: tuple[str, ...] | None, meta: Mapping[str, Any]) -> None:
    import zarr

    # written beside the target, then renamed: a kill leaves a whole store or none
    workshop = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        group = zarr.open_group(workshop / "new", mode="w", zarr_format=3)
        n, side, whole = meta["n_items"], meta["side"], {"write_empty_chunks": True}
        chunks = (min(n, side),) * 2
        # no value is ever what a lost tile reads as; floats hardly shrink, and packing takes ten times as long
        fill = -np.inf
        group.create_array(_VALUES, shape=(n, n), chunks=chunks, dtype=np.float32, fill_value=fill, compressors=None)
        done = np.zeros(Grid(n, side).n_tiles, dtype=np.bool_)
        group.create_array(DONE, data=done, config=whole)  # type: ignore[arg-type]
        if labels is not None:
            group.attrs["labels"] = list(labels)
        group.attrs["alignkit"] = {"schema": SCHEMA, **meta}
        settle(workshop / "new", path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def open_files(path: Path, mode: Literal["r", "r+"] = "r") -> TileFiles:
    """Open a folder, checking that its parts fit together.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        A damaged folder, or one that holds something else.
    """
    import zarr

    with opening(path, "RDM in tiles"):
        # version 3 only: version 2 has a filter that unpickles
        group: Any = zarr.open_group(path, mode=mode, zarr_format=3)
        attributes = dict(group.attrs)
        values = group[_VALUES]
    meta = _checked_meta(path, attributes.get("alignkit"))
    n, side = meta["n_items"], meta["side"]
    if values.shape != (n, n) or values.dtype != np.float32 or values.chunks != (min(n, side),) * 2:
        found = f"values of dtype {values.dtype}, shape {values.shape}, in pieces of {values.chunks}"
        msg = f"{path} is damaged: its tiles are not those of {n} items ({found})."
        raise ValueError(msg)
    return TileFiles(path, stored_labels(path, attributes.get("labels"), n), meta, group)


def _checked_meta(path: Path, meta: object) -> dict[str, Any]:
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        msg = f"{path} is a zarr folder, but no RDM in tiles that alignkit wrote."
        raise ValueError(msg)
    n, side = meta.get("n_items"), meta.get("side")
    fits = type(n) is int and type(side) is int and 2 <= n < 1 << 31 and 0 < side <= _LARGEST_SIDE
    if not fits or not isinstance(meta.get("metric"), str) or not isinstance(meta.get("provenance"), dict):
        msg = f"{path} is damaged: it says {shown(meta)} of itself."
        raise ValueError(msg)
    return {name: meta[name] for name in _IDENTITY}


def _check_same(files: TileFiles, labels: tuple[str, ...] | None, meta: Mapping[str, Any]) -> None:
    different = [] if files.labels == labels else ["other labels"]
    there, here = ({**m["provenance"], **{k: m[k] for k in _IDENTITY if k != "provenance"}} for m in (files.meta, meta))
    for name in {**there, **here}:
        old, new = there.get(name), here.get(name)
        if old != new:
            different.append(
                "other features" if name == "features_sha256" else f"{name} {shown(old)}, not {shown(new)}"
            )
    if different:
        msg = (
            f"{files.path} holds another computation ({'; '.join(different[:3])}); choose another name, or delete "
            "that folder."
        )
        raise FileExistsError(msg)
