"""Sums over tiles that are kept in a folder, so that a comparison that was killed goes on where it stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from alignkit._io import MAX_BYTES, atomic_write, load_npz, save_npz
from alignkit._lock import FolderLock
from alignkit._memory import in_bytes
from alignkit._typing import AnyArray, BoolArray, PathLike

#: Seconds between two versions of a file, and how many times what the last one took to write.
_EVERY, _TIMES = 2.0, 20.0
_KEY, _KIND = "comparison", "alignkit.stream_compare/1"
_SIGNATURE = "comparison.txt"
_FILES = (_SIGNATURE, *(f"{stage}.npz" for stage in ("coarse", "fine_a", "fine_b", "crossed", "moments")))


class Stage:
    """One sum over the tiles: its arrays, and which tiles are ``done`` already.

    The arrays are those that were given, with what the folder holds; :meth:`keep` writes them as they are, so that
    nothing else may change them meanwhile.
    """

    def __init__(self, path: Path | None, key: str, arrays: Mapping[str, AnyArray], n_tiles: int) -> None:
        self.done: BoolArray = np.zeros(n_tiles, dtype=np.bool_)
        #: What JSON keeps beside the arrays.
        self.notes: dict[str, Any] = {}
        self._arrays, self._path, self._key = dict(arrays), path, key
        self._written, self._took = time.monotonic(), 0.0
        if path is not None:
            self._check_size(path)
            if path.exists():
                self._read(path)

    def _check_size(self, path: Path) -> None:
        size = self.done.nbytes + sum(array.nbytes for array in self._arrays.values())
        if size > MAX_BYTES:
            msg = (
                f"resume keeps at most {in_bytes(MAX_BYTES)} in {path.name}, and this takes {in_bytes(size)}; drop it."
            )
            raise ValueError(msg)

    def _read(self, path: Path) -> None:
        arrays, meta = load_npz(path)
        if meta.get("kind") != _KIND or not isinstance(meta.get("notes"), dict):
            msg = f"{path} does not hold the start of a comparison; choose another folder for resume."
            raise ValueError(msg)
        check_key(path.parent, meta.get(_KEY), self._key)
        for name, array in {**self._arrays, "done": self.done}.items():
            found = arrays.pop(name, None)
            if found is None or found.shape != array.shape or found.dtype != array.dtype:
                msg = f"{path} is damaged: {name} is missing or has another shape; remove the folder {path.parent}."
                raise ValueError(msg)
            array[...] = found
        self.notes = meta["notes"]

    @property
    def finished(self) -> bool:
        """Whether all tiles are in it."""
        return bool(self.done.all())

    @property
    def due(self) -> bool:
        """Whether it is time to write again: every few seconds, less often where writing takes long."""
        waited = time.monotonic() - self._written
        return self._path is not None and waited >= max(_EVERY, _TIMES * self._took)

    def keep(self, *, now: bool = False) -> None:
        """Write what there is, when it is due or ``now``; a kill leaves the version before or this one."""
        if self._path is None or not (now or self.due):
            return
        start = time.monotonic()
        save_npz(self._path, {**self._arrays, "done": self.done}, {"kind": _KIND, _KEY: self._key, "notes": self.notes})
        self._written = time.monotonic()
        self._took = self._written - start


class SumsFolder:
    """A folder with one file for each sum over tiles; without a path, nothing is kept.

    Parameters
    ----------
    path : Path, optional
        Made where it is not there; its own parent must be.
    key : str
        Tells a comparison apart from others.
    n_tiles : int
        Number of tiles.
    """

    def __init__(self, path: Path | None, key: str, n_tiles: int) -> None:
        self._path, self._key, self._n_tiles = path, key, n_tiles

    @classmethod
    @contextmanager
    def opened(cls, path: PathLike | None, key: str, n_tiles: int) -> Iterator[Self]:
        """Open a folder, or make it, for this process alone.

        Raises
        ------
        FileExistsError
            The folder is another comparison's, or holds something else.
        FileNotFoundError
            The folder that it shall lie in is not there.
        BlockingIOError
            Another process writes to it.
        """
        if path is None:
            yield cls(None, key, n_tiles)
            return
        folder = Path(os.path.abspath(path))
        _enter(folder)
        lock = FolderLock(folder, "resume")
        try:
            for name in _FILES:  # what a killed process was about to write
                for leftover in folder.glob(f".{name}.*.tmp"):
                    leftover.unlink()
            _sign(folder, key)
            yield cls(folder, key, n_tiles)
        finally:
            lock.release()

    def stage(self, name: str, arrays: Mapping[str, AnyArray]) -> Stage:
        """Return a sum that goes on from what is kept of it.

        Raises
        ------
        ValueError
            A damaged file, or more than a file may hold.
        """
        return Stage(self._file(name), self._key, arrays, self._n_tiles)

    def drop(self, names: Iterable[str]) -> None:
        """Remove sums that nobody needs any more."""
        for name in names:
            file = self._file(name)
            if file is not None:
                file.unlink(missing_ok=True)

    def _file(self, name: str) -> Path | None:
        return None if self._path is None else self._path / f"{name}.npz"


def check_key(folder: Path, there: object, here: str) -> None:
    """Raise FileExistsError where a folder holds another comparison."""
    if there != here:
        msg = (
            f"{folder} holds the start of another comparison (of other RDMs or options); remove it, or choose another "
            "folder for resume."
        )
        raise FileExistsError(msg)


def remove_sums(path: PathLike) -> None:
    """Remove what a comparison kept in a folder, and the folder where nothing else is in it."""
    folder = Path(path)
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _enter(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file; resume needs a folder."
        raise FileExistsError(msg)
    if not folder.parent.is_dir():
        msg = f"the folder {folder.parent} does not exist; create it first."
        raise FileNotFoundError(msg)
    folder.mkdir(exist_ok=True)


def _sign(folder: Path, key: str) -> None:
    """Write which comparison a folder is for, or check it."""
    signature = folder / _SIGNATURE
    if signature.is_file():
        with open(signature, encoding="utf-8", errors="replace") as stream:
            check_key(folder, stream.read(1 << 12).strip(), f"{_KIND} {key}")
    elif any(folder.iterdir()):
        msg = f"{folder} holds something else; choose another folder for resume."
        raise FileExistsError(msg)
    else:
        with atomic_write(signature, "w") as stream:
            stream.write(f"{_KIND} {key}\n")
