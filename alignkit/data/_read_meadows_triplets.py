"""Odd-one-out answers from Meadows: its annotations and its trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alignkit._check import join_names, shown
from alignkit._typing import PathLike
from alignkit.data._study_trials import Trial, as_triplets, chosen_place, read_json_texts, study_files
from alignkit.data._tables import text_table
from alignkit.rsa import Triplets

_NUMBERS = (1, 2, 3)
_COLUMNS = ("participation", "label", *(f"stim{k}_name" for k in _NUMBERS), *(f"stim{k}_id" for k in _NUMBERS))
#: A tree is nested this deep at most: participation, task, trial, annotation.
_MAX_DEPTH = 12
_TIMES = ("start", "resp")


def read_meadows_triplets(
    path: PathLike,
    /,
    *,
    labels: Iterable[Any],
    task: str | None = None,
    options: tuple[str, str, str] | None = None,
) -> Triplets:
    r"""Read odd-one-out answers that Meadows recorded in a Triplet Choice task.

    Parameters
    ----------
    path : path
        The *annotations* download (``.csv`` or ``.json``: columns ``task``, ``participation``, ``stim1_id`` to
        ``stim3_id``, ``stim1_name`` to ``stim3_name``, ``start``, ``resp``, ``label``), the *tree* download (``.json``,
        one task, one participation or all), or a folder of such files. Rows of other tasks, with one or two stimuli,
        are left alone. Of a tree, the annotations inside it are read (``ids``, ``start``, ``resp``, ``label``).
    labels : sequence of str
        Names of the items in the order of your features' rows. Meadows drops the endings of file names: where no name
        fits as it is, the file names without folder and ending are compared.
    task : str, optional
        Name of the task, where a study has several with triplets.
    options : three str, optional
        What the label says when the first, second or third stimulus was chosen. By default the label must be the id or
        the name of one of the three.

    Returns
    -------
    Triplets
        The odd one out last, with participant (Meadows' nickname), response time in seconds (``resp - start``) and
        position on the screen (the number of the stimulus).

    Raises
    ------
    FileNotFoundError
        No such file, or a folder without any.
    ValueError
        A damaged file, no triplets, triplets of several tasks without ``task``, a label that names none of the three
        stimuli, or items that ``labels`` does not name.

    References
    ----------
    Meadows' documentation of its downloads. https://docs.meadows-research.com/downloads/structures/annotations

    Examples
    --------
    >>> import pathlib, tempfile
    >>> head = "task,participation,stim1_id,stim2_id,stim3_id,stim1_name,stim2_name,stim3_name,start,resp,label"
    >>> row = "odd,shy-owl,a1,b2,c3,cat,car,dog,2026-03-01T10:00:00.000Z,2026-03-01T10:00:01.500Z,b2"
    >>> path = pathlib.Path(tempfile.mkdtemp(), "Meadows_study_v1_annotations.csv")
    >>> _ = path.write_text(head + "\n" + row + "\n")
    >>> answers = read_meadows_triplets(path, labels=["car.png", "cat.png", "dog.png"])
    >>> answers.items, answers.participant.tolist(), answers.response_time
    (array([[2, 1, 0]]), ['shy-owl'], array([1.5]))
    """
    if options is not None and (isinstance(options, str) or len(set(options)) != 3):
        msg = f"options must be three different labels, for the first, second and third; got {shown(options)}."
        raise ValueError(msg)
    source = Path(path)
    rows = [(file, row) for file in study_files(source, (".csv", ".json")) for row in _rows(file)]
    trials = []
    for file, row in _of_one_task(source, rows, task):
        try:
            trials.append(_as_trial(row, options))
        except ValueError as error:
            msg = f"{file}: {str(error).rstrip('.')}."
            raise ValueError(msg) from error
    return as_triplets(source, trials, labels)


def _of_one_task(source: Path, rows: list[tuple[Path, dict[str, Any]]], task: str | None) -> Iterator[Any]:
    shown_three = [(file, row) for file, row in rows if all(row.get(f"stim{k}_name") for k in _NUMBERS)]
    names = sorted({str(row.get("task", "")) for _, row in shown_three})
    if not shown_three:
        msg = f"{source} holds no annotations of three stimuli; export the annotations of a Triplet Choice task."
        raise ValueError(msg)
    if task is None and len(names) > 1:
        msg = f"{source} holds triplets of the tasks {join_names(names)}; choose one with task=."
        raise ValueError(msg)
    if task is not None and task not in names:
        msg = f"{source} holds no triplets of the task {task!r}; it has {join_names(names)}."
        raise ValueError(msg)
    return ((file, row) for file, row in shown_three if task in (None, row.get("task", "")))


def _as_trial(row: Mapping[str, Any], options: tuple[str, str, str] | None) -> Trial:
    first, second, third = (str(row[f"stim{k}_name"]) for k in _NUMBERS)
    label = row.get("label")
    allowed = options
    if allowed is None:
        ids = [str(row.get(f"stim{k}_id", "")) for k in _NUMBERS]
        allowed = tuple(ids) if str(label) in ids else (first, second, third)  # type: ignore[assignment]
    try:
        chosen = chosen_place(label, list(allowed or ()))
    except ValueError as error:
        msg = f"{error}, the stimuli of the trial; say with options= what the label of each position is"
        raise ValueError(msg) from error
    who = str(row.get("participation") or "")
    if not who:
        msg = "an annotation lacks its participation"
        raise ValueError(msg)
    return Trial((first, second, third), chosen, who, _seconds(row.get("start"), row.get("resp")))


def _seconds(start: object, end: object) -> float:
    moments = [_moment(value) for value in (start, end)]
    return moments[1] - moments[0]


def _moment(value: object) -> float:
    """Return a time stamp in seconds: ISO 8601, or epoch time in seconds (or, as large a number, milliseconds)."""
    if value in (None, ""):
        return float("nan")
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            msg = f"the time {shown(value)} is neither ISO 8601 nor a number"
            raise ValueError(msg) from error
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return number / 1000 if abs(number) > 1e11 else number  # 1e11 s is the year 5138


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix.lower() == ".csv":
        table = text_table(path, sep=",", columns=("participation", "label", "stim1_name"), as_text=True)
        return [{str(name): cell for name, cell in row.items()} for row in table.to_dict("records")]
    rows: list[dict[str, Any]] = []
    for value in read_json_texts(path):
        try:
            rows += _walk(value, {"participation": _nickname(path)}, 0)
        except RecursionError as error:
            msg = f"{path} is nested deeper than any Meadows file; it is damaged."
            raise ValueError(msg) from error
    return rows


def _nickname(path: Path) -> str:
    """Return the participation in the name of a download of one person: Meadows_EXP_v_VERSION_NICKNAME_..._tree."""
    parts = path.stem.split("_")
    return next((part for part in parts[4:] if "-" in part), path.stem)


def _walk(value: Any, known: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    """Yield the annotations inside a tree, each with the task and the participation that it is found under."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for part in value:
            yield from _walk(part, known, depth + 1)
    elif isinstance(value, dict):
        if "label" in value and ("stim1_name" in value or isinstance(value.get("ids"), list)):
            yield {**known, **_flat(value, known.get("stimuli", {}))}
            return
        known = _known(value, known)
        for key, part in value.items():
            # only the root of a tree of several people is keyed by nicknames: two words and a hyphen
            named = depth == 0 and "-" in key and isinstance(part, dict | list)
            yield from _walk(part, {**known, "participation": key} if named else known, depth + 1)


def _known(value: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    task, stimuli = value.get("task"), value.get("stimuli")
    result = dict(known)
    if isinstance(task, dict) and "name" in task:
        result["task"] = str(task["name"])
    if isinstance(stimuli, list):
        result["stimuli"] = {
            str(one["id"]): str(one["name"]) for one in stimuli if isinstance(one, dict) and {"id", "name"} <= set(one)
        }
    return result


def _flat(annotation: dict[str, Any], stimuli: Mapping[str, str]) -> dict[str, Any]:
    """Return an annotation of a tree under the names of the columns of a table."""
    row = {name: annotation[name] for name in (*_COLUMNS, *_TIMES, "task") if name in annotation}
    ids = annotation.get("ids")
    if isinstance(ids, list):
        for k, stimulus in zip(_NUMBERS, ids, strict=False):
            row |= {f"stim{k}_id": str(stimulus), f"stim{k}_name": stimuli.get(str(stimulus), str(stimulus))}
        if len(ids) != len(_NUMBERS):
            row.pop("stim3_name", None)
    return row
