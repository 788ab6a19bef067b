"""The folder of a store of RDMs: an array (time, pair) in pieces, what it is about, and which times are done."""

from __future__ import annotations

import dataclasses
import itertools
import math
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alignkit._check import shown
from alignkit._lock import FolderLock
from alignkit._typing import AnyArray, BoolArray, FloatArray
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._counts import dtype_of_counts, missing_count
from alignkit.rsa._storage import DONE, SCHEMA, swap
from alignkit.rsa._zarr_folder import flush, opening, settle, stored_labels
from alignkit.rsa._zarr_pieces import check_all_pieces, check_pieces

#: Values of a piece on disk, at most: one time of 2,900 items.
_MOST = 1 << 22
#: Values of a piece where one time is smaller: a folder of a thousand tiny files is slow.
_FEWEST = 1 << 18
#: Bytes of a piece that a folder made by others may ask for.
_LARGEST_PIECE = 1 << 30
_VALUES = "values"
_TIMES = "coord_time"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class StoreFiles:
    """An open folder.

    ``values`` is a Zarr array (time, pair) of floats or of counts; ``meta`` holds ``metric``, ``provenance`` and
    ``n_decisions``; ``group`` the Zarr group.
    """

    path: Path
    labels: tuple[str, ...] | None
    times: FloatArray
    values: Any
    meta: dict[str, Any]
    group: Any

    def read_done(self) -> BoolArray:
        """Return which times are on disk: all, where no such list is kept."""
        if not (self.path / DONE).exists():
            return np.ones(len(self.times), dtype=np.bool_)
        try:
            done = self.group[DONE]
            if done.shape == self.times.shape and done.dtype == np.bool_:
                check_all_pieces(self.path / DONE, done)
                return np.asarray(done[...])
        except Exception as error:  # zarr raises many kinds on damaged folders
            msg = f"{self.path} is damaged: its list of times that are done cannot be read ({error})."
            raise ValueError(msg) from error
        msg = f"{self.path} is damaged: its list of times that are done does not fit its times."
        raise ValueError(msg)

    def write(self, start: int, values: AnyArray) -> None:
        """Write slices; they are on disk when this returns."""
        self.values[start : start + len(values)] = values
        for piece in self._pieces(start, start + len(values)):
            flush(piece)

    def write_done(self, done: BoolArray) -> None:
        """Keep which times are on disk; the old list stays until the new one is whole."""
        self.group[DONE][...] = done

    def read(self, start: int, stop: int) -> AnyArray:
        """Return slices, or raise when some are lost or damaged."""
        pieces = self._pieces(start, stop)
        lost = [piece for piece in pieces if not piece.is_file()]
        if lost:
            msg = f"{self.path} is damaged: {lost[0].relative_to(self.path)} is missing."
            raise ValueError(msg)
        try:
            check_pieces(self.values, pieces)
            return np.asarray(self.values[start:stop])
        except Exception as error:  # zarr raises many kinds on damaged folders
            msg = f"{self.path} is damaged: its times from {start} up to {stop} cannot be read ({error})."
            raise ValueError(msg) from error

    def _pieces(self, start: int, stop: int) -> list[Path]:
        times, pairs = self.values.chunks
        rows = range(start // times, -(-stop // times))
        columns = range(-(-self.values.shape[1] // pairs))
        encode = self.values.metadata.encode_chunk_key
        return [self.path / _VALUES / encode(at) for at in itertools.product(rows, columns)]


def create_files(
    path: Path,
    labels: tuple[str, ...],
    times: FloatArray,
    dtype: np.dtype[Any],
    meta: Mapping[str, Any],
    *,
    overwrite: bool,
) -> tuple[StoreFiles, FolderLock]:
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
        msg = f"a store of RDMs is a folder whose name ends in .zarr; got {str(path)!r}."
        raise ValueError(msg)
    if not path.parent.is_dir():
        msg = f"the folder {path.parent} does not exist; create it first."
        raise FileNotFoundError(msg)
    if path.exists() and not (path / "zarr.json").is_file():
        msg = f"{path} exists and is no store of RDMs; choose another name."
        raise FileExistsError(msg)
    lock = FolderLock(path) if path.exists() else None
    try:
        if lock is None or overwrite:
            _make(path, labels, times, dtype, meta)
            if lock is not None:
                lock.release()  # of the folder that was there
            lock = FolderLock(path)
        files = open_files(path, "r+")
        _check_same(files, labels, times, dtype, meta)
        for leftover in path.rglob("*.partial"):  # what a killed process was about to write
            leftover.unlink()
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return files, lock


def _make(
    path: Path, labels: tuple[str, ...], times: FloatArray, dtype: np.dtype[Any], meta: Mapping[str, Any]
) -> None:
    import zarr

    # written beside the target, then renamed: a kill leaves a whole store or none
    workshop = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        group = zarr.open_group(workshop / "new", mode="w", zarr_format=3)
        shape = (len(times), len(labels) * (len(labels) - 1) // 2)
        # counts halve when they are compressed; floats hardly shrink and take ten times as long
        packing: dict[str, Any] = {} if dtype.kind == "u" else {"compressors": None}
        # no value is ever what a lost piece reads as: zarr leaves out pieces of that value alone, and none else
        fill = missing_count(dtype) - 1 if dtype.kind == "u" else -np.inf
        whole: Any = {"write_empty_chunks": True}
        group.create_array(_VALUES, shape=shape, chunks=_piece(*shape), dtype=dtype, fill_value=fill, **packing)
        group.create_array(_TIMES, data=times, config=whole)
        group.create_array(DONE, data=np.zeros(len(times), dtype=np.bool_), config=whole)
        group.attrs["labels"] = list(labels)
        group.attrs["alignkit"] = {"schema": SCHEMA, "dims": ["time"], **meta}
        if path.exists():
            swap(workshop, path)
        else:
            settle(workshop / "new", path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _piece(n_times: int, n_pairs: int) -> tuple[int, int]:
    n_pieces = -(-n_pairs // _MOST)
    return min(n_times, max(1, _FEWEST // n_pairs)), -(-n_pairs // n_pieces)


def open_files(path: Path, mode: Literal["r", "r+"] = "r") -> StoreFiles:
    """Open a folder, checking that its parts fit together.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        A damaged folder, or one that holds something else.
    """
    import zarr

    with opening(path, "store of RDMs"):
        # version 3 only: version 2 has a filter that unpickles
        group: Any = zarr.open_group(path, mode=mode, zarr_format=3)
        attributes = dict(group.attrs)
        values = group[_VALUES]
        times = _read_times(path, group) if (path / _TIMES).exists() else None
    meta = _checked_meta(path, attributes.get("alignkit"))
    _check_values(path, values, meta)
    labels = stored_labels(path, attributes.get("labels"), n_items_of(values.shape[1]))
    if times is None:
        times = np.arange(values.shape[0], dtype=np.float64)
    if times.shape != values.shape[:1] or not times.size:
        msg = f"{path} is damaged: it holds {values.shape[0]} slices and {times.size} times."
        raise ValueError(msg)
    return StoreFiles(path, labels, times, values, meta, group)


def _read_times(path: Path, group: Any) -> FloatArray:
    times = group[_TIMES]
    if times.ndim != 1 or times.size > 10_000_000 or times.dtype.kind not in "fiu":
        msg = f"its times have shape {times.shape} and dtype {times.dtype}"
        raise ValueError(msg)
    check_all_pieces(path / _TIMES, times)
    return np.asarray(times[...], dtype=np.float64)


def _checked_meta(path: Path, meta: object) -> dict[str, Any]:
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA or not isinstance(meta.get("provenance"), dict):
        msg = f"{path} is a zarr folder, but no RDMs that alignkit saved."
        raise ValueError(msg)
    if meta.get("dims") != ["time"]:
        msg = f"{path} holds RDMs with the axes {shown(meta.get('dims'))}, not over time alone; read it with RDM.load."
        raise ValueError(msg)
    if not isinstance(meta.get("metric"), str | None):
        msg = f"{path} is damaged: its metric is {shown(meta['metric'])}."
        raise ValueError(msg)
    return {name: meta.get(name) for name in ("metric", "provenance", "n_decisions")}


def _check_values(path: Path, values: Any, meta: Mapping[str, Any]) -> None:
    n_decisions = meta.get("n_decisions")
    try:
        expected = values.dtype if n_decisions is None else dtype_of_counts(n_decisions)
        fits = values.dtype == expected and (values.dtype in (np.float32, np.float64) or n_decisions is not None)
        if not fits or values.ndim != 2 or not 0 < math.prod(values.chunks) * 8 <= _LARGEST_PIECE:
            msg = f"values of dtype {values.dtype}, shape {values.shape}, in pieces of {values.chunks}"
            raise ValueError(msg)
        n_items_of(values.shape[1], "it")
    except (ValueError, TypeError, AttributeError) as error:
        msg = f"{path} is damaged: its values are no RDMs over time ({error})."
        raise ValueError(msg) from error


def _check_same(
    files: StoreFiles, labels: tuple[str, ...], times: FloatArray, dtype: np.dtype[Any], meta: Mapping[str, Any]
) -> None:
    different = []
    if files.labels != labels:
        different.append(f"{len(files.labels or ())} labels there, {len(labels)} others here")
    if files.times.shape != times.shape or not np.allclose(files.times, times, rtol=0, atol=1e-9):
        different.append(f"{_span(files.times)} there, {_span(times)} here")
    there = {**files.meta, "dtype": str(files.values.dtype), "provenance": _identity(files.meta["provenance"])}
    here = {**meta, "dtype": str(dtype), "provenance": _identity(meta["provenance"])}
    # apart, as a provenance may have entries of the same names
    for old, new in ((there, here), (there.pop("provenance"), here.pop("provenance"))):
        different += [
            f"{name} {shown(old.get(name), 40)} there, {shown(new.get(name), 40)} here"
            for name in {**old, **new}
            if old.get(name) != new.get(name)
        ]
    if different:
        msg = (
            f"{files.path} holds another computation ({'; '.join(different[:3])}); choose another name, or replace it "
            "with overwrite=True."
        )
        raise FileExistsError(msg)


def _identity(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells a computation apart: not the sentences about it, which say the same in other words."""
    return {name: value for name, value in provenance.items() if name != "methods"}


def _span(times: FloatArray) -> str:
    return f"{len(times)} times from {times[0]:g} to {times[-1]:g} s" if times.size else "no times"
