"""People's odd-one-out answers, from the kinds of files that a config may name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from alignkit._check import join_names
from alignkit._typing import PathLike
from alignkit.data import read_jspsych, read_triplets
from alignkit.data._tables import text_table
from alignkit.rsa import Triplets

#: Columns of a table: two items that belong together, and the odd one out.
_ITEMS = ("first", "second", "odd")


def read_answers(path: PathLike, labels: Sequence[str], /) -> Triplets:
    """Read people's answers, whose items have names.

    Parameters
    ----------
    path : path
        A ``.csv`` or ``.tsv`` with the columns first, second and odd, and maybe participant and response_time (in
        seconds); the ``.json`` of a study in jsPsych, with the fields that :func:`read_jspsych` expects; or an
        ``.npz`` of :meth:`Triplets.save`.
    labels : sequence of str
        Names of the items. A study in jsPsych may show no others, as it names files; other files may.

    Returns
    -------
    Triplets
        With labels.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Another kind of file, a damaged one, one that does not name its items, or one of which none is among
        ``labels``.
    """
    path = Path(path)
    readers: dict[str, Callable[[], Triplets]] = {
        ".csv": lambda: _from_table(path, ","),
        ".tsv": lambda: _from_table(path, "\t"),
        ".json": lambda: read_jspsych(path, labels=labels),
        ".npz": lambda: Triplets.load(path),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        msg = (
            f"triplets must be a .csv or .tsv with the columns first, second, odd, the .json of jsPsych, or the .npz "
            f"of Triplets.save; got {path}."
        )
        raise ValueError(msg)
    answers = reader()
    if answers.labels is None:
        msg = f"{path} does not name its items; save Triplets that have labels."
        raise ValueError(msg)
    if not set(answers.labels) & set(labels):
        msg = f"{path} names none of the targets' items: it has {join_names(answers.labels, 3)}; they have "
        msg += f"{join_names(labels, 3)}."
        raise ValueError(msg)
    return answers


def _from_table(path: Path, sep: str) -> Triplets:
    table = text_table(path, sep=sep, columns=_ITEMS, as_text=True)
    names = dict.fromkeys(cell for cell in table[list(_ITEMS)].to_numpy(dtype=str).ravel() if cell)
    return read_triplets(
        path,
        odd="third",
        items=_ITEMS,
        labels=tuple(names),
        participant="participant" if "participant" in table.columns else None,
        response_time="response_time" if "response_time" in table.columns else None,
    )
