"""Tables of words and definitions as labelled texts for a text encoder."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from alignkit._check import as_labels, join_names
from alignkit._io import check_file
from alignkit._typing import PathLike

_FIELD = re.compile(r"\{([^{}]+)\}")


def read_texts(path: PathLike, /, *, template: str, label: str) -> dict[str, str]:
    r"""Return ``{label: text}`` from a table with a header, one text per row.

    Parameters
    ----------
    path : path-like
        A UTF-8 ``.csv`` or ``.tsv`` file (the first line tells tabs, commas and semicolons apart).
    template : str
        A text with column names in braces, such as ``"{Word}: {Definition}"``. A name is a column's, case-exact,
        or the beginning of exactly one column's name.
    label : str
        The column (by the same rule) that names the rows.

    Returns
    -------
    dict of str to str
        In the table's order.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A column that the table does not have or that several begin with, a template without columns, rows of another
        length than the header, an empty cell that the template needs, duplicate labels, or a file that is not text.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "words.tsv")
    >>> _ = path.write_text("Word\tid\tDefinition (from WordNet)\nbass\tbass1\ta fish\n")
    >>> read_texts(path, template="{Word}: {Definition}", label="id")
    {'bass1': 'bass: a fish'}
    """
    path = check_file(path)
    header, rows = _read_table(path)
    if not _FIELD.search(template):
        msg = f"template must name at least one column in braces, such as '{{{header[0]}}}'; got {template!r}."
        raise ValueError(msg)
    column = {name: _find(path, header, name) for name in {label, *_FIELD.findall(template)}}
    labels = as_labels(f"the column {header[column[label]]!r} of {path}", [row[column[label]] for row in rows])
    return {name: _fill(path, template, column, row, name) for name, row in zip(labels, rows, strict=True)}


def _fill(path: Path, template: str, column: dict[str, int], row: list[str], name: str) -> str:
    empty = [field for field in _FIELD.findall(template) if not row[column[field]].strip()]
    if empty:
        msg = f"{path}: the row {name!r} has nothing in {join_names(empty)}; fill the cell or drop the row."
        raise ValueError(msg)
    return _FIELD.sub(lambda match: row[column[match[1]]], template)


def _find(path: Path, header: list[str], name: str) -> int:
    exact = [i for i, title in enumerate(header) if title == name]
    found = exact or [i for i, title in enumerate(header) if title.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        msg = f"{path} has no column {name!r} (case matters); its columns are {join_names(header, limit=40)}."
    else:
        fitting = join_names(header[i] for i in found)
        msg = f"{path}: {name!r} fits {len(found)} columns ({fitting}); write the whole name."
    raise ValueError(msg)


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = next((mark for mark in ("\t", ";", ",") if mark in first), ",")
            if path.suffix.lower() == ".csv" and "," in first:
                delimiter = ","
            file.seek(0)
            table = [row for row in csv.reader(file, delimiter=delimiter, strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} is not a readable UTF-8 table ({error})."
        raise ValueError(msg) from error
    if len(table) < 2:
        msg = f"{path} must hold a header and at least one row; it has {len(table)} line(s)."
        raise ValueError(msg)
    header, *rows = table
    wrong = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if wrong is not None:
        msg = f"{path}: row {wrong + 1} has {len(rows[wrong])} cells and the header {len(header)}; repair the table."
        raise ValueError(msg)
    return header, rows
