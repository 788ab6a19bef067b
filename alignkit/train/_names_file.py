"""Text files of one name a line: items to hold out, prompts."""

from __future__ import annotations

from collections.abc import Sequence

from alignkit._check import as_labels, join_names
from alignkit._io import check_file
from alignkit._typing import PathLike


def read_names(path: PathLike, known: Sequence[str], unknown_are: str, /) -> tuple[str, ...]:
    """Return the names in a text file, one a line.

    Parameters
    ----------
    path : path
    known : sequence of str
        Names that there are.
    unknown_are : str
        What others are called, in the message that refuses them.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Anything but text, the same name twice, or a name that is not known.
    """
    names = read_lines(path)
    unknown = [name for name in names if name not in set(known)]
    if unknown:
        msg = f"{path} names {unknown_are}: {join_names(unknown)}."
        raise ValueError(msg)
    return names


def read_lines(path: PathLike, /) -> tuple[str, ...]:
    """Return the lines of a text file that are not empty, which must all differ.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Anything but text, or the same line twice.
    """
    try:
        lines = check_file(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        msg = f"{path} is not a text file ({error})."
        raise ValueError(msg) from error
    return as_labels(str(path), [line.strip() for line in lines if line.strip()])
