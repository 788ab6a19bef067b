"""Trials of a participant's own study, as experiment software writes them, become triplets."""

from __future__ import annotations

import dataclasses
import json
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from alignkit._check import as_labels, check_choice, join_names, shown
from alignkit._io import check_file
from alignkit._typing import IntArray
from alignkit.rsa import Triplets

TimeUnit = Literal["s", "ms"]
SECONDS = {"s": 1.0, "ms": 1e-3}
#: Largest JSON file read; a study of a million answers has a tenth of it.
MAX_JSON = 2**28
#: Files of one study in a folder.
MAX_FILES = 100_000
_IMAGE = re.compile(r"""<img\b[^>]{0,2000}?\bsrc\s{0,9}=\s{0,9}["']([^"'>]{1,2000})["']""", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """One trial: three items by name, which of them was chosen (0-2; None: no answer), who, and seconds."""

    items: tuple[str, str, str]
    chosen: int | None
    participant: str
    seconds: float


def as_triplets(source: Path, trials: Sequence[Trial], labels: Iterable[Any]) -> Triplets:
    """Return trials as triplets numbered by ``labels``; those without an answer are left out with one warning."""
    names = as_labels("labels", labels)
    answered = [trial for trial in trials if trial.chosen is not None]
    if not answered:
        msg = f"{source} holds {len(trials):,} odd-one-out trials and no answer to any; check the names of its fields."
        raise ValueError(msg)
    if len(answered) < len(trials):
        msg = (
            f"{source}: {len(trials) - len(answered):,} of {len(trials):,} trials have no answer and are left out; "
            "check the export if they should have one."
        )
        warnings.warn(msg, stacklevel=3)
    position = np.array([trial.chosen for trial in answered], dtype=np.int64) + 1
    seconds = np.array([trial.seconds for trial in answered], dtype=np.float64)
    try:
        return Triplets.from_columns(
            _number(source, [trial.items for trial in answered], names),
            odd=position,
            base=0,
            labels=names,
            participant=np.array([trial.participant for trial in answered]),
            response_time=None if np.isnan(seconds).all() else seconds,
            position=position,
        )
    except (ValueError, TypeError) as error:
        if str(source) in str(error):
            raise
        msg = f"{source}: {error}"
        raise type(error)(msg) from error


def _number(source: Path, items: Sequence[tuple[str, str, str]], labels: tuple[str, ...]) -> IntArray:
    texts = as_labels(f"the items of {source}", [name for row in items for name in row], unique=False)
    number = {label: i for i, label in enumerate(labels)}
    if not any(text in number for text in texts):
        stems = {stem(label): i for i, label in enumerate(labels)}
        if len(stems) == len(labels):  # otherwise a file name would not tell two of them apart
            number, texts = stems, tuple(stem(text) for text in texts)
    unknown = list(dict.fromkeys(text for text in texts if text not in number))
    if unknown:
        msg = f"{source} shows items that labels does not name: {join_names(unknown)}; labels has {join_names(labels)}."
        raise ValueError(msg)
    return np.array([number[text] for text in texts], dtype=np.int64).reshape(-1, 3)


def stem(name: str) -> str:
    """Return the name of an image without its folder and ending."""
    return PurePosixPath(name.replace("\\", "/")).stem


def image_name(cell: object) -> str:
    """Return what an experiment showed as a name: the source of an HTML image, else the text itself."""
    text = "" if cell is None else str(cell).strip()
    if not text.startswith("<"):
        return text
    found = _IMAGE.search(text)
    return found.group(1) if found else text


def chosen_place(answer: object, options: Sequence[str]) -> int | None:
    """Return which of three options an answer names (whole numbers match their text), or None where none is."""
    if answer is None or answer == "" or (isinstance(answer, str) and answer.lower() in ("null", "nan", "none")):
        return None
    if isinstance(answer, float):
        if answer != answer:
            return None
        answer = int(answer) if answer.is_integer() else answer
    text = str(answer).strip()
    if text in options:
        return options.index(text)
    msg = f"the answer {shown(answer)} is none of {join_names(options)}"
    raise ValueError(msg)


def as_seconds(value: object, unit: TimeUnit) -> float:
    """Return a response time in seconds; NaN where there is none."""
    if value is None or isinstance(value, bool) or value in ("", "null", "NaN", "nan"):
        return float("nan")
    try:
        return float(str(value)) * SECONDS[unit]
    except ValueError as error:
        msg = f"the response time {shown(value)} is no number"
        raise ValueError(msg) from error


def check_unit(unit: object) -> None:
    """Raise unless the unit of response times is known."""
    check_choice("time_unit", unit, tuple(SECONDS))


def study_files(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the file, or every file of a folder with these endings, sorted by name."""
    if not path.is_dir():
        return [check_file(path)]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes and file.is_file())
    if not files:
        msg = f"{path} holds no {' or '.join(suffixes)} file."
        raise FileNotFoundError(msg)
    if len(files) > MAX_FILES:
        msg = f"{path} holds {len(files):,} files, more than the {MAX_FILES:,} that a study may have."
        raise ValueError(msg)
    return files


def read_json_texts(path: Path) -> list[Any]:
    """Return every JSON value of a file: one, or several one after another, as experiment servers join them."""
    size = path.stat().st_size
    if size > MAX_JSON:
        msg = f"{path} has {size / 2**20:,.0f} MiB, more than the {MAX_JSON // 2**20} MiB allowed; split it by person."
        raise ValueError(msg)
    decoder = json.JSONDecoder()
    values: list[Any] = []
    try:
        text = path.read_text(encoding="utf-8-sig")
        at = _skip_blank(text, 0)
        while at < len(text):
            value, end = decoder.raw_decode(text, at)
            values.append(value)
            at = _skip_blank(text, end)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{path} is not valid JSON ({error}); it may be truncated."
        raise ValueError(msg) from error
    return values


_BLANK = re.compile(r"\s*")


def _skip_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
