"""Your own participants' triplets, from a file whose convention you name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import as_float_array, as_labels, check_choice, join_names
from alignkit._io import load_array
from alignkit._typing import AnyArray, PathLike
from alignkit.data._study_trials import SECONDS, TimeUnit, check_unit
from alignkit.data._tables import text_table
from alignkit.rsa import Triplets

if TYPE_CHECKING:
    import pandas as pd

Odd = Literal["first", "second", "third", "position"]


def read_triplets(
    path: PathLike,
    /,
    *,
    odd: Odd,
    base: Literal[0, 1] | None = None,
    labels: Iterable[Any] | None = None,
    items: tuple[str, str, str] | None = None,
    position: str | None = None,
    participant: str | None = None,
    response_time: str | None = None,
    time_unit: TimeUnit = "s",
) -> Triplets:
    r"""Read odd-one-out answers from a table.

    Files differ in what they count from and in which column is the odd one out; a wrong guess gives scores that look
    plausible. Both must therefore be named.

    Parameters
    ----------
    path : path
        Without ``items``: numbers only (``.npy``, ``.npz``, ``.mat``, ``.csv``, ``.tsv``, ``.txt``, no header), three
        columns of item numbers and, for ``odd="position"``, a fourth. With ``items``: a ``.csv`` or ``.tsv`` with a
        header, whose cells are item names, or numbers where ``base`` is given.
    odd : {"first", "second", "third", "position"}
        Which of the three is the odd one out; ``"position"``: a further column says so, 1 to 3, row by row.
    base : {0, 1}, optional
        What item numbers count from; required for numbers.
    labels : sequence of str, optional
        Names of the items in the order of your features' rows; required for cells that are names, so that a row number
        never means another item.
    items : three str, optional
        Header of the three columns of items.
    position, participant, response_time : str, optional
        Header of the column with the position, who answered, and how long it took; only with ``items``.
    time_unit : {"s", "ms"}
        Unit of the response times in the file; the triplets have seconds.

    Returns
    -------
    Triplets
        The odd one out last, numbered from 0. A column with the position is kept as the position on the screen, which
        the side bias of :func:`exclude_participants` needs: name the items' columns in the order shown.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A damaged file, missing columns, empty cells, no ``base`` for numbers, no ``labels`` for names, or items that
        ``labels`` does not name.
    TypeError
        Item numbers that are not whole.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "answers.csv")
    >>> _ = path.write_text("a,b,c,answer,who\ncat,dog,car,3,p1\ncar,cat,bus,2,p2\n")
    >>> columns = {"items": ("a", "b", "c"), "position": "answer", "participant": "who"}
    >>> read_triplets(path, odd="position", labels=["cat", "dog", "car", "bus"], **columns)
    <Triplets 2 answers, 4 items, 2 participants>
    """
    check_choice("odd", odd, ("first", "second", "third", "position"))
    check_unit(time_unit)
    if items is not None:
        wanted = {"position": position, "participant": participant, "response_time": response_time}
        return _from_table(Path(path), odd, base, labels, tuple(items), wanted, SECONDS[time_unit])
    if position or participant or response_time:
        msg = "position, participant and response_time name columns of a header; name the items' columns with items=."
        raise ValueError(msg)
    return _from_numbers(Path(path), odd, base, labels)


def _from_numbers(path: Path, odd: Odd, base: int | None, labels: Iterable[Any] | None) -> Triplets:
    array = load_array(path)
    width = 4 if odd == "position" else 3
    if array.ndim != 2 or array.shape[1] != width:
        msg = f"{path} must have {width} columns of numbers for odd={odd!r}; got shape {array.shape}."
        raise ValueError(msg)
    where: Any = odd if odd != "position" else _whole(path, array[:, 3])
    return _build(path, array[:, :3], where, _known_base(base), labels)


def _from_table(
    path: Path,
    odd: Odd,
    base: int | None,
    labels: Iterable[Any] | None,
    items: tuple[str, ...],
    wanted: dict[str, str | None],
    second: float,
) -> Triplets:
    if len(items) != 3:
        msg = f"items must name three columns; got {len(items)}."
        raise ValueError(msg)
    if (odd == "position") != (wanted["position"] is not None):
        msg = "odd='position' and position= (the column that holds it) go together."
        raise ValueError(msg)
    columns = [*items, *(name for name in wanted.values() if name is not None)]
    table = text_table(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", columns=columns, as_text=True)
    cells = table[list(items)]
    where: Any = odd if wanted["position"] is None else _numbers(path, table, wanted["position"])
    extra: dict[str, Any] = {} if wanted["position"] is None else {"position": where}
    if wanted["participant"] is not None:
        extra["participant"] = table[wanted["participant"]].to_numpy(dtype=str)
    if wanted["response_time"] is not None:
        extra["response_time"] = _numbers(path, table, wanted["response_time"], whole=False) * second
    if base is not None:
        numbers = np.column_stack([_numbers(path, table, name) for name in items])
        return _build(path, numbers, where, _known_base(base), labels, **extra)
    if labels is None:
        msg = f"the cells of {path} are names: pass labels= (the items in the order of your features' rows), or base=."
        raise ValueError(msg)
    names = as_labels("labels", labels)
    return _build(path, _number_names(path, cells, names), where, 0, names, **extra)


def _number_names(path: Path, cells: pd.DataFrame, names: tuple[str, ...]) -> AnyArray:
    number = {name: i for i, name in enumerate(names)}
    empty = (cells == "").any(axis=1).to_numpy()
    if empty.any():
        msg = f"{path} has an empty cell in row {int(np.argmax(empty)) + 1} below the header; drop or fill such rows."
        raise ValueError(msg)
    texts = as_labels("the items", cells.to_numpy().ravel(), unique=False)
    unknown = list(dict.fromkeys(text for text in texts if text not in number))
    if unknown:
        msg = f"{path} shows items that labels does not name: {join_names(unknown)}."
        raise ValueError(msg)
    return np.array([number[text] for text in texts]).reshape(-1, 3)


def _numbers(path: Path, table: pd.DataFrame, column: str, *, whole: bool = True) -> AnyArray:
    try:
        values = table[column].to_numpy(dtype=np.float64)
    except ValueError as error:
        msg = f"the column {column!r} of {path} must hold numbers ({error}); leave base out if its cells are names."
        raise ValueError(msg) from error
    return _whole(path, values) if whole else values


def _whole(path: Path, values: AnyArray) -> AnyArray:
    values = as_float_array(str(path), values)
    wrong = ~np.isfinite(values) | (values != np.round(values)) | (np.abs(values) > 2.0**53)
    if wrong.any():
        msg = f"{path} must hold whole numbers; got {values[wrong][0]}."
        raise ValueError(msg)
    return values.astype(np.int64)


def _known_base(base: int | None) -> int:
    if base is None:
        msg = "base must be named: 0 or 1, what the file's item numbers count from."
        raise ValueError(msg)
    return base


def _build(path: Path, items: AnyArray, odd: Any, base: int, labels: Iterable[Any] | None, **extra: Any) -> Triplets:
    try:
        return Triplets.from_columns(items, odd=odd, base=base, labels=labels, **extra)
    except (ValueError, TypeError) as error:
        msg = f"{path}: {error}"
        raise type(error)(msg) from error
