"""Odd-one-out answers from jsPsych, whatever the study called its fields."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from alignkit._check import join_names, shown
from alignkit._typing import PathLike
from alignkit.data._study_trials import (
    TimeUnit,
    Trial,
    as_seconds,
    as_triplets,
    check_unit,
    chosen_place,
    image_name,
    read_json_texts,
    study_files,
)
from alignkit.data._tables import text_table
from alignkit.rsa import Triplets

_MISSING = (None, "", "null")


def read_jspsych(
    path: PathLike,
    /,
    *,
    labels: Iterable[Any],
    items: str | tuple[str, str, str] = ("position1", "position2", "position3"),
    response: str = "response",
    options: tuple[str, str, str] | Literal["items"] = ("0", "1", "2"),
    participant: str | None = "participant",
    response_time: str | None = "rt",
    time_unit: TimeUnit = "ms",
    select: Mapping[str, str] | None = None,
) -> Triplets:
    """Read odd-one-out answers that jsPsych recorded.

    jsPsych keeps one record per trial, of every screen of the study; those that name three items are taken. What a
    study shows is only in the record where the study put it there (``data: {position1: ..., position2: ...,
    position3: ...}`` in the trial), so the fields are named here; the defaults are the columns of
    :func:`design_triplets` and of the button plugins.

    Parameters
    ----------
    path : path
        A ``.json`` file of ``jsPsych.data.get().json()`` (the lists of several people may follow each other, as servers
        join them), a ``.csv`` file of ``jsPsych.data.get().csv()``, or a folder of such files.
    labels : sequence of str
        Names of the items in the order of your features' rows. Names in the file are matched as they are; where none
        fits, by file name without folder and ending, if that tells all labels apart. Of HTML images the source counts.
    items : str or three str
        Fields that hold the three items in the order shown, or one field that holds the list of them.
    response : str
        Field with the answer (``"button_pressed"`` in jsPsych 6).
    options : three str, or "items"
        What stands in ``response`` when the first, second or third was chosen as the odd one out: the numbers of the
        buttons by default; for keys, their names; ``"items"``: the item itself.
    participant : str, optional
        Field with who answered; None: each file is one person, named by the file.
    response_time : str, optional
        Field with the response time; None: there is none.
    time_unit : {"ms", "s"}
        Unit of the response times in the file; the triplets have seconds.
    select : mapping of str to str, optional
        Only records whose fields have these values, for studies with several tasks.

    Returns
    -------
    Triplets
        The odd one out last, with participant, response time in seconds and position on the screen. Trials that timed
        out are left out, with one warning that counts them.

    Raises
    ------
    FileNotFoundError
        No such file, or a folder without any.
    ValueError
        A damaged file, no trial with three items, an answer that ``options`` does not hold, a missing participant, or
        items that ``labels`` does not name.

    References
    ----------
    de Leeuw, Gilbert & Luchterhandt (2023), Journal of Open Source Software 8(85), 5351.
    https://doi.org/10.21105/joss.05351

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> shown = {"position1": "img/cat.jpg", "position2": "img/car.jpg", "position3": "img/dog.jpg"}
    >>> trials = [{"trial_type": "preload"}, {**shown, "response": 1, "rt": 1250, "participant": "p1"}]
    >>> path = pathlib.Path(tempfile.mkdtemp(), "study.json")
    >>> _ = path.write_text(json.dumps(trials))
    >>> answers = read_jspsych(path, labels=["car", "cat", "dog"])
    >>> answers.items, answers.response_time, answers.position
    (array([[2, 1, 0]]), array([1.25]), array([2]))
    """
    check_unit(time_unit)
    fields = _Fields(items, response, options, participant, response_time, time_unit, dict(select or {}))
    source = Path(path)
    trials = [trial for file in study_files(source, (".json", ".csv")) for trial in _read_file(file, fields)]
    return as_triplets(source, trials, labels)


@dataclasses.dataclass(frozen=True, slots=True)
class _Fields:
    """Where a record holds what."""

    items: str | tuple[str, str, str]
    response: str
    options: tuple[str, str, str] | Literal["items"]
    participant: str | None
    response_time: str | None
    time_unit: TimeUnit
    select: dict[str, str]

    def __post_init__(self) -> None:
        if not isinstance(self.items, str) and len(tuple(self.items)) != 3:
            msg = f"items must name one field or three; got {shown(self.items)}."
            raise ValueError(msg)
        if self.options != "items" and (isinstance(self.options, str) or len(set(self.options)) != 3):
            msg = f"options must be 'items' or three different answers, first to third; got {shown(self.options)}."
            raise ValueError(msg)

    def shown(self, record: Mapping[str, Any]) -> tuple[str, str, str] | None:
        """Return the three items of a record, or None where it is another screen of the study."""
        if any(str(record.get(name)) != value for name, value in self.select.items()):
            return None
        if isinstance(self.items, str):
            cells = record.get(self.items)
            if isinstance(cells, str) and cells.lstrip().startswith("["):  # a list in a cell of a table
                try:
                    cells = json.loads(cells)
                except (json.JSONDecodeError, RecursionError):
                    return None
        else:
            cells = [record.get(name) for name in self.items]
        if not isinstance(cells, list) or len(cells) != 3 or any(cell in _MISSING for cell in cells):
            return None
        first, second, third = (image_name(cell) for cell in cells)
        return first, second, third


def _read_file(path: Path, fields: _Fields) -> list[Trial]:
    records = _table_records(path) if path.suffix.lower() == ".csv" else _json_records(path)
    trials = []
    for i, record in enumerate(records):
        items = fields.shown(record)
        if items is not None:
            try:
                trials.append(_as_trial(path, record, items, fields))
            except ValueError as error:
                msg = f"{path}, record {i + 1}: {str(error).rstrip('.')}."
                raise ValueError(msg) from error
    if not trials:
        wanted = fields.items if isinstance(fields.items, str) else ", ".join(fields.items)
        present = dict.fromkeys(name for record in records for name in record)
        msg = (
            f"{path} has no record with three items in {wanted}; its fields are {join_names(present, 12)}. "
            "Name them with items= (and select=)."
        )
        raise ValueError(msg)
    return trials


def _as_trial(path: Path, record: Mapping[str, Any], items: tuple[str, str, str], fields: _Fields) -> Trial:
    for name in (fields.response, fields.response_time):
        if name is not None and name not in record:
            msg = f"the field {name!r} is missing; name it with response= or response_time= (None: no times)"
            raise ValueError(msg)
    answer = record[fields.response]
    if fields.options == "items":
        answer, allowed = image_name(answer), list(items)
    else:
        allowed = list(fields.options)
    who = path.stem if fields.participant is None else record.get(fields.participant)
    if who in _MISSING:
        msg = (
            f"there is no {fields.participant!r}; name the field of the person with participant=, or pass "
            "participant=None where each file is one person"
        )
        raise ValueError(msg)
    seconds = float("nan")
    if fields.response_time is not None:
        seconds = as_seconds(record[fields.response_time], fields.time_unit)
    return Trial(items, chosen_place(answer, allowed), str(who), seconds)


def _json_records(path: Path) -> list[Mapping[str, Any]]:
    records: list[Any] = []
    for value in read_json_texts(path):
        for part in value if isinstance(value, list) else [value]:
            records += part if isinstance(part, list) else [part]  # a list of people's lists
    wrong = [record for record in records if not isinstance(record, dict)]
    if wrong:
        msg = f"{path} must hold jsPsych's list of records; it holds {shown(wrong[0])}."
        raise ValueError(msg)
    return records


def _table_records(path: Path) -> list[Mapping[str, Any]]:
    table = text_table(path, sep=",", columns=(), as_text=True)
    return [{str(name): cell for name, cell in row.items()} for row in table.to_dict("records")]
