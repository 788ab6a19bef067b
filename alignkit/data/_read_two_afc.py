"""2AFC trials from a table of one's own: which of two images people found more like a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import check_count, join_names
from alignkit._typing import IntArray, PathLike
from alignkit.data._tables import text_table
from alignkit.rsa import TwoAFC

if TYPE_CHECKING:
    import pandas as pd

_ITEMS = ("reference", "left", "right")
_VOTES = ("left_votes", "right_votes")


def read_two_afc(path: PathLike, /, *, split: str | None = None, min_votes: int = 0) -> TwoAFC:
    r"""Read 2AFC trials from a table with named columns.

    Parameters
    ----------
    path : path
        A ``.csv`` or ``.tsv`` with the columns ``reference``, ``left`` and ``right`` (names of images, such as their
        paths in a folder), ``left_votes`` and ``right_votes`` (how many people chose each), and maybe ``split``. For
        NIGHTS' own table there is :func:`load_nights`.
    split : str, optional
        Keep only the rows with this word in the column ``split``; by default all.
    min_votes : int
        Keep only rows with at least so many votes.

    Returns
    -------
    TwoAFC
        Items are numbered over ``labels``, the names in order of first appearance.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A missing column (named), a row without names or with votes that are no whole numbers (numbered), or no row
        left.
    TypeError
        ``min_votes`` is not a whole number.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "trials.csv"
    >>> _ = file.write_text("reference,left,right,left_votes,right_votes\nchalk.png,clay.png,steel.png,4,1\n")
    >>> trials = read_two_afc(file)
    >>> trials.labels, trials.votes.tolist()
    (('chalk.png', 'clay.png', 'steel.png'), [[4, 1]])
    """
    least = check_count("min_votes", min_votes)
    file = Path(path)
    columns = (*_ITEMS, *_VOTES, *(("split",) if split is not None else ()))
    table = text_table(file, sep="\t" if file.suffix.lower() == ".tsv" else ",", columns=columns, as_text=True)
    rows = np.arange(len(table)) if split is None else np.flatnonzero((table["split"] == split).to_numpy())
    votes = np.stack([_counts(table, name, rows, file) for name in _VOTES], axis=1)
    enough = votes.sum(axis=1) >= max(least, 1)
    if not enough.any():
        words = "" if split is None else f" of the split {split!r} (it has {join_names(_words(table), 6)})"
        msg = f"{file} has no rows{words} with at least {max(least, 1)} votes."
        raise ValueError(msg)
    names = table[list(_ITEMS)].to_numpy(dtype=str)[rows]
    empty = (names == "").any(axis=1)
    if empty.any():
        msg = f"{file}, row {int(rows[empty][0]) + 1}: reference, left and right must name images; a cell is empty."
        raise ValueError(msg)
    number = {name: i for i, name in enumerate(dict.fromkeys(names[enough].ravel().tolist()))}
    items = np.array([[number[name] for name in row] for row in names[enough].tolist()])
    try:
        return TwoAFC(items, votes[enough], number)
    except ValueError as error:
        msg = f"{file}: {error}"
        raise ValueError(msg) from error


def _counts(table: pd.DataFrame, column: str, rows: IntArray, path: Path) -> IntArray:
    cells = table[column].to_numpy(dtype=str)[rows]
    bad = np.array([not (cell.strip().isascii() and cell.strip().isdigit() and len(cell) < 10) for cell in cells])
    if bad.any():
        row = int(np.argmax(bad))
        msg = f"{path}, row {int(rows[row]) + 1}: {column} must be a number of people; got {str(cells[row])!r}."
        raise ValueError(msg)
    return cells.astype(np.int64)


def _words(table: pd.DataFrame) -> list[str]:
    return sorted(set(table["split"].astype(str)))
