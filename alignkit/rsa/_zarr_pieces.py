"""The files of a Zarr folder, checked before Zarr reads them: a few bytes can claim to unpack to any size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alignkit._check import join_names

#: Bytes of metadata that are read at most: a million labels take a tenth.
_MOST_METADATA = 1 << 28
_METADATA = "zarr.json"
#: What alignkit's own folders are packed with.
_CODECS = {"bytes", "zstd"}
_ZSTD = b"\x28\xb5\x2f\xfd"
#: Bytes of the size in the header of a zstd frame, by the two highest bits of its fifth byte.
_SIZE_BYTES = (0, 2, 4, 8)
_DICTIONARY_BYTES = (0, 1, 2, 4)


def check_metadata(folder: Path) -> None:
    """Raise ValueError where the description of a group or of an array in it is a pipe, or too large to be one."""
    for file in (folder / _METADATA, *(child / _METADATA for child in folder.iterdir() if child.is_dir())):
        if file.exists() and (not file.is_file() or file.stat().st_size > _MOST_METADATA):
            msg = f"{file.relative_to(folder)} is no file, or larger than {_MOST_METADATA >> 20} MiB"
            raise ValueError(msg)


def check_all_pieces(folder: Path, array: Any) -> None:
    """Raise as :func:`check_pieces` where any file of an array, which lies in ``folder``, is not what it should be."""
    # not what a killed process was about to write, whose names go on
    check_pieces(array, (file for file in folder.rglob("*") if file.name.isdigit() and file.is_file()))


def check_pieces(array: Any, files: Iterable[Path]) -> None:
    """Raise ValueError where one of an array's ``files`` unpacks to another size than a piece of it has."""
    codecs = {codec.to_dict()["name"] for codec in array.metadata.codecs}
    if not codecs <= _CODECS:
        msg = f"it is packed with {join_names(sorted(codecs - _CODECS))}, which alignkit does not write"
        raise ValueError(msg)
    size = math.prod(array.chunks) * array.dtype.itemsize
    for file in files:
        taken = file.stat().st_size
        claimed = taken if "zstd" not in codecs or taken > 2 * size + 1024 else _unpacked_bytes(file)
        if claimed != size:
            has = "an unknown size" if claimed is None else f"{claimed:,} bytes"
            msg = f"{'/'.join(file.parts[-3:])} holds {has} in place of {size:,}"
            raise ValueError(msg)


def _unpacked_bytes(file: Path) -> int | None:
    """Return the size that the header of a zstd frame claims, or None where it is no such frame or says nothing."""
    with open(file, "rb") as stream:
        head = stream.read(18)
    if head[:4] != _ZSTD or len(head) < 6:
        return None
    kind = head[4]
    single = kind >> 5 & 1
    n_bytes = _SIZE_BYTES[kind >> 6] or single
    start = 5 + (1 - single) + _DICTIONARY_BYTES[kind & 3]
    if not n_bytes or len(head) < start + n_bytes:
        return None
    return int.from_bytes(head[start : start + n_bytes], "little") + (256 if n_bytes == 2 else 0)
