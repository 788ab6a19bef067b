"""Triplets in a Parquet folder: a file for each block, the names beside them, for readers such as pandas or polars."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import as_labels, require
from alignkit._io import atomic_write, check_file, read_json, write_json
from alignkit._lock import FolderLock
from alignkit._typing import AnyArray
from alignkit.align._triplet_file import TripletFile
from alignkit.align._triplets_zarr import SCHEMA, describe_differences, holds_others, remove

#: Readers of Parquet folders pass over what begins with an underscore.
MANIFEST = "_alignkit.json"
#: Columns of the numbers of three images, of how similar each two of them are, and of the images' names.
_INDICES = ("index_0", "index_1", "index_2")
_SIMILARITIES = ("similarity_01", "similarity_02", "similarity_12")
_FILENAMES = ("filename_0", "filename_1", "filename_2")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ParquetFolder:
    """A folder of ``n`` triplets in files of ``rows`` triplets each."""

    path: Path
    names: tuple[str, ...]
    n: int
    rows: int
    settings: Mapping[str, Any]

    @property
    def n_blocks(self) -> int:
        """Number of files once all are there."""
        return -(-self.n // self.rows)

    def file(self, block: int) -> Path:
        """Return where a block lies."""
        return self.path / f"part-{block:06d}.parquet"

    def missing(self) -> list[int]:
        """Return the blocks that are not there yet."""
        return [block for block in range(self.n_blocks) if not self.file(block).is_file()]

    def read(self, start: int, stop: int) -> tuple[AnyArray, AnyArray]:
        """Return triplets and similarities, or raise when a file is lost or damaged."""
        blocks = range(start // self.rows, -(-stop // self.rows))
        parts = [_read_part(self.file(block), min(self.rows, self.n - block * self.rows)) for block in blocks]
        first = start - blocks[0] * self.rows
        indices, similarities = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return indices[first : first + stop - start], similarities[first : first + stop - start]


def _read_part(file: Path, n: int) -> tuple[AnyArray, AnyArray]:
    import pyarrow.parquet as pq

    check_file(file)
    try:
        with open(file, "rb") as stream:
            described = pq.ParquetFile(stream)
            # a few bytes can claim to unpack to any size
            size = sum(described.metadata.row_group(k).total_byte_size for k in range(described.num_row_groups))
            if described.metadata.num_rows != n or size > 1024 * n + (1 << 24):
                msg = f"{described.metadata.num_rows} triplets in place of {n}, of {size} bytes"
                raise ValueError(msg)
            table = described.read(columns=[*_INDICES, *_SIMILARITIES])
        indices = np.stack([table[name].to_numpy() for name in _INDICES], axis=1)
        similarities = np.stack([table[name].to_numpy() for name in _SIMILARITIES], axis=1)
        if indices.dtype.kind != "i" or similarities.dtype != np.float32:
            msg = f"columns of {indices.dtype} and {similarities.dtype}"
            raise ValueError(msg)
    except Exception as error:  # pyarrow raises many kinds on damaged files
        msg = f"{file} is not a readable Parquet file of triplets ({' '.join(str(error).split())}); it is damaged."
        raise ValueError(msg) from error
    return indices, similarities


def read_parquet(path: Path) -> TripletFile:
    """Open a finished folder.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        An unfinished or damaged folder, or one of something else.
    ImportError
        Without pyarrow.
    """
    folder = _open(path)
    missing = folder.missing()
    if missing:
        msg = (
            f"{path} is not finished, or lost files: {len(missing):,} of {folder.n_blocks:,} blocks of triplets are "
            "missing; give the command that makes it again, and it continues."
        )
        raise ValueError(msg)
    require("pyarrow", "scale")
    return TripletFile(path, folder.names, folder.n, folder.settings, folder.read)


def _open(path: Path) -> ParquetFolder:
    if not path.is_dir():
        check_file(path)
        msg = f"{path} is a file; a folder of Parquet files that write_triplets made is expected."
        raise ValueError(msg)
    if not (path / MANIFEST).exists():
        msg = f"{path} has no {MANIFEST}: it is no folder of triplets that alignkit wrote."
        raise ValueError(msg)
    content = read_json(path / MANIFEST)
    try:
        if content["schema"] != SCHEMA:
            msg = f"schema {content['schema']!r}"
            raise ValueError(msg)
        n, rows = int(content["n"]), int(content["rows"])
        if n < 1 or rows < 1 or n // rows > 1 << 20:
            msg = f"{n} triplets in blocks of {rows}"
            raise ValueError(msg)
        return ParquetFolder(path, as_labels("its names", content["names"]), n, rows, dict(content["settings"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path / MANIFEST} does not describe triplets ({error}); it is damaged, or of another version."
        raise ValueError(msg) from error


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ParquetSink:
    """A folder that this process writes to; ``names`` is a pyarrow array of all names."""

    folder: ParquetFolder
    lock: FolderLock
    names: Any

    def missing(self) -> list[int]:
        """Return the blocks that are not there yet."""
        return self.folder.missing()

    def write(self, block: int, indices: AnyArray, similarities: AnyArray) -> None:
        """Write a block as one file, atomically."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        numbers = [pa.array(indices[:, k].astype(np.int32)) for k in range(3)]
        columns = dict(zip(_INDICES, numbers, strict=True))
        columns |= {name: pa.array(similarities[:, k]) for k, name in enumerate(_SIMILARITIES)}
        columns |= {name: self.names.take(numbers[k]) for k, name in enumerate(_FILENAMES)}
        with atomic_write(self.folder.file(block)) as file:
            pq.write_table(pa.table(columns), file)

    def finish(self) -> None:
        """Nothing is left to do: files are in place."""

    def release(self) -> None:
        """Let others in."""
        self.lock.release()


def create_parquet(
    path: Path, names: tuple[str, ...], n: int, rows: int, settings: Mapping[str, Any], *, overwrite: bool
) -> ParquetSink:
    """Make a folder, or open the one that the same call left; either way locked by this process.

    Raises
    ------
    FileExistsError
        The folder holds other triplets, or something else.
    BlockingIOError
        Another process writes to it.
    """
    import pyarrow as pa

    if path.exists() and not (path / MANIFEST).is_file():
        msg = f"{path} exists and is no folder of triplets; choose another out."
        raise FileExistsError(msg)
    if path.exists() and overwrite:
        remove(path)
    if not path.exists():
        _make(path, {"schema": SCHEMA, "n": n, "rows": rows, "names": list(names), "settings": dict(settings)})
    lock = FolderLock(path)
    try:
        folder = _open(path)
        different = describe_differences({**folder.settings, "n": folder.n}, {**settings, "n": n})
        if folder.names != names:
            different.append("other images")
        if different:
            raise holds_others(path, different)
        for leftover in path.glob(".*.tmp"):  # what a killed process was about to write
            leftover.unlink()
    except BaseException:
        lock.release()
        raise
    return ParquetSink(folder, lock, pa.array(names))


def _make(path: Path, manifest: Mapping[str, Any]) -> None:
    # written beside the target, then renamed: a kill leaves a folder with its manifest or none
    workshop = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        (workshop / "new").mkdir()
        write_json(workshop / "new" / MANIFEST, manifest)
        (workshop / "new").rename(path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
