"""Features in a text table: numbers, with or without a header, and a column that names the items."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from alignkit._check import join_names
from alignkit._io import load_array
from alignkit._typing import FloatArray
from alignkit.models._content import BARE, NAMES, Content, Entry

#: Largest text table read.
_MAX_TEXT = 2**31
#: Names of columns that name the items although they hold numbers.
_KEYS = frozenset((*NAMES, "id", "item", "image", "concept", "stimulus", "file", "filename", "uniqueid"))


def read_text_table(path: Path) -> Content:
    """Return the numbers of a ``.csv``, ``.tsv`` or ``.txt`` file, and the names where a column holds them.

    A first row with text is a header, unless its only text is the first item's name. Of the columns, the one that
    holds text, else one with a name such as ``id``, names the items; pandas' unnamed index is no feature.

    Raises
    ------
    ValueError
        Several columns of text, rows of different lengths, cells that are no numbers, or a file that is not text.
    """
    if path.stat().st_size > _MAX_TEXT:
        msg = f"{path} has {path.stat().st_size / 2**30:.1f} GiB of text; save it as .npy or .h5."
        raise ValueError(msg)
    mark = _delimiter(path)
    rows = _rows(path, mark) if mark else iter([])
    first = next(rows, [])
    if all(map(_is_number, first)):
        return Content({BARE: Entry.of(load_array(path))})
    headed = _is_header(first)
    second = next(rows, None) if headed else first
    if second is None:
        msg = f"{path} holds a header and no rows."
        raise ValueError(msg)
    header = first if headed else [""] * len(first)
    names, numeric = _tell_apart(path, header, second)
    kept, array = _fill(path, len(first), itertools.chain([second], rows), names, numeric)
    if names == 0 and not header[0] and headed and _counts(kept):
        return Content({BARE: Entry.of(array)})  # an index that only numbers the rows
    return Content({BARE: Entry.of(array)}, kept if names is not None else None)


def _delimiter(path: Path) -> str:
    """Return the mark between cells; an empty one where blanks are."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            line = next((line for line in file if line.strip() and not line.startswith("#")), "")
    except UnicodeDecodeError as error:
        msg = f"{path} is not a readable UTF-8 table ({error})."
        raise ValueError(msg) from error
    marks = ",;\t" if path.suffix.lower() == ".csv" else "\t;,"
    return next((mark for mark in marks if mark in line), "")


def _rows(path: Path, mark: str) -> Iterator[list[str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from (row for row in csv.reader(file, delimiter=mark, strict=True) if any(row))
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} is not a readable UTF-8 table ({error})."
        raise ValueError(msg) from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_header(first: Sequence[str]) -> bool:
    numbers = [cell for cell in first if _is_number(cell)]
    # pandas numbers columns without names 0, 1, 2 ... and leaves the cell above its index empty
    return len(numbers) in (0, len(first)) or len(first) - len(numbers) > 1 or "" in first or _counts(numbers)


def _counts(cells: Iterable[str]) -> bool:
    """Return whether cells read 0, 1, 2 ..., as an index does."""
    return all(cell == str(i) for i, cell in enumerate(cells))


def _tell_apart(path: Path, header: Sequence[str], row: Sequence[str]) -> tuple[int | None, list[int]]:
    """Return the column that names the items, and those with numbers."""
    text = [i for i, cell in enumerate(row) if not _is_number(cell)]
    if len(text) > 1:
        shown = join_names((header[i] if i < len(header) else "") or f"column {i + 1}" for i in text)
        msg = f"{path} has {len(text)} columns that hold no numbers ({shown}); keep the one that names the items."
        raise ValueError(msg)
    keyed = [i for i, name in enumerate(header) if name.strip().lower() in _KEYS]
    unnamed = [0] if any(header) and not header[0] else []
    names = next(iter(text + keyed + unnamed), None)
    numeric = [i for i in range(len(row)) if i != names and i not in unnamed]
    if not numeric:
        msg = f"{path} has no column of numbers beside the names."
        raise ValueError(msg)
    return names, numeric


def _fill(
    path: Path, n_cells: int, rows: Iterable[list[str]], names: int | None, numeric: Sequence[int]
) -> tuple[list[str], FloatArray]:
    kept: list[str] = []
    values: list[FloatArray] = []
    for number, row in enumerate(rows, 1):
        if len(row) != n_cells:
            msg = f"{path}: row {number} has {len(row)} cells where the first has {n_cells}; repair the table."
            raise ValueError(msg)
        try:
            values.append(np.array([row[i] for i in numeric], dtype=np.float64))
        except ValueError as error:
            column = next(i for i in numeric if not _is_number(row[i]))
            msg = f"{path}: {row[column]!r} in row {number}, column {column + 1} is no number; fill the cell."
            raise ValueError(msg) from error
        if names is not None:
            kept.append(row[names])
    return kept, np.stack(values)
