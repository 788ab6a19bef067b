"""Triplets in AligNet's published layout: one ``.npz`` with ``filenames``, ``similarities`` and ``indices``."""

from __future__ import annotations

import dataclasses
import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from alignkit._check import as_labels, join_names
from alignkit._io import MAX_BYTES, atomic_write, check_file
from alignkit._typing import AnyArray, IntArray
from alignkit.align._triplet_file import Read, TripletFile

#: What an archive of triplets holds; the published one has the first three.
_FILENAMES, _SIMILARITIES, _INDICES, _NAMES, _META = "filenames", "similarities", "indices", "names", "alignkit.json"
#: Triplets that are read at once.
_ROWS = 1 << 16
#: Bytes of one name, at most: numpy gives each the room of the longest.
_LONGEST_NAME = 4096
#: More triplets than that are in no file there is.
_MOST_ROWS = 1 << 31
#: What a damaged archive may raise besides ValueError.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    OverflowError,
    TypeError,
    KeyError,
    SyntaxError,
    NotImplementedError,
    MemoryError,
    struct.error,
    tokenize.TokenError,
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Header:
    """What a member of the archive claims to be."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: Path) -> TripletFile:
    """Open an archive; file names become numbers a block at a time, so that they never lie in memory as a whole.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A damaged, truncated, oversized or pickled archive, or one of something else.
    """
    path = check_file(path)
    with _one_sentence(path), zipfile.ZipFile(path) as archive:
        headers = _headers(path, archive)
        _check_headers(path, headers)
        similarities = _whole(archive, _SIMILARITIES, headers[_SIMILARITIES]).astype(np.float32, copy=False)
        settings = _settings(archive)
        if _NAMES in headers and settings:
            names = _names_of(path, archive, headers[_NAMES])
            indices = _whole(archive, _INDICES, headers[_INDICES])
        else:
            names, indices = _numbered(archive, headers[_FILENAMES])
    _check_values(path, similarities, indices, len(names))
    return TripletFile(path, names, len(indices), settings, in_memory(indices, similarities))


def in_memory(indices: AnyArray, similarities: AnyArray) -> Read:
    """Return what reads a stretch of two arrays."""

    def read(start: int, stop: int) -> tuple[AnyArray, AnyArray]:
        return indices[start:stop], similarities[start:stop]

    return read


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        msg = f"{path} is not a readable .npz archive ({error or type(error).__name__}); it is truncated or damaged."
        raise ValueError(msg) from error
    except ValueError as error:
        if str(path) in str(error):
            raise
        msg = f"{path} cannot be read ({str(error).rstrip('.')}); it is truncated or damaged."
        raise ValueError(msg) from error


def _headers(path: Path, archive: zipfile.ZipFile) -> dict[str, _Header]:
    headers = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        with archive.open(member) as file:
            headers[name] = _read_header(path, name, file)
    return headers


def _read_header(path: Path, name: str, file: IO[bytes]) -> _Header:
    shape, fortran, dtype = _array_header(file)
    if dtype.hasobject:
        msg = (
            f"{path} holds pickled Python objects ({name}), which can run code when read; alignkit never loads them. "
            "Save the file names as text: filenames.astype(str)."
        )
        raise ValueError(msg)
    if fortran and len(shape) > 1:
        msg = f"{path} holds {name} by columns; save it anew with numpy.ascontiguousarray."
        raise ValueError(msg)
    return _Header(shape, dtype)


def _array_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _check_headers(path: Path, headers: Mapping[str, _Header]) -> None:
    if not {_FILENAMES, _SIMILARITIES} <= headers.keys():
        msg = f"{path} holds no triplets: 'filenames' and 'similarities' are expected; got {join_names(headers)}."
        raise ValueError(msg)
    texts, numbers = headers[_FILENAMES], headers[_SIMILARITIES]
    n = texts.shape[0] if texts.shape else 0
    if not 0 < n < _MOST_ROWS or texts.shape != (n, 3) or numbers.shape != (n, 3):
        msg = f"{path} must hold filenames and similarities of shape (n, 3); got {texts.shape} and {numbers.shape}."
        raise ValueError(msg)
    if texts.dtype.kind not in "US" or numbers.dtype.kind != "f":
        msg = f"{path} must hold texts and floats; got {texts.dtype} and {numbers.dtype}."
        raise ValueError(msg)
    kept = [headers[name] for name in (_SIMILARITIES, _INDICES, _NAMES) if name in headers]
    if sum(header.nbytes for header in kept) > MAX_BYTES or not 0 < texts.dtype.itemsize <= 4 * _LONGEST_NAME:
        msg = f"{path} expands to more than the {MAX_BYTES / 2**30:g} GiB allowed."
        raise ValueError(msg)
    ours = headers.get(_NAMES)
    if ours is not None and (ours.dtype.kind != "U" or len(ours.shape) != 1 or not _fits(headers.get(_INDICES), n)):
        msg = f"{path} is damaged: its names and indices do not fit its {n:,} triplets."
        raise ValueError(msg)


def _fits(header: _Header | None, n: int) -> bool:
    return header is not None and header.shape == (n, 3) and header.dtype.kind in "iu"


def _whole(archive: zipfile.ZipFile, name: str, header: _Header) -> AnyArray:
    return np.concatenate(list(_blocks(archive, name, header)))


def _blocks(archive: zipfile.ZipFile, name: str, header: _Header) -> Iterator[AnyArray]:
    """Yield the rows of a member as it is unpacked, so that no more is set aside than the archive truly holds."""
    width = math.prod(header.shape[1:])
    with archive.open(f"{name}.npy") as file:
        _array_header(file)
        for start in range(0, header.shape[0], _ROWS):
            n = min(_ROWS, header.shape[0] - start)
            size = n * width * header.dtype.itemsize
            part = file.read(size)
            if len(part) != size:
                msg = f"its {name} end after {start:,} rows"
                raise ValueError(msg)
            yield np.frombuffer(part, dtype=header.dtype).reshape(n, *header.shape[1:])
        file.read(1)  # the end, where the checksum is compared


def _settings(archive: zipfile.ZipFile) -> dict[str, Any]:
    if f"{_META}.npy" not in archive.namelist():
        return {}
    with archive.open(f"{_META}.npy") as file:
        header = np.lib.format.read_array(file, allow_pickle=False, max_header_size=1 << 16)
    settings = json.loads(header.tobytes())
    return settings if isinstance(settings, dict) else {}


def _names_of(path: Path, archive: zipfile.ZipFile, header: _Header) -> tuple[str, ...]:
    return as_labels(f"the names in {path}", _whole(archive, _NAMES, header).tolist())


def _numbered(archive: zipfile.ZipFile, header: _Header) -> tuple[tuple[str, ...], IntArray]:
    """Return the different file names, sorted, and the number of each in every triplet."""
    known: dict[Any, int] = {}
    numbers = np.empty(header.shape, dtype=np.int64)
    start = 0
    for block in _blocks(archive, _FILENAMES, header):
        different, inverse = np.unique(block, return_inverse=True)
        found = [known.setdefault(name, len(known)) for name in different.tolist()]
        numbers[start : start + len(block)] = np.array(found)[inverse.reshape(block.shape)]
        start += len(block)
    texts = [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in known]
    order = np.argsort(np.array(texts))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return as_labels("filenames", [texts[i] for i in order]), place[numbers]


def _check_values(path: Path, similarities: AnyArray, indices: AnyArray, n_names: int) -> None:
    if not np.isfinite(similarities).all():
        row = int(np.argmin(np.isfinite(similarities).all(axis=1)))
        msg = f"{path} holds NaN or infinite similarities, the first in triplet {row}."
        raise ValueError(msg)
    if indices.min() < 0 or indices.max() >= n_names:
        msg = f"{path} is damaged: its triplets point beyond its {n_names:,} images."
        raise ValueError(msg)


def write_npz(path: Path, source: TripletFile) -> None:
    """Write all triplets of a file in the published layout, a block at a time, atomically.

    Beside the three published arrays lie ``names``, which ``indices`` count, and the settings.
    """
    names, n = np.array(source.names), len(source)
    header = np.frombuffer(json.dumps(dict(source.settings), ensure_ascii=False).encode(), dtype=np.uint8)
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        _write(archive, _META, header.shape, header.dtype, iter([header]))
        _write(archive, _NAMES, names.shape, names.dtype, iter([names]))
        for name, dtype in ((_INDICES, np.dtype("<i8")), (_SIMILARITIES, np.dtype("<f4")), (_FILENAMES, names.dtype)):
            _write(archive, name, (n, 3), dtype, _rows(source, name, names))


def _rows(source: TripletFile, name: str, names: AnyArray) -> Iterator[AnyArray]:
    for start in range(0, len(source), _ROWS):
        indices, similarities = source.block(start, min(start + _ROWS, len(source)))
        if name == _FILENAMES:
            yield names[indices]
        else:
            yield indices if name == _INDICES else similarities


def _write(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], blocks: Iterator[AnyArray]
) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, description)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype=dtype).data.cast("B"))
