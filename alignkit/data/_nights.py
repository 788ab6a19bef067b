"""NIGHTS: which of two generated images is more like the reference."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from alignkit._check import check_choice, check_count, join_names
from alignkit._io import check_file
from alignkit._typing import PathLike
from alignkit.rsa import TwoAFC

Split = Literal["train", "val", "test", "test_imagenet", "test_no_imagenet"]
_SPLITS = ("train", "val", "test", "test_imagenet", "test_no_imagenet")
_COLUMNS = ("left_vote", "right_vote", "votes", "ref_path", "left_path", "right_path")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def load_nights(csv_path: PathLike, /, *, split: Split | None = None, min_votes: int = 0) -> TwoAFC:
    r"""Read 2AFC trials from NIGHTS' ``data.csv``, or any file with its columns.

    Columns are found by name: ``ref_path``, ``left_path``, ``right_path``, ``left_vote`` and ``right_vote`` (which
    side won: 1 and 0, or their shares), ``votes`` (how many people judged, not a label), and for splits ``split`` and
    ``is_imagenet``. Paths are taken as they stand, because left is not always the file that ends in ``_0.png``.

    Parameters
    ----------
    csv_path : path
        The table.
    split : {"train", "val", "test", "test_imagenet", "test_no_imagenet"}, optional
        Keep only this split; by default every row. The last two are the halves of ``"test"`` by ``is_imagenet``.
    min_votes : int
        Keep only rows with at least so many votes. DreamSim uses 6; other work uses all, so report it.

    Returns
    -------
    TwoAFC
        Items are numbered over ``labels``, the paths in order of first appearance; ``votes`` counts the people for
        left and right.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A missing column (named), a damaged row (numbered), an unknown split, or no row left.
    TypeError
        ``min_votes`` is not a whole number.

    References
    ----------
    Fu et al. (2023), DreamSim, https://doi.org/10.48550/arXiv.2306.09344

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "data.csv"
    >>> _ = file.write_text(
    ...     "id,left_vote,right_vote,votes,ref_path,left_path,right_path,split\n"
    ...     "0,0,1,7,ref/0.png,distort/0_1.png,distort/0_0.png,train\n"
    ... )
    >>> trials = load_nights(file, split="train", min_votes=6)
    >>> trials.votes, trials.labels
    (array([[0, 7]]), ('ref/0.png', 'distort/0_1.png', 'distort/0_0.png'))
    """
    if split is not None:
        check_choice("split", split, _SPLITS)
    least = check_count("min_votes", min_votes)
    path = check_file(csv_path)
    number: dict[str, int] = {}
    items, votes = [], []
    for line, row in _rows(path, split):
        total = _whole(path, line, "votes", row["votes"])
        if total < least or not _in_split(path, line, row, split):
            continue
        items.append([number.setdefault(row[name], len(number)) for name in ("ref_path", "left_path", "right_path")])
        votes.append(_counts(path, line, row, total))
    if not items:
        wanted = f" in the split {split!r}" if split else ""
        msg = f"{path} has no rows{wanted} with at least {least} votes."
        raise ValueError(msg)
    return TwoAFC(np.array(items), np.array(votes), number)


def _rows(path: Path, split: Split | None) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells of each row, every needed cell being there."""
    needed = [*_COLUMNS, *(["split"] if split else []), *(["is_imagenet"] if split and "imagenet" in split else [])]
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                msg = f"{path} lacks the column(s) {join_names(missing)}; it has {join_names(reader.fieldnames or ())}."
                raise ValueError(msg)
            for row in reader:
                empty = [name for name in needed if not row[name]]
                if empty:
                    msg = f"{path}, line {reader.line_num}: {join_names(empty)} is empty; the file may be truncated."
                    raise ValueError(msg)
                yield reader.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        msg = f"{path} is not a readable csv file ({error}); it is truncated or damaged."
        raise ValueError(msg) from error


def _in_split(path: Path, line: int, row: dict[str, str], split: Split | None) -> bool:
    if split is None:
        return True
    part, _, subset = split.partition("_")
    if row["split"] != part:
        return False
    if not subset:
        return True
    truth = _TRUTH.get(row["is_imagenet"].strip().lower())
    if truth is None:
        msg = f"{path}, line {line}: is_imagenet must be TRUE or FALSE; got {row['is_imagenet']!r}."
        raise ValueError(msg)
    return truth == (subset == "imagenet")


def _counts(path: Path, line: int, row: dict[str, str], total: int) -> list[int]:
    """Return the people for left and right: the winners' shares of the votes."""
    left, right = (_number(path, line, name, row[name]) for name in ("left_vote", "right_vote"))
    if left < 0 or right < 0 or left + right == 0 or total == 0:
        msg = f"{path}, line {line}: left_vote {left:g}, right_vote {right:g} and votes {total} name no choice."
        raise ValueError(msg)
    for_left = total * left / (left + right)
    if abs(for_left - round(for_left)) > 1e-3 * total:
        msg = (
            f"{path}, line {line}: left_vote {left:g} and right_vote {right:g} of {total} votes are not whole people; "
            "the columns may hold something else."
        )
        raise ValueError(msg)
    return [round(for_left), total - round(for_left)]


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        msg = f"{path}, line {line}: {name} must be a number; got {text!r}."
        raise ValueError(msg)
    return value


def _whole(path: Path, line: int, name: str, text: str) -> int:
    value = _number(path, line, name, text)
    if value != round(value) or value < 0:
        msg = f"{path}, line {line}: {name} must be a whole number; got {text!r}."
        raise ValueError(msg)
    return round(value)
