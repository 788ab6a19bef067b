"""What was shown when: BIDS events, attributes files and labels of volumes, read with their sizes checked."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from alignkit._check import as_labels, join_names, shown
from alignkit._io import check_file
from alignkit._typing import FloatArray, PathLike
from alignkit.data._tables import MAX_TEXT, naming, text_table

if TYPE_CHECKING:
    import pandas as pd

#: A BIDS table of one run's events, or a file with the label and run of every volume.
EventsLike: TypeAlias = "PathLike | pd.DataFrame"
_COLUMNS = ("onset", "duration", "trial_type")
#: What BIDS writes, and events without a trial_type are called.
MISSING = "n/a"
#: First lines that name the two columns of an attributes file.
_HEADER = re.compile(r"(labels?|targets?|conditions?|trial_type)[\s,;]+(runs?|chunks?|sessions?|folds?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VolumeLabels:
    """The label and the run of every volume."""

    labels: tuple[str, ...]
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Events:
    """What was shown from when (s after the run's start) for how long (s), in order of onset."""

    labels: tuple[str, ...]
    onsets: FloatArray
    durations: FloatArray

    def without(self, labels: Iterable[str]) -> Events:
        """Return the events of other labels."""
        keep = [i for i, label in enumerate(self.labels) if label not in set(labels)]
        return Events(tuple(self.labels[i] for i in keep), self.onsets[keep], self.durations[keep])


def read_events(events: EventsLike | Sequence[EventsLike]) -> VolumeLabels | list[Events]:
    """Read an attributes file, or one table of events per run.

    Raises
    ------
    ValueError
        A damaged file, missing columns, times that are no numbers, several runs in one table, or events that are listed
        twice.
    TypeError
        Neither files nor pandas tables.
    """
    if isinstance(events, str | os.PathLike) and not _is_table(Path(events)):
        return read_attributes(events)
    one = isinstance(events, str | os.PathLike) or hasattr(events, "columns")
    tables: Any = [events] if one else events
    if not isinstance(tables, list | tuple):
        msg = f"events must be files or pandas tables, one per run; got {shown(events)}."
        raise TypeError(msg)
    return [_read_table(each) for each in tables]


def read_attributes(path: PathLike) -> VolumeLabels:
    """Read a text file with two columns and one line per volume: its label and its run (a header is allowed)."""
    lines = _lines(Path(path))
    if _HEADER.fullmatch(lines[0].strip()):
        lines = lines[1:]
    cells = [re.split(r"[\s,;]+", line.strip()) for line in lines]
    wrong = next((i for i, row in enumerate(cells) if len(row) != 2 or not all(row)), None)
    if wrong is not None:
        msg = (
            f"{path} must hold two columns, the label and the run of each volume, or be a BIDS table with the columns "
            f"{', '.join(_COLUMNS)}; line {wrong + 1} is {shown(lines[wrong])}."
        )
        raise ValueError(msg)
    labels, runs = zip(*cells, strict=True)
    return VolumeLabels(as_labels("labels", labels, unique=False), as_labels("runs", runs, unique=False))


def events_of_volumes(labels: Sequence[str], tr: float) -> Events:
    """Return successive volumes of one label as one event."""
    changes = [i for i in range(len(labels)) if i == 0 or labels[i] != labels[i - 1]]
    lengths = np.diff([*changes, len(labels)])
    return Events(tuple(labels[i] for i in changes), np.array(changes) * tr, lengths * tr)


def _is_table(path: Path) -> bool:
    header = _lines(path)[0]
    return {"onset", "duration"} <= {cell.strip(' "') for cell in header.split(_separator(header))}


def _separator(header: str) -> str:
    # names of further columns may hold a comma
    return "\t" if "\t" in header else ","


def _lines(path: Path) -> list[str]:
    path = check_file(path)
    if path.stat().st_size > MAX_TEXT:
        msg = f"{path} is larger than {MAX_TEXT // 2**30} GiB; that is no table of events."
        raise ValueError(msg)
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        msg = f"{path} is not a text file ({error}); events are a BIDS .tsv or a text file of labels and runs."
        raise ValueError(msg) from error
    if not lines:
        msg = f"{path} holds nothing but blank lines."
        raise ValueError(msg)
    return lines


def _read_table(source: Any) -> Events:
    if hasattr(source, "columns"):
        return _as_events(source)
    if not isinstance(source, str | os.PathLike):
        msg = f"events must be files or pandas tables, one per run; got {shown(source)}."
        raise TypeError(msg)
    if not _is_table(Path(source)):
        msg = (
            f"{source} lacks the columns of BIDS events ({', '.join(_COLUMNS)}); an attributes file speaks of all "
            "volumes and is given alone."
        )
        raise ValueError(msg)
    with naming(source):
        sep = _separator(_lines(Path(source))[0])
        return _as_events(text_table(source, sep=sep, columns=_COLUMNS, as_text=True))


def _as_events(table: Any) -> Events:
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        msg = f"the table of events lacks the column(s) {join_names(missing)}; it has {join_names(table.columns, 8)}."
        raise ValueError(msg)
    _check_one_run(table)
    onsets, durations = (_as_seconds(name, table[name]) for name in ("onset", "duration"))
    if (durations < 0).any():
        msg = f"the duration of event {int(np.argmax(durations < 0)) + 1} is negative."
        raise ValueError(msg)
    types = table["trial_type"]
    labels = as_labels("trial_type", types.astype(object).where(types.notna(), MISSING), unique=False)
    rows = list(zip(labels, onsets.tolist(), durations.tolist(), strict=True))
    twice = next((row for row, count in Counter(rows).items() if count > 1), None)
    if twice is not None:
        msg = f"the event {twice[0]!r} at {twice[1]:g} s is listed twice; it would count double."
        raise ValueError(msg)
    order = np.argsort(onsets, kind="stable")
    return Events(tuple(labels[i] for i in order), onsets[order], durations[order])


def _check_one_run(table: Any) -> None:
    """Raise when a column says that the events are of several runs."""
    if "run" not in table.columns:
        return
    runs = [run for run in table["run"].dropna().astype(str).unique() if run not in ("", MISSING)]
    if len(runs) > 1:
        msg = (
            f"the table of events is of several runs (its column run says {join_names(runs)}); give one table per run "
            "in the order of the images, with onsets from the start of each, or an attributes file of all volumes."
        )
        raise ValueError(msg)


def _as_seconds(name: str, column: Iterable[Any]) -> FloatArray:
    """Return a column as finite numbers, naming the first event that has none (BIDS writes n/a)."""
    values = []
    for i, cell in enumerate(column):
        try:
            values.append(float(cell))
        except (TypeError, ValueError):
            values.append(np.nan)
        if not np.isfinite(values[-1]):
            msg = f"the {name} of event {i + 1} must be a number of seconds; it is {shown(cell)}: drop such events."
            raise ValueError(msg)
    return np.array(values, dtype=np.float64)
