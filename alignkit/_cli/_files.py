"""The files of the verbs: outputs that can be written, labels that can be read, results that are kept and shown."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._check import check_choice
from alignkit._io import check_file
from alignkit._result import Result

if TYPE_CHECKING:
    import pandas as pd


def check_out(out: Path | None, suffixes: Collection[str], inputs: Sequence[Path | None] = ()) -> None:
    """Raise unless ``out`` can be written: a known suffix, an existing folder, none of the inputs.

    Raises
    ------
    ValueError
        Another suffix, or a file that is also read.
    FileNotFoundError
        A folder that does not exist.
    PermissionError
        A folder that cannot be written to.
    IsADirectoryError
        A folder where a file is meant.
    """
    if out is None:
        return
    for path in inputs:
        if path is not None and path.exists() and out.exists() and out.samefile(path):
            msg = f"--out {out} is also an input and would be overwritten; choose another name."
            raise ValueError(msg)
    ends = " or ".join(suffixes)
    if out.is_dir() and out.suffix not in suffixes:
        msg = f"--out {out} is a directory; give a file name that ends in {ends}."
        raise IsADirectoryError(msg)
    if not out.suffix:
        msg = f"--out {out} has no suffix that names a format; end it in {ends}."
        raise ValueError(msg)
    check_choice("the suffix of --out", out.suffix, suffixes)
    if not out.parent.is_dir():
        msg = f"the folder {out.parent} of --out does not exist; create it first."
        raise FileNotFoundError(msg)
    if not os.access(out.parent, os.W_OK):
        msg = f"the folder {out.parent} of --out cannot be written to; choose another one."
        raise PermissionError(msg)
    if out.is_dir() and out.suffix not in (".zarr", ".parquet"):
        msg = f"--out {out} is a directory; give a file name."
        raise IsADirectoryError(msg)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text file, one value per line; a blank last line does not count."""
    try:
        text = check_file(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text; it must hold one value per line."
        raise ValueError(msg) from error
    return [line.strip() for line in text.splitlines()]


def keep_and_show(result: Result, out: Path | None, table: str = "") -> None:
    """Save a result where that was asked for, before anything is printed that looks like success, and print it."""
    if out is not None:
        result.save(out)
    print(result)
    if table:
        print(table)
    if out is not None:
        print(f"saved to {out}")


def first_rows(table: pd.DataFrame, limit: int = 20, digits: str = ".4f") -> str:
    """Return the first rows of a table as text, and how many more there are."""
    text = str(table.head(limit).to_string(index=False, float_format=f"{{:{digits}}}".format))
    more = len(table) - limit
    return f"{text}\n... and {more} more rows (all of them with --out FILE.csv)" if more > 0 else text


def file_names(paths: Sequence[Path]) -> list[str]:
    """Return the files' names, as long as it takes to tell them apart."""
    names = [path.name or str(path.resolve()) for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    return [f"{name} ({names[:i].count(name) + 1})" if name in names[:i] else name for i, name in enumerate(names)]
