"""Where blocks of triplets go: a folder that a killed process can go on with, whatever the format asked for."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from alignkit._typing import AnyArray
from alignkit.align._triplet_file import TripletFile
from alignkit.align._triplets_npz import read_npz, write_npz
from alignkit.align._triplets_parquet import create_parquet
from alignkit.align._triplets_zarr import ZarrSink, create_folder, describe_differences, holds_others, remove


class Sink(Protocol):
    """What writing needs of a format."""

    def missing(self) -> list[int]:
        """Return the blocks that are not there yet."""

    def write(self, block: int, indices: AnyArray, similarities: AnyArray) -> None:
        """Write a block; it is on disk when this returns."""

    def finish(self) -> None:
        """Settle the whole once all blocks are there."""

    def release(self) -> None:
        """Let others in."""


def open_sink(
    path: Path, names: tuple[str, ...], n: int, rows: int, settings: Mapping[str, Any], *, overwrite: bool
) -> Sink:
    """Return where to write ``n`` triplets in blocks of ``rows``, with what an earlier process left there.

    Raises
    ------
    FileExistsError
        Other triplets, or something else, of that name.
    FileNotFoundError
        No folder to write to.
    BlockingIOError
        Another process writes there.
    """
    if not path.parent.is_dir():
        msg = f"the folder {path.parent} does not exist; create it first."
        raise FileNotFoundError(msg)
    suffix = path.suffix.lower()
    if suffix == ".zarr":
        return create_folder(path, names, n, rows, settings, overwrite=overwrite)
    if suffix == ".parquet":
        return create_parquet(path, names, n, rows, settings, overwrite=overwrite)
    # an archive cannot be continued: its blocks wait beside it
    waiting = path.with_name(f".{path.name}.blocks.zarr")
    if path.exists() and not overwrite:
        _check_same(path, names, n, settings)
        if waiting.exists():  # a kill came between the archive and the end
            remove(waiting)
        return _Finished()
    try:
        blocks = create_folder(waiting, names, n, rows, settings, overwrite=False)
    except FileExistsError:
        if not overwrite:
            raise
        blocks = create_folder(waiting, names, n, rows, settings, overwrite=True)
    return _NpzSink(path, blocks)


def _check_same(path: Path, names: tuple[str, ...], n: int, settings: Mapping[str, Any]) -> None:
    try:
        found: TripletFile | None = read_npz(path)
    except (ValueError, OSError):
        found = None
    if found is None:
        msg = f"{path} exists and holds no triplets; choose another out."
        raise FileExistsError(msg)
    different = describe_differences({**found.settings, "n": len(found)}, {**settings, "n": n})
    if found.names != names:
        different.append("other images")
    if different:
        raise holds_others(path, different)


class _Finished:
    """A file that holds all that is asked for."""

    def missing(self) -> list[int]:
        """Return none."""
        return []

    def write(self, block: int, indices: AnyArray, similarities: AnyArray) -> None:
        """Nothing is missing."""

    def finish(self) -> None:
        """Nothing is left to do."""

    def release(self) -> None:
        """Nothing is held."""


@dataclasses.dataclass(frozen=True, slots=True)
class _NpzSink:
    """One archive, made of the blocks when all of them are there."""

    path: Path
    blocks: ZarrSink

    def missing(self) -> list[int]:
        """Return the blocks that are not there yet."""
        return self.blocks.missing()

    def write(self, block: int, indices: AnyArray, similarities: AnyArray) -> None:
        """Write a block beside the archive."""
        self.blocks.write(block, indices, similarities)

    def finish(self) -> None:
        """Write the archive, and take the blocks away."""
        write_npz(self.path, self.blocks.folder.as_file())
        shutil.rmtree(self.blocks.folder.path)

    def release(self) -> None:
        """Let others in."""
        self.blocks.release()
