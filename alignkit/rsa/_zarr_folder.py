"""What the Zarr folders of RDMs have in common: how they come to be, reach the disk, and are opened with care."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from alignkit._io import check_file
from alignkit.rsa._zarr_pieces import check_metadata


def flush(file: Path) -> None:
    """Wait until a file is on disk."""
    handle = os.open(file, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def settle(new: Path, path: Path) -> None:
    """Give a new folder its name, unless another process was faster: then that one's folder counts."""
    try:
        new.rename(path)
    except OSError:
        if not (path / "zarr.json").is_file():
            raise


@contextlib.contextmanager
def opening(path: Path, what: str) -> Iterator[None]:
    """Let a folder be opened as ``what``; raise ValueError with one sentence where that fails.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        A file, a damaged folder, or whatever Zarr raises of one.
    """
    if not path.is_dir():
        check_file(path)
        msg = f"{path} is a file; a .zarr folder is expected."
        raise ValueError(msg)
    try:
        with warnings.catch_warnings():  # about members that have no metadata any more: they are missed by others
            warnings.simplefilter("ignore")
            check_metadata(path)
            yield
    except Exception as error:  # zarr raises many kinds on damaged folders
        msg = f"{path} is not a readable {what} ({error}); it is incomplete, damaged or something else."
        raise ValueError(msg) from error


def stored_labels(path: Path, labels: object, n_items: int) -> tuple[str, ...] | None:
    """Return the labels that a folder holds, or raise ValueError where they are no names of its items."""
    if labels is None:
        return None
    if isinstance(labels, list) and len(set(map(str, labels))) == n_items and all(isinstance(x, str) for x in labels):
        return tuple(labels)
    msg = f"{path} is damaged: its labels are not {n_items} different names."
    raise ValueError(msg)
