"""Levels: odd-one-out answers of 473 people to ImageNet triplets at three levels of abstraction."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import check_choice, shown
from alignkit._io import MAX_BYTES, check_file, load_npz, save_npz
from alignkit._plain_pickle import read_plain_pickle
from alignkit._typing import AnyArray, IntArray, PathLike
from alignkit.data._registry import dataset, dataset_path, missing_sentence
from alignkit.rsa import Triplets

Level = Literal["global", "local", "class border"]
TimeUnit = Literal["auto", "s", "ms"]
#: Published name of a kind of triplet -> level.
_LEVEL_OF = {"between_class": "global", "within_class": "local", "class_border": "class border"}
_LEVELS: tuple[str, ...] = get_args(Level)
_SHOWN = ("image1Path", "image2Path", "image3Path")
#: Under which names the published files and their like may keep response times.
_TIMES = ("rt", "RT", "response_time", "reaction_time", "responseTime", "reactionTime", "rt_ms", "RTs")
#: Instructions of the pickle: 473 people with some hundred trials of a dozen fields each are a tenth of it.
_MOST = 50_000_000
#: Nobody takes longer on a median trial: larger numbers are milliseconds.
_SECONDS = 60.0
#: The published file, and alignkit's own form of it.
FILES = ("levels.npz", "pruned_dataset.pkl")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Levels:
    """Answers at three levels of abstraction.

    Parameters
    ----------
    triplets : Triplets
        Every answer: images by name without ending (``n01440764_10026``), who answered, and seconds where known.
    level : ndarray of str, shape (n,)
        Level of each answer: ``"global"`` (three classes), ``"local"`` (one class) or ``"class border"`` (two images of
        one class and one of another).
    n_left_out : int
        Trials that were no part of the experiment (practice, catch trials), or without an answer.
    """

    triplets: Triplets
    level: AnyArray
    n_left_out: int = 0

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {int((self.level == name).sum()):,}" for name in self.levels)
        people = len(np.unique(self.triplets.participant)) if self.triplets.participant is not None else 0
        return f"<Levels {len(self.level):,} answers ({parts}) of {people:,} people, {self.triplets.n_items:,} images>"

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels that there are answers at."""
        held = set(self.level.tolist())
        return tuple(name for name in _LEVELS if name in held)

    def of(self, level: Level, /) -> Triplets:
        """Return the answers at one level, with the images numbered as in all.

        Raises
        ------
        ValueError
            An unknown level, or one without answers.
        """
        check_choice("level", level, self.levels)
        return self.triplets.take(self.level == level)

    def save(self, path: PathLike) -> None:
        """Write everything to one ``.npz`` without pickle, which :func:`read_levels` reads.

        Raises
        ------
        ValueError
            A name that does not end in ``.npz``.
        """
        target = Path(path)
        if target.suffix.lower() != ".npz":
            msg = f"{target} must end in .npz."
            raise ValueError(msg)
        triplets = self.triplets
        arrays: dict[str, AnyArray] = {
            "items": triplets.items,
            "labels": np.array(triplets.labels or (), dtype=np.str_),
            "level": np.array([_LEVELS.index(name) for name in self.level], dtype=np.int8),
        }
        optional = ("participant", "response_time", "position")
        arrays |= {name: value for name in optional if (value := getattr(triplets, name)) is not None}
        save_npz(target, arrays, {"kind": "Levels", "levels": list(_LEVELS), "n_left_out": self.n_left_out})


