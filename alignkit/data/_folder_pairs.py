"""Pairs of a folder of images and a table of their captions, one row for each caption."""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from alignkit._check import join_names
from alignkit._io import check_file
from alignkit.data._pair_captions import BadSampleError, check_captions
from alignkit.data._pair_images import MAX_IMAGE, what_is_wrong
from alignkit.data._pair_index import PairIndex, kept_index, make_index

_COLUMNS = ("file", "caption")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FolderPairs:
    """Images of a folder in the order of their table."""

    folder: Path
    files: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    bad: tuple[tuple[str, str], ...]
    tokenised: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pairs of each shard: there is one."""
        return (len(self.files),)

    def name(self, i: int) -> str:
        """Return the file as the table names it."""
        return self.files[i]

    def image_bytes(self, i: int) -> bytes:
        """Return the image as it is stored."""
        return (self.folder / self.files[i]).read_bytes()

    def text(self, i: int) -> tuple[str, ...]:
        """Return the captions."""
        return self.captions[i]


def open_folder_pairs(folder: Path, table: Path, index: Path | None, *, decode: bool) -> FolderPairs:
    """Read the table and look at its images, or read what was seen of them from ``index``.

    Raises
    ------
    FileNotFoundError
        No such folder or table.
    ValueError
        A table that is damaged or lacks a column.
    """
    if not folder.is_dir():
        msg = f"with captions=, source must be the folder of the images; {folder} is none."
        raise FileNotFoundError(msg)
    captions: dict[str, list[str]] = {}
    for file, caption in _rows(check_file(table)):
        captions.setdefault(file, []).append(caption)
    settings = {"decode": decode, "folder": str(folder.resolve()), "files": _state(folder, captions)}
    found = kept_index(index, table, settings, 1, functools.partial(_index, folder, captions, decode))
    files = tuple(captions)
    kept = [files[int(row)] for row in found.table[:, 0]]
    return FolderPairs(folder, tuple(kept), tuple(check_captions(captions[file]) for file in kept), found.bad)


def _rows(table: Path) -> Iterator[tuple[str, str]]:
    """Yield file and caption of each row; bytes that are not UTF-8 come as surrogates."""
    delimiter = "\t" if table.suffix.lower() in (".tsv", ".tab") else ","
    with open(table, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            header = next(reader, [])
            columns = [_column(table, header, name) for name in _COLUMNS]
            for row in reader:
                if row and len(row) != len(header):
                    msg = f"it has {len(row)} cells where the header has {len(header)}"
                    raise ValueError(msg)
                if row:
                    yield row[columns[0]].strip(), row[columns[1]]
        except (csv.Error, ValueError) as error:
            if str(table) in str(error):
                raise
            msg = f"{table} is damaged in line {reader.line_num} ({str(error).rstrip('.')}); it may be truncated."
            raise ValueError(msg) from error


def _column(table: Path, header: list[str], name: str) -> int:
    if header.count(name) != 1:
        msg = f"{table} must have one column {name!r}, and one row for each caption; it has {join_names(header, 8)}."
        raise ValueError(msg)
    return header.index(name)


def _state(folder: Path, files: Mapping[str, list[str]]) -> str:
    """Return a digest of the sizes and times of change of all images."""
    digest = hashlib.sha256()
    for file in files:
        try:
            status = (folder / file).stat()
            digest.update(f"{status.st_size} {status.st_mtime_ns};".encode())
        except (OSError, ValueError):
            digest.update(b";")
    return digest.hexdigest()


def _index(folder: Path, captions: Mapping[str, list[str]], decode: bool) -> PairIndex:
    rows, bad = [], {}
    for row, (file, texts) in enumerate(captions.items()):
        try:
            check_captions(texts)
            _check_image(folder, file, decode)
            rows.append((row,))
        except BadSampleError as error:
            name = file.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            bad[name] = str(error)
    return make_index(rows, 1, bad)


def _check_image(folder: Path, file: str, decode: bool) -> None:
    place = PurePosixPath(file.replace("\\", "/"))
    reason: str | None
    if not file or place.is_absolute() or ".." in place.parts or Path(file).is_absolute():
        reason = "it names no file inside the folder"
        raise BadSampleError(reason)
    try:
        path = folder / file
        if not path.is_file():
            reason = "there is no such file"
        elif path.stat().st_size > MAX_IMAGE:
            reason = f"it has {path.stat().st_size:,} bytes, more than the {MAX_IMAGE:,} allowed"
        else:
            reason = what_is_wrong(path.read_bytes(), decode=decode)
    except (OSError, ValueError) as error:
        reason = f"it cannot be read ({error})"
    if reason is not None:
        raise BadSampleError(reason)
