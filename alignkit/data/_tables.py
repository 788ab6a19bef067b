"""Published tables: numbers or text, read with checked sizes and one sentence when they are damaged."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import join_names
from alignkit._io import check_file
from alignkit._typing import AnyArray, FloatArray, PathLike

if TYPE_CHECKING:
    import pandas as pd

#: Largest text table read; the largest one published for alignkit's data sets is a thousand times smaller.
MAX_TEXT = 2**31
_TAIL = 1 << 16


@contextmanager
def naming(path: PathLike) -> Iterator[None]:
    """Put the name of the file before what is wrong with its content."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if str(path) in str(error):
            raise
        msg = f"{path}: {error}"
        raise (TypeError if isinstance(error, TypeError) else ValueError)(msg) from error


def number_table(path: PathLike, shape: tuple[int, int], dtype: type = np.float64, sep: str | None = None) -> AnyArray:
    """Read a headerless table of numbers of exactly this shape, read-only."""
    path = _bounded(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a file of blank lines: the shape says so below
            table: AnyArray = np.loadtxt(path, dtype=dtype, delimiter=sep, ndmin=2, encoding="utf-8")
    except ValueError as error:
        msg = f"{path} is not a table of numbers ({error}); it is truncated or damaged."
        raise ValueError(msg) from error
    if table.shape != shape:
        msg = (
            f"{path} has {table.shape[0]:,} rows and {table.shape[1]} columns, {shape[0]:,} and {shape[1]} are "
            "expected; it is truncated or another version."
        )
        raise ValueError(msg)
    if not np.isfinite(table).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(table))[0])
        msg = f"{path} holds NaN or infinity in row {row + 1}, column {column + 1}; it is damaged or another version."
        raise ValueError(msg)
    table.flags.writeable = False
    return table


def text_table(path: PathLike, *, sep: str, columns: Sequence[str], as_text: bool = False) -> pd.DataFrame:
    """Read a table with a header that must hold these columns; ``as_text`` keeps every cell a string."""
    import pandas as pd

    path = _bounded(path)
    options: dict[str, Any] = {"dtype": str, "keep_default_na": False} if as_text else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # index_col: of rows one cell longer than the header, pandas would make the first cell a name and shift all
            table = pd.read_csv(path, sep=sep, encoding="utf-8", index_col=False, **options)
    except pd.errors.ParserWarning as error:
        msg = f"{path} has rows with more cells than its header names; name every column, or drop what ends the rows."
        raise ValueError(msg) from error
    except ValueError as error:  # pandas' parser errors and undecodable bytes are ValueErrors
        msg = f"{path} is not a readable table ({error}); it is truncated or damaged."
        raise ValueError(msg) from error
    twice = [name for name in columns if f"{name}.1" in table.columns]  # pandas numbers headers that repeat
    if twice:
        msg = f"{path} has more than one column {join_names(twice)}; give each its own name."
        raise ValueError(msg)
    _check_last_row(path, sep, len(table.columns))
    missing = [name for name in columns if name not in table.columns]
    if missing:
        msg = f"{path} lacks the column(s) {join_names(missing)}; it has {join_names(table.columns, 8)}."
        raise ValueError(msg)
    return table


def _check_last_row(path: Path, sep: str, n_columns: int) -> None:
    """Raise when the file breaks off within its last row, which pandas would fill up."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read().decode("utf-8", "replace").rstrip("\r\n")
    line = tail.splitlines()[-1] if tail else ""
    if line.count('"') % 2:  # the end of a cell of several lines: nothing can be told
        return
    n_cells = len(next(csv.reader([line], delimiter=sep), []))
    if n_cells < n_columns:
        msg = f"{path} breaks off: its last row has {n_cells} cells where its header has {n_columns}; it is truncated."
        raise ValueError(msg)


def text_lines(path: PathLike, n: int) -> tuple[str, ...]:
    """Read exactly ``n`` lines."""
    path = _bounded(path)
    try:
        lines = tuple(path.read_text(encoding="utf-8").splitlines())
    except UnicodeDecodeError as error:
        msg = f"{path} is not a text file ({error}); it is damaged."
        raise ValueError(msg) from error
    if len(lines) != n:
        msg = f"{path} has {len(lines)} lines, {n} are expected; it is truncated or another version."
        raise ValueError(msg)
    return lines


def variable(content: dict[str, Any], name: str, path: PathLike, shape: tuple[int, ...] | None = None) -> AnyArray:
    """Return one variable of a MATLAB file, or say that it is not there or of another shape."""
    array = content.get(name)
    if not isinstance(array, np.ndarray) or (shape is not None and array.shape != shape):
        size = "" if shape is None else f" of shape {shape}"
        msg = f"{path} does not hold the variable {name!r}{size}; it has {join_names(content)}. It may be another file."
        raise ValueError(msg)
    return array


def cell_texts(cells: AnyArray) -> list[str]:
    """Return the texts of a MATLAB cell array of character vectors."""
    return [str(cell.item()) if isinstance(cell, np.ndarray) else str(cell) for cell in cells.ravel()]


def frozen(array: AnyArray) -> FloatArray:
    """Return a read-only float64 copy."""
    result = np.array(array, dtype=np.float64)
    result.flags.writeable = False
    return result


def _bounded(path: PathLike) -> Path:
    path = check_file(path)
    if path.stat().st_size > MAX_TEXT:
        msg = f"{path} is larger than {MAX_TEXT // 2**30} GiB; that is not the published table."
        raise ValueError(msg)
    return path
