"""Triplets in a Zarr folder: two arrays in pieces of one block each; a block is done when both its pieces are there."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import as_labels, shown
from alignkit._io import check_file
from alignkit._lock import FolderLock
from alignkit._typing import AnyArray
from alignkit.align._triplet_file import TripletFile
from alignkit.rsa._zarr_pieces import check_all_pieces, check_metadata, check_pieces

SCHEMA = "triplets/1"
_INDICES, _SIMILARITIES, _NAMES = "indices", "similarities", "names"
#: Bytes of names: forty million of them.
_MOST_NAMES = 1 << 30
_LARGEST_PIECE = 1 << 30


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TripletFolder:
    """An open folder of blocks of triplets.

    ``settings`` holds what they are made with, ``names`` those of all images; ``indices`` and ``similarities`` are Zarr
    arrays of shape (n_triplets, 3).
    """

    path: Path
    names: tuple[str, ...]
    settings: dict[str, Any]
    indices: Any
    similarities: Any

    @property
    def n_triplets(self) -> int:
        """Number of triplets once all are there."""
        return int(self.indices.shape[0])

    @property
    def rows(self) -> int:
        """Triplets of a block."""
        return int(self.indices.chunks[0])

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-self.n_triplets // self.rows)

    def missing(self) -> list[int]:
        """Return the blocks that are not there yet."""
        return [block for block in range(self.n_blocks) if not all(file.is_file() for file in self._pieces(block))]

    def write(self, block: int, indices: AnyArray, similarities: AnyArray) -> None:
        """Write a block; it is on disk when this returns."""
        start = block * self.rows
        self.indices[start : start + len(indices)] = indices
        self.similarities[start : start + len(indices)] = similarities
        for piece in self._pieces(block):
            _flush(piece)

    def read(self, start: int, stop: int) -> tuple[AnyArray, AnyArray]:
        """Return triplets and similarities, or raise when some are lost or damaged."""
        blocks = range(start // self.rows, -(-stop // self.rows))
        lost = [file for block in blocks for file in self._pieces(block) if not file.is_file()]
        if lost:
            msg = f"{self.path} is damaged: {lost[0].relative_to(self.path)} is missing."
            raise ValueError(msg)
        try:
            for array, column in ((self.indices, 0), (self.similarities, 1)):
                check_pieces(array, [self._pieces(block)[column] for block in blocks])
            return np.asarray(self.indices[start:stop]), np.asarray(self.similarities[start:stop])
        except Exception as error:  # zarr raises many kinds on damaged folders
            msg = f"{self.path} is damaged: its triplets from {start} up to {stop} cannot be read ({error})."
            raise ValueError(msg) from error

    def as_file(self) -> TripletFile:
        """Return what readers get."""
        return TripletFile(self.path, self.names, self.n_triplets, self.settings, self.read)

    def _pieces(self, block: int) -> tuple[Path, Path]:
        key = self.indices.metadata.encode_chunk_key((block, 0))
        return self.path / _INDICES / key, self.path / _SIMILARITIES / key


def _flush(file: Path) -> None:
    handle = os.open(file, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_zarr(path: Path) -> TripletFile:
    """Open a finished folder.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        An unfinished or damaged folder, or one of something else.
    """
    folder = open_folder(path)
    missing = folder.missing()
    if missing:
        msg = (
            f"{path} is not finished: {len(missing):,} of {folder.n_blocks:,} blocks of triplets are missing; give the "
            "command that makes it again, and it continues."
        )
        raise ValueError(msg)
    return folder.as_file()


def open_folder(path: Path, *, write: bool = False) -> TripletFolder:
    """Open a folder, finished or not, checking that its parts fit together."""
    import zarr

    if not path.is_dir():
        check_file(path)
        msg = f"{path} is a file; a .zarr folder is expected."
        raise ValueError(msg)
    try:
        with warnings.catch_warnings():  # about members that have no metadata any more
            warnings.simplefilter("ignore")
            check_metadata(path)
            # version 3 only: version 2 has a filter that unpickles
            group: Any = zarr.open_group(path, mode="r+" if write else "r", zarr_format=3)
            settings = group.attrs["alignkit"]
            _check_arrays(group, settings)
            names = _read_names(path, group[_NAMES])
            indices, similarities = group[_INDICES], group[_SIMILARITIES]
    except Exception as error:  # zarr raises many kinds on damaged folders
        msg = f"{path} is not a readable folder of triplets ({error}); it is incomplete, damaged or something else."
        raise ValueError(msg) from error
    settings = {key: value for key, value in settings.items() if key != "schema"}
    return TripletFolder(path, names, settings, indices, similarities)


def _check_arrays(group: Any, settings: object) -> None:
    if not isinstance(settings, dict) or settings.get("schema") != SCHEMA:
        msg = "it holds no triplets that alignkit wrote"
        raise ValueError(msg)
    for name, dtype in ((_INDICES, np.int32), (_SIMILARITIES, np.float32)):
        array = group[name]
        rows, width = array.chunks if array.ndim == 2 else (0, 0)
        if array.dtype != dtype or array.shape[1:] != (3,) or width != 3 or not 0 < rows <= _LARGEST_PIECE // 12:
            msg = f"{name} of dtype {array.dtype}, shape {array.shape}, in pieces of {array.chunks}"
            raise ValueError(msg)
    if group[_INDICES].shape != group[_SIMILARITIES].shape or group[_INDICES].chunks != group[_SIMILARITIES].chunks:
        msg = "its indices and similarities do not fit together"
        raise ValueError(msg)


def _read_names(path: Path, array: Any) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype != np.uint8 or not 0 < array.size <= _MOST_NAMES or array.chunks != array.shape:
        msg = f"names of dtype {array.dtype}, shape {array.shape}"
        raise ValueError(msg)
    check_all_pieces(path / _NAMES, array)
    names = json.loads(np.asarray(array[...]).tobytes())
    return as_labels("its names", names if isinstance(names, list) else ())


@dataclasses.dataclass(frozen=True, slots=True)
class ZarrSink:
    """A folder that this process writes to."""

    folder: TripletFolder
    lock: FolderLock

    def missing(self) -> list[int]:
        """Return the blocks that are not there yet."""
        return self.folder.missing()

    def write(self, block: int, indices: AnyArray, similarities: AnyArray) -> None:
        """Write a block; it is on disk when this returns."""
        self.folder.write(block, indices, similarities)

    def finish(self) -> None:
        """Nothing is left to do: blocks are in place."""

    def release(self) -> None:
        """Let others in."""
        self.lock.release()


def create_folder(
    path: Path, names: tuple[str, ...], n: int, rows: int, settings: Mapping[str, Any], *, overwrite: bool
) -> ZarrSink:
    """Make a folder, or open the one that the same call left; either way locked by this process.

    Raises
    ------
    FileExistsError
        The folder holds other triplets, or something else.
    BlockingIOError
        Another process writes to it.
    """
    if path.exists() and not (path / "zarr.json").is_file():
        msg = f"{path} exists and is no folder of triplets; choose another out."
        raise FileExistsError(msg)
    if path.exists() and overwrite:
        open_folder(path)  # nothing else is ever deleted
        remove(path)
    if not path.exists():
        _make(path, names, n, rows, settings)
    lock = FolderLock(path)
    try:
        folder = open_folder(path, write=True)
        _check_same(folder, names, n, settings)
        for leftover in path.rglob("*.partial"):  # what a killed process was about to write
            leftover.unlink()
    except BaseException:
        lock.release()
        raise
    return ZarrSink(folder, lock)


def remove(folder: Path) -> None:
    """Delete a folder that no other process writes to."""
    lock = FolderLock(folder)
    try:
        shutil.rmtree(folder)
    finally:
        lock.release()


def _make(path: Path, names: tuple[str, ...], n: int, rows: int, settings: Mapping[str, Any]) -> None:
    import zarr

    # written beside the target, then renamed: a kill leaves a whole folder or none
    workshop = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        group = zarr.open_group(workshop / "new", mode="w", zarr_format=3)
        whole: Any = {"write_empty_chunks": True}  # so that a piece that is not there is one that is not done
        options: dict[str, Any] = {"shape": (n, 3), "chunks": (min(rows, n), 3), "compressors": None, "config": whole}
        group.create_array(_INDICES, dtype=np.int32, fill_value=-1, **options)
        group.create_array(_SIMILARITIES, dtype=np.float32, fill_value=float("nan"), **options)
        text = np.frombuffer(json.dumps(list(names), ensure_ascii=False).encode(), dtype=np.uint8)
        group.create_array(_NAMES, data=text, chunks=text.shape, config=whole)
        group.attrs["alignkit"] = {"schema": SCHEMA, **settings}
        (workshop / "new").rename(path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _check_same(folder: TripletFolder, names: tuple[str, ...], n: int, settings: Mapping[str, Any]) -> None:
    different = describe_differences({**folder.settings, "n": folder.n_triplets}, {**settings, "n": n})
    if folder.names != names:
        different.append("other images")
    if different:
        raise holds_others(folder.path, different)


def describe_differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return, in words, what tells triplets on disk from those asked for."""
    return [
        f"{key} {shown(there.get(key), 40)} there, {shown(here.get(key), 40)} here"
        for key in {**there, **here}
        if there.get(key) != here.get(key)
    ]


def holds_others(path: Path, different: list[str]) -> FileExistsError:
    """Return the error for a path that other triplets lie at."""
    words = "; ".join(different[:3])
    return FileExistsError(
        f"{path} holds other triplets ({words}); choose another out, or replace them with overwrite=True."
    )
