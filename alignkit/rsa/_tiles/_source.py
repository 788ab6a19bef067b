"""Features as rows that are read when they are needed: arrays in memory, mapped files, or whatever has ``read``."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from alignkit._check import as_float_array, as_labels, check_n_items, is_tensor, shown
from alignkit._io import load_npy
from alignkit._typing import AnyArray, BoolArray, FloatArray
from alignkit.rsa._container import RDM
from alignkit.rsa._read_patterns import unwrap
from alignkit.rsa._zarr_pieces import check_all_pieces, check_metadata

#: Rows that are looked at together; the sums over rows are cut alike wherever they are read.
_ROWS = 1024
#: Bytes of a piece that a folder made by others may ask for.
_LARGEST_PIECE = 1 << 30


class Rows(Protocol):
    """Rows of features."""

    @property
    def shape(self) -> tuple[int, int]:
        """Items and channels."""

    @property
    def nbytes(self) -> int:
        """Bytes that travel with it."""

    def read(self, rows: Any) -> AnyArray:
        """Return some rows, by a slice or by their positions, in the numbers that are stored."""


class ArrayRows:
    """Rows of an array of numpy, in memory or mapped."""

    def __init__(self, array: AnyArray) -> None:
        self._array = array
        self.shape: tuple[int, int] = (int(array.shape[0]), int(array.shape[1]))
        self.nbytes = int(array.nbytes)

    def read(self, rows: Any) -> AnyArray:
        """Return some rows."""
        return np.asarray(self._array[rows])


class FileRows:
    """Rows of a ``.npy`` file or of a Zarr array, which every process opens for itself."""

    nbytes = 0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: Any = None
        array = self._array()
        self.shape: tuple[int, int] = _checked_shape(str(path), array)

    def _array(self) -> Any:
        if self._opened is None:
            self._opened = _open_zarr(self._path) if self._path.is_dir() else load_npy(self._path, mmap=True)
        return self._opened

    def __getstate__(self) -> tuple[Path, tuple[int, int]]:
        return self._path.resolve(), self.shape

    def __setstate__(self, state: tuple[Path, tuple[int, int]]) -> None:
        self._path, self.shape = state
        self._opened = None

    def read(self, rows: Any) -> AnyArray:
        """Return some rows."""
        array = self._array()
        if tuple(array.shape) != self.shape:
            msg = f"{self._path} has shape {tuple(array.shape)} here and {self.shape} where the work was begun."
            raise ValueError(msg)
        if isinstance(rows, slice) or isinstance(array, np.ndarray):
            return np.asarray(array[rows])
        return np.asarray(array.oindex[rows])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What one pass over features tells.

    ``bad`` marks rows with NaN or infinite values; ``mean`` is that of the others, ``largest`` their largest
    magnitude; ``sha256`` is that of shape, dtype and numbers.
    """

    bad: BoolArray
    mean: FloatArray
    largest: float
    sha256: str


def as_rows(name: str, x: Any, labels: Iterable[Any] | None) -> tuple[Rows, tuple[str, ...] | None]:
    """Return features as rows, and the names of the items.

    Raises
    ------
    ValueError
        Another shape than items by channels, too few items, a file that holds something else, labels that repeat.
    TypeError
        Values that are not real numbers.
    """
    own: Iterable[Any] | None = None
    rows: Rows
    if isinstance(x, str | Path):
        rows = _of_file(name, Path(x))
    elif callable(getattr(x, "read", None)) and hasattr(x, "shape"):
        rows, own = x, getattr(x, "labels", None)
    else:
        rows, own = _of_array(name, x)
    check_n_items(name, rows.shape[0], 2)
    found = own if labels is None else labels
    return rows, None if found is None else as_labels("labels", found, rows.shape[0])


def _of_file(name: str, path: Path) -> Rows:
    if path.suffix == ".npy" or (path.suffix == ".zarr" and path.is_dir()):
        return FileRows(path)
    if path.is_dir():
        msg = f"{name} is the folder {path}; open it first: alignkit.models.open_features({str(path)!r})."
        raise ValueError(msg)
    msg = f"{name} is the file {path}; features are read from a .npy file or a .zarr folder."
    raise ValueError(msg)


def _of_array(name: str, x: Any) -> tuple[Rows, Iterable[Any] | None]:
    if is_tensor(x) or isinstance(x, RDM):
        msg = f"{name} must be features in numpy or in a file, items by channels; got {shown(type(x).__name__)}."
        raise TypeError(msg)
    array, labels = unwrap(x, None)
    mapped = isinstance(array, np.ndarray) and array.dtype.kind == "f" and not isinstance(array, np.ma.MaskedArray)
    array = array if mapped else as_float_array(name, array)
    _checked_shape(name, array)
    return ArrayRows(array), labels


def _checked_shape(name: str, array: Any) -> tuple[int, int]:
    if array.dtype.kind not in "fiu":
        msg = f"{name} must hold real numbers; got dtype {array.dtype}."
        raise TypeError(msg)
    if array.ndim != 2 or 0 in array.shape:
        msg = f"{name} must have shape (items, channels) with at least one channel; got {tuple(array.shape)}."
        raise ValueError(msg)
    return int(array.shape[0]), int(array.shape[1])


def _open_zarr(path: Path) -> Any:
    import zarr

    try:
        check_metadata(path)
        # version 3 only: version 2 has a filter that unpickles
        opened: Any = zarr.open(path, mode="r", zarr_format=3)
        if isinstance(opened, zarr.Group):
            names = sorted(opened.array_keys())
            if len(names) != 1:
                msg = f"it holds {len(names)} arrays ({', '.join(names[:5])}), and one of features is expected"
                raise ValueError(msg)
            opened, path = opened[names[0]], path / names[0]
        if math.prod(opened.chunks) * opened.dtype.itemsize > _LARGEST_PIECE:
            msg = f"its pieces of {opened.chunks} are too large"
            raise ValueError(msg)
        check_all_pieces(path, opened)
    except Exception as error:  # zarr raises many kinds on damaged folders
        msg = f"{path} is no readable zarr array of features ({error})."
        raise ValueError(msg) from error
    return opened


def survey(rows: Rows) -> Survey:
    """Look at every row once."""
    n, width = rows.shape
    digest = hashlib.sha256()
    bad, total, largest = np.zeros(n, dtype=np.bool_), np.zeros(width), 0.0
    for start in range(0, n, _ROWS):
        stored = np.ascontiguousarray(rows.read(slice(start, min(n, start + _ROWS))))
        if start == 0:
            digest.update(f"{(n, width)} {stored.dtype.str}".encode())
        digest.update(stored.data)
        block = stored.astype(np.float64)
        good = np.isfinite(block).all(axis=1)
        bad[start : start + len(block)] = ~good
        block = block[good]
        largest = max(largest, float(np.abs(block).max(initial=0.0)))
        with np.errstate(over="ignore"):
            total += block.sum(axis=0)
    mean = total / max(1, n - int(bad.sum()))
    return Survey(bad, mean, largest, digest.hexdigest())
