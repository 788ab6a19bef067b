"""Pairs in Parquet files with the columns ``images`` (bytes) and ``texts`` (captions or token ids)."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import join_names, require
from alignkit._io import check_file
from alignkit._threads import each
from alignkit._typing import IntArray
from alignkit.data._pair_captions import BadSampleError, check_captions, check_tokens
from alignkit.data._pair_images import MAX_IMAGE, what_is_wrong
from alignkit.data._pair_index import PairIndex, kept_index, make_index, named_bad

_COLUMNS = ("images", "texts")
#: Bytes of one row group unpacked, and of those that are kept for the next pairs.
_MAX_GROUP = 4 * 2**30
_KEPT = 2**30


class RowGroups:
    """Row groups read last, up to 1 GiB (and at least one); several threads may ask."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, int], Any] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[RowGroups], tuple[()]]:
        return RowGroups, ()  # another process reads its own

    def get(self, path: Path, group: int) -> Any:
        """Return a row group as a table of pyarrow."""
        with self._lock:
            if (path, group) not in self._kept:
                self._kept[path, group] = _read_group(path, group)
            self._kept.move_to_end((path, group))
            while len(self._kept) > 1 and sum(table.nbytes for table in self._kept.values()) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[path, group]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ParquetPairs:
    """Pairs of several Parquet files, numbered through; a shard of theirs is a row group."""

    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    indices: tuple[PairIndex, ...]
    ends: IntArray
    tokenised: bool
    groups: RowGroups

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pairs of each row group."""
        return tuple(int(n) for index in self.indices for n in np.bincount(index.table[:, 0]))

    @property
    def bad(self) -> tuple[tuple[str, str], ...]:
        """Samples that were left out, and why."""
        return named_bad(self.indices, self.labels)

    def name(self, i: int) -> str:
        """Return the file and the row in it, from 0, that it calls group and row."""
        file, group, row = self._find(i)
        return f"{self.labels[file]}/{_key(group, row)}"

    def image_bytes(self, i: int) -> bytes:
        """Return the image as it is stored."""
        file, group, row = self._find(i)
        return _image(self.groups.get(self.paths[file], group), row)

    def text(self, i: int) -> tuple[str, ...] | list[int]:
        """Return the captions, or the token ids."""
        file, group, row = self._find(i)
        return _text(self.groups.get(self.paths[file], group), row, self.tokenised)

    def _find(self, i: int) -> tuple[int, int, int]:
        file = int(np.searchsorted(self.ends, i, side="right"))
        group, row = self.indices[file].table[i - int(self.ends[file - 1]) if file else i].tolist()
        return file, group, row


def open_parquet_pairs(
    paths: Sequence[Path], labels: Sequence[str], folder: Path | None, *, decode: bool
) -> ParquetPairs:
    """Index Parquet files, or read their indices from ``folder``.

    Raises
    ------
    ImportError
        Without pyarrow.
    FileNotFoundError, ValueError
        A file that is missing, truncated or damaged, that lacks a column, or that differs in kind from the first.
    """
    require("pyarrow", "scale")
    kinds = [_is_tokenised(path) for path in paths]
    if len(set(kinds)) > 1:
        other = paths[kinds.index(not kinds[0])]
        msg = f"{paths[0]} and {other} differ: the texts of one are token ids, of the other captions; open one kind."
        raise ValueError(msg)

    def index(path: Path) -> PairIndex:
        make = functools.partial(_index, path, kinds[0], decode)
        return kept_index(folder, path, {"decode": decode}, 2, make)

    indices = tuple(each(index, paths))
    ends = np.cumsum([len(index.table) for index in indices])
    return ParquetPairs(tuple(paths), tuple(labels), indices, ends, kinds[0], RowGroups())


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow.parquet as pq

    check_file(path)
    try:
        with open(path, "rb") as stream:
            yield pq.ParquetFile(stream)
    except Exception as error:  # pyarrow raises many kinds on damaged files
        reason = " ".join(str(error).split()).rstrip(".")
        msg = f"the shard {path} cannot be read as Parquet ({reason}); it is truncated, damaged or of another layout."
        raise ValueError(msg) from error


def _is_tokenised(path: Path) -> bool:
    import pyarrow as pa

    with _parquet(path) as file:
        schema = file.schema_arrow
        lacking = [name for name in _COLUMNS if name not in schema.names]
        if lacking:
            msg = f"it lacks the column(s) {join_names(lacking)}; it has {join_names(schema.names)}"
            raise ValueError(msg)
        kind = schema.field("texts").type
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        return bool(is_list and pa.types.is_integer(kind.value_type))


def _read_group(path: Path, group: int) -> Any:
    with _parquet(path) as file:
        size = file.metadata.row_group(group).total_byte_size
        if size > _MAX_GROUP:
            msg = f"its row group {group} has {size:,} bytes, more than the {_MAX_GROUP:,} allowed"
            raise ValueError(msg)
        return file.read_row_group(group, columns=list(_COLUMNS), use_threads=False)


def _index(path: Path, tokenised: bool, decode: bool) -> PairIndex:
    with _parquet(path) as file:
        n_groups = file.num_row_groups
    rows, bad = [], {}
    for group in range(n_groups):
        table = _read_group(path, group)
        for row in range(len(table)):
            try:
                _check_row(table, row, tokenised, decode)
                rows.append((group, row))
            except BadSampleError as error:
                bad[_key(group, row)] = str(error)
    return make_index(rows, 2, bad)


def _key(group: int, row: int) -> str:
    return f"group {group} row {row}"


def _check_row(table: Any, row: int, tokenised: bool, decode: bool) -> None:
    _text(table, row, tokenised)
    content = _image(table, row)
    wrong = f"its image has {len(content):,} bytes, more than the {MAX_IMAGE:,} allowed"
    reason = wrong if len(content) > MAX_IMAGE else what_is_wrong(content, decode=decode)
    if reason is not None:
        raise BadSampleError(reason)


def _image(table: Any, row: int) -> bytes:
    found = table["images"][row].as_py()
    content = found.get("bytes") if isinstance(found, dict) else found  # data sets of Hugging Face keep a path beside
    if not isinstance(content, bytes):
        reason = f"its image is no bytes but {type(content).__name__}"
        raise BadSampleError(reason)
    return content


def _text(table: Any, row: int, tokenised: bool) -> tuple[str, ...] | list[int]:
    try:
        found = table["texts"][row].as_py()
        found = found.decode() if isinstance(found, bytes) else found
    except UnicodeDecodeError as error:
        reason = f"its caption is not UTF-8 (byte {error.start})"
        raise BadSampleError(reason) from error
    return check_tokens(found) if tokenised else check_captions(found)
