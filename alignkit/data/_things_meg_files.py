"""Simulated recordings as MNE's epochs, and in the shape of THINGS-MEG's files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alignkit._check import require
from alignkit._io import atomic_write
from alignkit._typing import IntArray
from alignkit.data._epochs_fif import EpochsHeader, write_epochs_fif
from alignkit.data._simulate_meg_recorder import CATCH, Patterns
from alignkit.data._simulate_streams import Stream, stream

if TYPE_CHECKING:
    import mne
    import pandas as pd

    from alignkit.data._simulate_meg import SimulatedMEG

_CATCH_CODE = 999_999
_N_RUNS = 10  # per session
_BETWEEN_S = 1.5  # from one picture to the next
_SHOWN_S = 0.5


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Schedule:
    """What each trial shows, trials in the order of the recording.

    ``kind`` is exp, test or catch; ``shown`` the object or ``CATCH``; ``exemplar`` which picture of it, from 1.
    """

    kind: npt.NDArray[np.str_]
    session: IntArray
    shown: IntArray
    exemplar: IntArray
    run: IntArray

    @property
    def codes(self) -> IntArray:
        """Event codes: image numbers, counted over the exemplars of each object, test images last."""
        codes: IntArray = np.where(self.shown == CATCH, _CATCH_CODE, self.shown * self.exemplar.max() + self.exemplar)
        return codes


def _schedule(meg: SimulatedMEG, n_test: int, n_catch: int) -> _Schedule:
    """Return the recording's trials with test and catch trials strewn among them."""
    rng = stream(meg._recorder.seed, Stream.MEG_FILES)
    n, n_shown = len(meg.labels), int(meg.repetition[-1]) + 1
    if n_test > n:
        msg = f"n_test must be at most {n}, the number of objects; got {n_test}."
        raise ValueError(msg)
    exemplars = np.argsort(rng.random((n, n_shown)), axis=1) + 1  # of each object, which showing is which picture
    test = np.sort(rng.permutation(n)[:n_test])
    more = np.concatenate([test, np.full(n_catch, CATCH)])
    kinds, sessions, shown, exemplar, run = [], [], [], [], []
    for session in range(meg.n_sessions):
        rows = np.flatnonzero(meg.session == session)
        total = len(rows) + len(more)
        place = rng.permutation(total)
        slots = np.concatenate([np.sort(place[: len(rows)]), place[len(rows) :]])
        order = np.argsort(slots)
        names = np.repeat(["exp", "test", "catch"], [len(rows), n_test, n_catch])
        seen = exemplars[meg.condition[rows], meg.repetition[rows]]
        kinds.append(names[order])
        shown.append(np.concatenate([meg.condition[rows], more])[order])
        exemplar.append(np.concatenate([seen, np.full(len(more), n_shown + 1)])[order])
        sessions.append(np.full(total, session))
        run.append(np.arange(total) * _N_RUNS // total + 1)
    return _Schedule(*(np.concatenate(parts) for parts in (kinds, sessions, shown, exemplar, run)))


def _metadata(meg: SimulatedMEG, schedule: _Schedule) -> pd.DataFrame:
    import pandas as pd

    kind, shown, exemplar = schedule.kind, schedule.shown, schedule.exemplar
    caught, tested = kind == "catch", kind == "test"
    test_number = np.searchsorted(np.unique(shown[tested]), shown) + 1
    starts = np.flatnonzero(np.diff(schedule.run, prepend=0))  # of runs
    in_run = np.arange(len(kind)) - np.repeat(starts, np.diff(starts, append=len(kind)))
    on = _BETWEEN_S * (in_run + 1)
    return pd.DataFrame(
        {
            "trial_type": kind,
            "session_nr": schedule.session + 1,
            "run_nr": schedule.run,
            "things_category_nr": _or_missing(shown + 1, ~caught),
            "things_exemplar_nr": _or_missing(exemplar, ~caught),
            "things_image_nr": _or_missing(schedule.codes, ~caught),
            "test_image_nr": _or_missing(test_number, tested),
            "image_nr": schedule.codes,
            "image_path": [_path(meg, *row) for row in zip(kind, shown, exemplar, strict=True)],
            "image_on": on,
            "image_off": on + _SHOWN_S,
        }
    )


def _or_missing(numbers: IntArray, there: npt.NDArray[np.bool_]) -> Any:
    return numbers if there.all() else np.where(there, numbers, np.nan)


def _path(meg: SimulatedMEG, kind: str, shown: int, exemplar: int) -> str:
    if kind == "catch":
        return "images_catch_meg/catch.jpg"
    folder, mark = ("images_meg", "b") if kind == "exp" else ("images_test_meg", "s")
    name = meg.labels[shown]
    return f"{folder}/{name}/{name}_{exemplar:02d}{mark}.jpg"


def _info(meg: SimulatedMEG) -> mne.Info:
    """Return MNE's description of the sensors: point magnetometers, of which it knows no layout but ours."""
    mne = require("mne", "meg")
    coil = require("mne.io.constants", "meg").FIFF.FIFFV_COIL_POINT_MAGNETOMETER
    info = mne.create_info(list(meg.channels), meg.sfreq, "mag", verbose="error")
    info["dev_head_t"] = mne.Transform("meg", "head")  # positions are in head coordinates already
    for ch, position in zip(info["chs"], meg.positions, strict=True):
        outward = position / np.linalg.norm(position)
        across = np.cross([0.0, 1.0, 0.0] if abs(outward[1]) < 0.9 else [1.0, 0.0, 0.0], outward)
        across /= np.linalg.norm(across)
        ch["loc"] = np.concatenate([position, across, np.cross(outward, across), outward])
        ch["coil_type"] = coil
    return info


def _events(meg: SimulatedMEG, codes: IntArray) -> IntArray:
    """Return MNE's events; sample numbers are unique, which it needs to find epochs on disk."""
    step = int(np.ceil(max(_BETWEEN_S * meg.sfreq, len(meg.times))))
    return np.stack([step * np.arange(1, len(codes) + 1), np.zeros_like(codes), codes], axis=1)


def as_epochs(meg: SimulatedMEG, data: Patterns) -> mne.EpochsArray:
    """Return one person's trials as MNE's epochs, with sensor positions, events and metadata."""
    mne = require("mne", "meg")
    schedule = _schedule(meg, 0, 0)
    metadata = _metadata(meg, schedule)
    metadata.insert(0, "object", [meg.labels[i] for i in schedule.shown])
    events = _events(meg, schedule.codes)
    return mne.EpochsArray(
        data.astype(np.float64), _info(meg), events, tmin=meg.times[0], metadata=metadata, verbose="error"
    )


def write_things_meg(
    meg: SimulatedMEG,
    folder: Path,
    *,
    subject: int,
    participant: int,
    n_test: int,
    n_catch: int,
    split_size: int,
    progress: bool,
) -> Path:
    """Write ``preprocessed_P{participant}-epo.fif``, its parts and ``sample_attributes_P{participant}.csv``."""
    schedule = _schedule(meg, n_test, n_catch)
    metadata = _metadata(meg, schedule)
    info = _info(meg)
    for number, ch in enumerate(info["chs"]):  # powers of 2: no value is rounded on its way
        ch["cal"] = 2.0 ** -(38 + number % 4)
    first = round(meg.times[0] * meg.sfreq)
    header = EpochsHeader(info, _events(meg, schedule.codes), metadata, first, len(meg.times))
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file; give a folder."
        raise NotADirectoryError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"preprocessed_P{participant}-epo.fif"
    paths = write_epochs_fif(path, header, _blocks(meg, subject, schedule, progress), split_size=split_size)
    with atomic_write(folder / f"sample_attributes_P{participant}.csv", "w") as file:
        metadata.to_csv(file, index=False)
    return paths[0]


def _blocks(meg: SimulatedMEG, subject: int, schedule: _Schedule, progress: bool) -> Iterator[Patterns]:
    from tqdm import tqdm

    with tqdm(total=len(schedule.kind), desc="trials", disable=not progress) as bar:
        for session in range(meg.n_sessions):
            for block in meg._recorder.blocks(subject, session, schedule.shown[schedule.session == session]):
                yield block
                bar.update(len(block))