def load_levels(root: PathLike | None = None, /) -> Levels:
    """Read the Levels data set from the folder of data sets.

    Parameters
    ----------
    root : path, optional
        Folder that holds ``levels/``; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.

    Returns
    -------
    Levels

    Raises
    ------
    FileNotFoundError
        Neither ``levels.npz`` nor ``pruned_dataset.pkl`` is there; the sentence says how to get it.
    ValueError
        A damaged file, or one that asks for more than plain values.

    References
    ----------
    Muttenthaler et al. (2024), https://doi.org/10.48550/arXiv.2409.06509

    Examples
    --------
    >>> load_levels()  # doctest: +SKIP
    <Levels 64,000 answers (global 21,000, local 21,500, class border 21,500) of 473 people, 12,000 images>
    """
    paths = [dataset_path("levels", file, root=root) for file in FILES]
    for path in paths:
        if path.exists():
            return read_levels(path)
    raise FileNotFoundError(missing_sentence(dataset("levels"), FILES[1], paths[1]))


def read_levels(path: PathLike, /, *, time_unit: TimeUnit = "auto") -> Levels:
    """Read Levels as published, or as :meth:`Levels.save` wrote it.

    The published file is a pickle: its plain values (dicts, lists, texts, numbers) are read without running anything
    in it, and whatever else it asks for is refused. It maps each person to a list of trials with the three images
    shown, the one selected as the odd one out, and the kind of triplet; trials that are not marked as experimental
    are left out. Reading takes some seconds; save the result once and read that.

    Parameters
    ----------
    path : path
        ``pruned_dataset.pkl``, or an ``.npz``.
    time_unit : {"auto", "s", "ms"}
        Unit of the response times in a pickle. Where it is not said, a median above 60 means milliseconds.

    Returns
    -------
    Levels

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A damaged file, another layout, or a pickle that asks for more than plain values.

    References
    ----------
    Muttenthaler et al. (2024), https://doi.org/10.48550/arXiv.2409.06509

    Examples
    --------
    >>> import pathlib, pickle, tempfile
    >>> trial = {"image1Path": "n1_1.JPEG", "image2Path": "n1_2.JPEG", "image3Path": "n2_1.JPEG"}
    >>> trial |= {"selected_image": "n2_1.JPEG", "triplet_type": "class_border", "exp_trial_type": "exp_trial"}
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pruned_dataset.pkl"
    >>> _ = path.write_bytes(pickle.dumps({"person1": [trial]}))
    >>> levels = read_levels(path)
    >>> levels.of("class border").items.tolist(), levels.triplets.labels
    ([[0, 1, 2]], ('n1_1', 'n1_2', 'n2_1'))
    """
    check_choice("time_unit", time_unit, get_args(TimeUnit))
    file = check_file(path)
    if file.suffix.lower() == ".npz":
        return _from_npz(file)
    if file.stat().st_size > MAX_BYTES:
        msg = f"{file} is larger than the {MAX_BYTES / 2**30:g} GiB allowed."
        raise ValueError(msg)
    with open(file, "rb") as opened:
        try:
            content = read_plain_pickle(opened, most=_MOST)
        except ValueError as error:
            msg = f"{file} cannot be read as a pickle of plain values: {error}; it is another file than the published."
            raise ValueError(msg) from error
    return _from_people(file, content, time_unit)


def _from_npz(path: Path) -> Levels:
    arrays, meta = load_npz(path)
    try:
        names = meta["levels"]
        level = np.array([names[k] for k in arrays["level"]], dtype=np.str_)
        columns = {name: arrays[name] for name in ("participant", "response_time", "position") if name in arrays}
        triplets = Triplets(arrays["items"], arrays["labels"], **columns)
        found = Levels(triplets, _frozen(level), int(meta.get("n_left_out", 0)))
    except (KeyError, IndexError, TypeError) as error:
        msg = f"{path} does not hold answers at levels, as Levels.save writes them ({error})."
        raise ValueError(msg) from error
    except ValueError as error:
        msg = f"{path} does not hold answers at levels: {error}"
        raise ValueError(msg) from error
    if set(level.tolist()) - set(_LEVELS) or len(level) != len(triplets):
        msg = f"{path} does not hold a level, one of {', '.join(map(repr, _LEVELS))}, for each of its answers."
        raise ValueError(msg)
    return found


