"""Triplets in a Parquet folder: a file for each block, the names beside them, for readers such as pandas or polars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import as_labels, require
from alignkit._io import atomic_write, check_file, read_json, write_json
from alignkit._typing import AnyArray
from alignkit.align._triplet_file import TripletFile

SCHEMA = "triplets/1"
#: Readers of Parquet folders pass over what begins with an underscore.
MANIFEST = "_alignkit.json"
#: Columns of the numbers of three images, and of how similar each two of them are.
_INDICES = ("index_0", "index_1", "index_2")
_SIMILARITIES = ("similarity_01", "similarity_02", "similarity_12")
_FILENAMES = ("filename_0", "filename_1", "filename_2")


def write_part(folder: Path, block: int, indices: AnyArray, similarities: AnyArray, names: Any) -> None:
    """Write a block as one Parquet file, atomically; ``names`` is a pyarrow array of all names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array(indices[:, k]) for k, name in enumerate(_INDICES)}
    columns |= {name: pa.array(similarities[:, k]) for k, name in enumerate(_SIMILARITIES)}
    columns |= {name: names.take(pa.array(indices[:, k])) for k, name in enumerate(_FILENAMES)}
    with atomic_write(part(folder, block)) as file:
        pq.write_table(pa.table(columns), file)


def part(folder: Path, block: int) -> Path:
    """Return where a block lies."""
    return folder / f"part-{block:06d}.parquet"


def write_manifest(folder: Path, names: tuple[str, ...], n: int, rows: int, settings: dict[str, Any]) -> None:
    """Write what makes the files one: the last thing that is written."""
    write_json(folder / MANIFEST, {"schema": SCHEMA, "n": n, "rows": rows, "names": list(names), "settings": settings})


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
    if not path.is_dir():
        check_file(path)
        msg = f"{path} is a file; a folder of Parquet files that write_triplets made is expected."
        raise ValueError(msg)
    if not (path / MANIFEST).exists():
        msg = f"{path} has no {MANIFEST}: it is not finished, or no folder of triplets."
        raise ValueError(msg)
    require("pyarrow", "scale")
    content = read_json(path / MANIFEST)
    try:
        if content["schema"] != SCHEMA:
            msg = f"schema {content['schema']!r}"
            raise ValueError(msg)
        names, n, rows = as_labels("its names", content["names"]), int(content["n"]), int(content["rows"])
        settings = dict(content["settings"])
        if n < 1 or rows < 1:
            msg = f"{n} triplets in blocks of {rows}"
            raise ValueError(msg)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path / MANIFEST} does not describe triplets ({error}); it is damaged, or of another version."
        raise ValueError(msg) from error

    def read(start: int, stop: int) -> tuple[AnyArray, AnyArray]:
        blocks = range(start // rows, -(-stop // rows))
        parts = [_read_part(part(path, block), min(rows, n - block * rows)) for block in blocks]
        first = start - blocks[0] * rows
        indices, similarities = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return indices[first : first + stop - start], similarities[first : first + stop - start]

    return TripletFile(path, names, n, settings, read)


def _read_part(file: Path, n: int) -> tuple[AnyArray, AnyArray]:
    import pyarrow.parquet as pq

    check_file(file)
    try:
        described = pq.read_metadata(file)
        if described.num_rows != n:
            msg = f"{described.num_rows} triplets in place of {n}"
            raise ValueError(msg)
        table = pq.read_table(file, columns=[*_INDICES, *_SIMILARITIES])
        indices = np.stack([table[name].to_numpy() for name in _INDICES], axis=1)
        similarities = np.stack([table[name].to_numpy() for name in _SIMILARITIES], axis=1)
        if indices.dtype.kind != "i" or similarities.dtype != np.float32:
            msg = f"columns of {indices.dtype} and {similarities.dtype}"
            raise ValueError(msg)
    except Exception as error:  # pyarrow raises many kinds on damaged files
        msg = f"{file} is not a readable Parquet file of triplets ({' '.join(str(error).split())}); it is damaged."
        raise ValueError(msg) from error
    return indices, similarities
