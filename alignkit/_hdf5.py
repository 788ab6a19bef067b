"""HDF5 files, MATLAB's v7.3 among them: opened with one sentence where they are damaged, nothing outside followed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, whatever its suffix."""
    import h5py

    return bool(h5py.is_hdf5(path))


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open a file for reading, in a block that does nothing else.

    Raises
    ------
    ValueError
        A damaged or truncated file, then or while the block reads it.
    """
    import h5py

    with hdf5_damage(path), h5py.File(path, "r") as file:
        yield file


@contextmanager
def hdf5_damage(path: Path) -> Iterator[None]:
    """Turn what h5py raises on damaged files into one sentence."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, MemoryError) as error:
        reason = str(error).rstrip(".")
        msg = f"{path} is not a readable HDF5 file ({reason}); it is truncated or damaged."
        raise ValueError(msg) from error


def check_inside(path: Path, name: str, data: Any) -> None:
    """Raise when the numbers of a data set lie in other files."""
    if data.is_virtual or data.external:
        msg = f"{path}: {name!r} lies in other files, which alignkit does not follow; copy the numbers into one file."
        raise ValueError(msg)


def matlab_class(data: Any) -> str:
    """Return what MATLAB calls the kind of a data set; empty in files of others."""
    kind = data.attrs.get("MATLAB_class", b"")
    return as_text(kind) if isinstance(kind, bytes | str) else ""


def as_text(value: Any) -> str:
    """Return bytes and texts as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
