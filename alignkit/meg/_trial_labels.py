"""What each trial shows and which fold it is in: from metadata, from sequences, or from the names of events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._check import as_labels, counted, join_names, require, shown
from alignkit._natural import natural
from alignkit._typing import IntArray
from alignkit.meg._recordings import Recording
from alignkit.meg._trials import Design

#: ``folds=`` that makes a fold of each session, where no column has that name.
BY_FILE = "file"


def design_of(recordings: Sequence[Recording], by: Any, folds: Any, chosen: IntArray) -> Design:
    """Return the design of the ``chosen`` trials (positions among those of all sessions).

    Conditions and folds are in natural order: numbers by their size, text with the numbers in it by their size.

    Raises
    ------
    ValueError
        A column that is not there or has missing values for chosen trials, or a wrong number of labels.
    TypeError
        ``by`` or ``folds`` that is neither the name of a column nor a sequence.
    """
    condition, labels = _coded(_event_names(recordings) if by is None else _values("by", by, recordings), "by", chosen)
    if folds is None:
        return Design(condition, labels)
    has_column = any(_has_column(recording, BY_FILE) for recording in recordings)
    if isinstance(folds, str) and folds == BY_FILE and not has_column:
        values: Sequence[Any] = [i + 1 for i, recording in enumerate(recordings) for _ in range(recording.n_trials)]
    else:
        values = _values("folds", folds, recordings)
    fold, names = _coded(values, "folds", chosen)
    return Design(condition, labels, fold, names)


def choose(recordings: Sequence[Recording], query: Any) -> IntArray:
    """Return the positions, among the trials of all sessions, of those that ``query`` keeps."""
    n_trials = sum(recording.n_trials for recording in recordings)
    if query is None:
        return np.arange(n_trials)
    if not isinstance(query, str):
        msg = f"query must be a text such as \"trial_type == 'exp'\"; got {shown(query)}."
        raise TypeError(msg)
    kept, first = [], 0
    for recording in recordings:
        kept.append(first + _chosen_of(recording, query))
        first += recording.n_trials
    chosen = np.concatenate(kept)
    if len(chosen) == 0:
        msg = f"query={shown(query)} keeps none of the {counted(n_trials, 'trial')}."
        raise ValueError(msg)
    return chosen


def _chosen_of(recording: Recording, query: str) -> IntArray:
    names = recording.names
    if names is not None and recording.info is not None:
        # mne's own order: names of events, or tags in them, come before the table
        match = require("mne", "meg").event.match_event_names
        found = match(list(dict.fromkeys(names)), [query], on_missing="ignore")
        if found:
            return np.flatnonzero(np.isin(names, found))
    if recording.metadata is None:
        msg = f"query={shown(query)} looks into metadata, and {recording.source} has none."
        raise ValueError(msg)
    import pandas as pd

    try:
        answers = recording.metadata.reset_index(drop=True).eval(query, engine="python")
        if not isinstance(answers, pd.DataFrame):  # which an assignment gives
            answers = pd.Series(answers).infer_objects()
    except Exception as error:  # pandas evaluates what the user wrote: anything may be raised
        reason = " ".join(str(error).split()).rstrip(".")[:160]
        msg = f"query={shown(query)} cannot be evaluated on the metadata ({reason})."
        raise ValueError(msg) from error
    # DataFrame.query would take numbers for labels of rows, and a row twice
    if isinstance(answers, pd.DataFrame):
        msg = f"query={shown(query)} must be a condition, and = assigns: write ==, as in \"trial_type == 'exp'\"."
        raise ValueError(msg)
    if answers.dtype not in (bool, "boolean") or len(answers) != recording.n_trials:
        msg = f"query={shown(query)} must say yes or no to each trial, as \"trial_type == 'exp'\" does."
        raise ValueError(msg)
    return np.flatnonzero(answers.fillna(value=False).to_numpy(dtype=bool))


def _event_names(recordings: Sequence[Recording]) -> list[str]:
    names: list[str] = []
    for recording in recordings:
        if recording.names is None:
            msg = "by is needed with an array: one label per trial says what it shows."
            raise ValueError(msg)
        if "" in recording.names:
            msg = (
                f"Evoked {recording.names.index('')} has no comment to name its condition; set evoked.comment, "
                "or pass by= with one label per Evoked."
            )
            raise ValueError(msg)
        names += recording.names
    return names


def _has_column(recording: Recording, name: str) -> bool:
    return recording.metadata is not None and name in recording.metadata.columns


def _values(name: str, given: Any, recordings: Sequence[Recording]) -> Sequence[Any]:
    """Return one value per trial of all sessions, from a column of their metadata or from a sequence."""
    n_trials = sum(recording.n_trials for recording in recordings)
    if not isinstance(given, str):
        return as_labels(name, given if not hasattr(given, "tolist") else _listed(given), n_trials, unique=False)
    values: list[Any] = []
    for recording in recordings:
        if not _has_column(recording, given):
            has = "no metadata" if recording.metadata is None else f"only {join_names(recording.metadata.columns, 12)}"
            msg = f"{name}={given!r} must be a column of the metadata; {recording.source} has {has}."
            raise ValueError(msg)
        values += _listed(recording.metadata[given])
    return values


def _listed(column: Any) -> list[Any]:
    """Return values with whole numbers as such: a column with a gap, or from a CSV file, holds 3.0 for 3."""
    return [int(v) if isinstance(v, float) and math.isfinite(v) and v == int(v) else v for v in column.tolist()]


def _coded(values: Sequence[Any], name: str, chosen: IntArray) -> tuple[IntArray, tuple[str, ...]]:
    """Return the code of each chosen trial and the labels in natural order."""
    kept = [values[i] for i in chosen]
    missing = [i for i, value in enumerate(kept) if _is_missing(value)]
    if missing:
        msg = (
            f"{name} is missing (NaN or empty) for {len(missing):,} of {counted(len(kept), 'trial')}, the first at "
            f"position {int(chosen[missing[0]])}; leave such trials out, for example with query=."
        )
        raise ValueError(msg)
    texts = as_labels(name, kept, unique=False)
    labels = in_natural_order(set(texts))
    code = {label: i for i, label in enumerate(labels)}
    return np.array([code[text] for text in texts], dtype=np.int64), labels


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return (isinstance(value, float) and math.isnan(value)) or (isinstance(value, str) and not value.strip())


def in_natural_order(labels: set[str]) -> tuple[str, ...]:
    """Return labels sorted by their size where all are numbers, else as text with the numbers in it by their size."""
    try:
        numbers = {label: float(label) for label in labels}
        are_numbers = all(map(math.isfinite, numbers.values()))  # "nan" has no place among them: it is a word
    except ValueError:
        are_numbers = False
    if not are_numbers:
        return tuple(sorted(labels, key=lambda label: (natural(label.casefold()), label)))
    return tuple(sorted(labels, key=lambda label: (numbers[label], label)))
