"""The table of contents of a tar, read without unpacking it: from its beginning to its end mark, or not at all."""

from __future__ import annotations

import dataclasses
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from alignkit._io import check_file

#: Long names and extended headers are read whole; no honest one is larger.
_MAX_HEADER = 1 << 20
_BLOCK = 512
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A file in a tar: its name, where its bytes are, and whether it has any (links and devices have none)."""

    name: str
    offset: int
    size: int
    plain: bool


def tar_members(path: Path, /) -> Iterator[Member]:
    """Yield the files of a tar in order; folders are passed over, and nothing is followed or unpacked.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A compressed, truncated or damaged tar, or one with data after its end mark.
    """
    size = check_file(path).stat().st_size
    with open(path, "rb") as file:
        try:
            with tarfile.open(fileobj=_Forward(file), mode="r:", errors="surrogateescape") as tar:  # type: ignore[call-overload]
                yield from _members(tar, size)
                end = tar.offset
        except (tarfile.TarError, ValueError, EOFError, OverflowError, ArithmeticError) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            msg = f"the shard {path} cannot be read to its end ({reason}); it is truncated, damaged or no plain .tar."
            raise ValueError(msg) from error
        _check_end(path, file, end)


def _members(tar: tarfile.TarFile, size: int) -> Iterator[Member]:
    while (info := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every one
        if info.size < 0 or info.offset_data + (info.size if info.type in _PLAIN else 0) > size:
            msg = f"{info.name!r} claims {info.size:,} bytes, more than the file has left"
            raise ValueError(msg)
        if not info.isdir():
            plain = info.type in _PLAIN and not info.issparse()
            yield Member(info.name, info.offset_data, info.size, plain)


def _check_end(path: Path, file: IO[bytes], end: int) -> None:
    """Raise unless there is an end mark at this place and nothing after it: tarfile stops at damage without a word."""
    file.seek(end)
    first = file.read(_BLOCK)
    if len(first) < _BLOCK:
        msg = f"the shard {path} breaks off after {end:,} bytes, without the end mark of a tar; it is truncated."
        raise ValueError(msg)
    if any(first):
        msg = f"the shard {path} is damaged: byte {end:,} does not begin a file of a tar."
        raise ValueError(msg)
    while block := file.read(_MAX_HEADER):
        if any(block):
            msg = f"the shard {path} goes on after the end mark of its tar; give tars that were joined one by one."
            raise ValueError(msg)


class _Forward:
    """A file for tarfile, which only goes forward and reads no more at a time than an honest header has."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, n: int = -1) -> bytes:
        if not 0 <= n <= _MAX_HEADER:
            msg = f"a header claims {n:,} bytes"
            raise ValueError(msg)
        return self._file.read(n)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, position: int) -> None:
        if position < self._file.tell() - 1:  # a negative size would go round for ever
            msg = "a header leads back to an earlier one"
            raise ValueError(msg)
        self._file.seek(position)