@dataclasses.dataclass(slots=True)
class _Columns:
    """What the trials say, column by column."""

    images: list[list[str]] = dataclasses.field(default_factory=list)
    odd: list[int] = dataclasses.field(default_factory=list)
    level: list[str] = dataclasses.field(default_factory=list)
    person: list[str] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)


def _from_people(path: Path, content: Any, time_unit: TimeUnit) -> Levels:
    columns, left_out = _Columns(), 0
    for person, trial in _trials(path, content):
        if trial.get("exp_trial_type", "exp_trial") != "exp_trial":
            left_out += 1
            continue
        images = [_stem(path, person, trial, field) for field in _SHOWN]
        chosen = trial.get("selected_image")
        if chosen is None or len(set(images)) < 3:
            left_out += 1
            continue
        odd = _stem(path, person, trial, "selected_image")
        kind = str(trial.get("triplet_type"))
        if odd not in images or kind not in _LEVEL_OF:
            wrong = f"selects {odd!r}, which it does not show" if odd not in images else f"is of the kind {shown(kind)}"
            msg = f"{path}: a trial of {person!r} {wrong}; it is damaged or another file."
            raise ValueError(msg)
        columns.images.append(images)
        columns.odd.append(images.index(odd) + 1)
        columns.level.append(_LEVEL_OF[kind])
        columns.person.append(person)
        columns.seconds.append(_time(trial))
    if not columns.odd:
        msg = f"{path} holds no answered trial of the experiment ({left_out:,} other trials); it is another file."
        raise ValueError(msg)
    return _assembled(columns, left_out, time_unit)


def _trials(path: Path, content: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give (person, trial) of the published layout."""
    people = content.items() if isinstance(content, dict) else ()
    if not people or not all(isinstance(trials, list | tuple) for _, trials in people):
        msg = f"{path} must map each person to a list of trials, as published; it holds {shown(content, 60)}."
        raise ValueError(msg)
    for person, trials in people:
        for trial in trials:
            if not isinstance(trial, dict):
                msg = f"{path}: a trial of {shown(person)} is no mapping of fields; it is damaged or another file."
                raise ValueError(msg)
            yield str(person), trial


def _stem(path: Path, person: str, trial: Mapping[str, Any], field: str) -> str:
    """Return an image's name without folder and ending."""
    name = trial.get(field)
    if not isinstance(name, str) or not name:
        msg = f"{path}: a trial of {person!r} lacks {field}; it is damaged or another file."
        raise ValueError(msg)
    return re.sub(r"\.(jpe?g|png)$", "", PurePosixPath(name.replace("\\", "/")).name, flags=re.IGNORECASE)


def _time(trial: Mapping[str, Any]) -> float:
    value = next((trial[name] for name in _TIMES if name in trial), None)
    try:
        return float("nan") if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return float("nan")


def _assembled(columns: _Columns, left_out: int, time_unit: TimeUnit) -> Levels:
    labels = sorted({name for images in columns.images for name in images})
    number = {name: i for i, name in enumerate(labels)}
    shown_items: IntArray = np.array([[number[name] for name in images] for images in columns.images])
    odd = np.array(columns.odd)
    triplets = Triplets.from_columns(
        shown_items,
        odd=odd,
        base=0,
        labels=labels,
        participant=np.array(columns.person),
        response_time=_seconds(columns.seconds, time_unit),
        position=odd,
    )
    return Levels(triplets, _frozen(np.array(columns.level, dtype=np.str_)), left_out)


def _seconds(values: Sequence[float], unit: TimeUnit) -> AnyArray | None:
    """Return response times in seconds, None where none is known; what is not above 0 is no response time."""
    times = np.array(values)
    times[~(times > 0)] = np.nan
    known = times[np.isfinite(times)]
    if not known.size:
        return None
    milliseconds = unit == "ms" or (unit == "auto" and float(np.median(known)) > _SECONDS)
    return times / 1000 if milliseconds else times


def _frozen(array: AnyArray) -> AnyArray:
    array.flags.writeable = False
    return array
