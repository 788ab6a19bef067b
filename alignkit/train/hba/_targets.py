"""What is learned: dimensions of objects on one scale from 0 to 100, matched by name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import as_labels, check_choice, check_finite, join_names
from alignkit._typing import FloatArray, PathLike
from alignkit.data import SPOSE66_RANGE, Things, hba_targets
from alignkit.data._tables import frozen, text_table

if TYPE_CHECKING:
    import pandas as pd

#: Fewer dimensions have no RDM worth the name (correlations of two numbers are 1 or -1).
MIN_DIMENSIONS = 3
_NUMBER = re.compile(r"^[+-]?\d+(\.\d*)?$")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Dimensions of objects.

    Parameters
    ----------
    labels : tuple of str, shape (objects,)
        Names of the objects.
    values : ndarray, shape (objects, dimensions)
        From 0 to 100: ``100 (x - low) / (high - low)``.
    dimensions : tuple of str, shape (dimensions,)
        Names of the dimensions.
    low, high : float
        Smallest and largest entry of the whole table (not per dimension) in its own units.
    name : str
        What to call them.
    """

    labels: tuple[str, ...]
    values: FloatArray
    dimensions: tuple[str, ...]
    low: float
    high: float
    name: str


def scale_targets(
    values: object, labels: Sequence[str], dimensions: Sequence[str], *, name: str, limits: tuple[float, float] | None
) -> Targets:
    """Return checked targets on the scale from 0 to 100.

    Parameters
    ----------
    values : array_like, shape (objects, dimensions)
        In their own units.
    labels, dimensions : sequence of str
        Names of rows and columns.
    name : str
        What to call them, in errors too.
    limits : (float, float) or None
        What becomes 0 and 100; by default the smallest and the largest entry.

    Raises
    ------
    ValueError
        NaN, fewer than three dimensions, a dimension that is the same for all objects, an object that is the same on
        all dimensions, or repeated names.
    """
    table = frozen(np.asarray(values, dtype=np.float64))
    rows = as_labels(f"the items of {name}", labels, len(table))
    columns = as_labels(f"the dimensions of {name}", dimensions, table.shape[1])
    if len(columns) < MIN_DIMENSIONS:
        msg = f"{name} has {len(columns)} dimension(s); at least {MIN_DIMENSIONS} are needed."
        raise ValueError(msg)
    check_finite(name, table)
    low, high = limits or (float(table.min()), float(table.max()))
    if not np.isfinite(100 * (high - low)):
        msg = f"{name} reaches from {low:g} to {high:g}, too far apart for floating point; divide it by some number."
        raise ValueError(msg)
    flat = [column for column, spread in zip(columns, np.ptp(table, axis=0), strict=True) if spread == 0]
    if flat:
        msg = f"{name} has dimensions that are the same for all items: {join_names(flat)}; drop them."
        raise ValueError(msg)
    even = [row for row, spread in zip(rows, np.ptp(table, axis=1), strict=True) if spread == 0]
    if even:
        msg = (
            f"{name} has items with the same value in all dimensions: {join_names(even)}; their correlations with "
            "others are undefined, drop them."
        )
        raise ValueError(msg)
    return Targets(rows, frozen(100 * (table - low) / (high - low)), columns, low, high, name)


def things_targets(things: Things, which: str, /) -> Targets:
    """Return SPoSE-66 or SPoSE-49 as targets, in the row order that ``things`` was read with.

    Parameters
    ----------
    things : Things
        From :func:`alignkit.data.load_things`; ``order="published"`` gives 21 concepts another one's vector, as
        CLIP-HBA did.
    which : {"spose66", "spose49"}
        Which embedding; dimensions are named by their labels (66), or numbered (49 have none).

    Raises
    ------
    ValueError
        Another name.
    """
    check_choice("targets", which, ("spose66", "spose49"))
    if which == "spose66":
        table = hba_targets(things)
        low, high = SPOSE66_RANGE
        names = as_labels("the dimensions", things.dimension_labels)
        labels = tuple(str(label) for label in table.index)
        return Targets(labels, frozen(table.to_numpy()), names, low, high, "SPoSE-66")
    labels = things.labels if things.order == "fixed" else things.file_order
    numbers = [str(number) for number in range(things.spose49.shape[1])]
    return scale_targets(things.spose49, labels, numbers, name="SPoSE-49", limits=None)


def read_targets(path: PathLike, /) -> Targets:
    """Read targets from a csv: the item's name first, then one column of numbers per dimension.

    Parameters
    ----------
    path : path
        A ``.csv`` (or ``.tsv``) with a header that names the dimensions.

    Returns
    -------
    Targets
        On one scale from 0 to 100 for the whole table.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A first column that is no list of different names, columns that are not numbers or share a name, fewer than
        three of them, or empty cells.
    """
    path = Path(path)
    sep = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
    table = text_table(path, sep=sep, columns=(), as_text=True)
    if table.shape[1] < 2 or not len(table):
        between = "tabs" if sep == "\t" else "commas"
        msg = (
            f"{path} must hold a header, the items' names in the first column, and a column for each dimension, with "
            f"{between} between them."
        )
        raise ValueError(msg)
    labels = _item_names(path, table)
    columns = [str(column) for column in table.columns[1:]]
    _check_columns(path, columns)
    values = np.column_stack([_numbers(path, table, i) for i in range(1, table.shape[1])])
    return scale_targets(values, labels, columns, name=str(path), limits=None)


def _item_names(path: Path, table: pd.DataFrame) -> tuple[str, ...]:
    names = [str(name).strip() for name in table.iloc[:, 0]]
    if all(_NUMBER.match(name) for name in names):
        msg = (
            f"the first column of {path} holds numbers, not names: rows are matched to images by name, never by their "
            "place; put the items' names there (and drop a column of row numbers)."
        )
        raise ValueError(msg)
    return as_labels(f"the first column of {path}", names)


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    unnamed = [column for column in columns if column.startswith("Unnamed: ") or not column.strip()]
    if unnamed:
        msg = f"{path} has {len(unnamed)} column(s) without a name; name every dimension in the header."
        raise ValueError(msg)
    held = set(columns)
    # pandas numbers headers that repeat
    twice = [column for column in columns if re.search(r"\.\d+$", column) and column.rpartition(".")[0] in held]
    if twice:
        msg = (
            f"{path} names dimensions twice: {join_names(name.rpartition('.')[0] for name in twice)}; give each its "
            "own name."
        )
        raise ValueError(msg)


def _numbers(path: Path, table: pd.DataFrame, column: int) -> FloatArray:
    cells = table.iloc[:, column].str.strip()
    name = str(table.columns[column])
    empty = np.flatnonzero(cells == "")
    if empty.size:
        msg = f"{path} has nothing for {str(table.iloc[empty[0], 0])!r} in the column {name!r}; fill the cell."
        raise ValueError(msg)
    try:
        values: FloatArray = cells.to_numpy(dtype=np.float64)
    except ValueError as error:
        msg = f"the column {name!r} of {path} must hold numbers ({error}); only the first column holds names."
        raise ValueError(msg) from error
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        what = str(table.iloc[bad[0], column]).strip()
        msg = f"{path} has {what!r} for {str(table.iloc[bad[0], 0])!r} in the column {name!r}; give a finite number."
        raise ValueError(msg)
    return values
