"""What mne's objects, arrays and files have in common: trials of one session, opened and not yet read."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from alignkit._check import as_array, as_float_array, as_floats, as_labels, counted, join_names
from alignkit._typing import FloatArray, IntArray
from alignkit.meg._caller import caller_level
from alignkit.meg._epochs_files import is_path, open_files
from alignkit.meg._fif_blocks import fif_source
from alignkit.meg._sources import ArraySource, MneSource, Source, check_real

_TAKEN = (
    "mne epochs, a list of mne Evoked, an array (trials, channels, times) with times=, or the path of an -epo.fif file"
)
#: Seconds between samples from which on times are rather milliseconds: nobody samples neurons below 2 Hz.
_SLOW = 0.5


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One session: what its trials are, and how they are opened once the channels are chosen.

    ``names`` are the names of the trials' events, or the comments of Evoked; ``metadata`` the table of the trials, a
    pandas DataFrame; ``info`` mne's. Each is None where there is none. ``averages`` says that each trial is one.
    """

    source: str
    times: FloatArray
    channels: tuple[str, ...]
    types: tuple[str, ...]
    n_trials: int
    open: Callable[[IntArray], Source]
    names: tuple[str, ...] | None = None
    metadata: Any = None
    info: Any = None
    averages: bool = False


def recordings_of(data: Any, *, times: Any, ch_types: Any, level: str) -> list[Recording]:
    """Return the sessions of one participant: several where ``data`` is a list of epochs or of files of epochs.

    Raises
    ------
    TypeError
        Data of no kind that is known, or of several kinds.
    ValueError
        No trials, or ``times`` or ``ch_types`` beside data that brings its own.
    """
    parts = list(data) if isinstance(data, list | tuple) and _is_listed(data) else [data]
    if any(is_path(part) for part in parts):
        if not all(is_path(part) for part in parts):
            msg = "data must be paths or mne objects, not both in one list; open the files with mne first."
            raise TypeError(msg)
        parts = open_files(parts, level=level)
    kinds = {_kind(part) for part in parts}
    if kinds == {"array"} and len(parts) == 1:
        return [_of_array(parts[0], times, ch_types)]
    if len(kinds) > 1 or not kinds <= {"epochs", "evoked"}:
        msg = f"data must be {_TAKEN}; got {_described(data)}."
        raise TypeError(msg)
    for name, value in (("times", times), ("ch_types", ch_types)):
        if value is not None:
            msg = f"{name} belongs to arrays: mne's objects bring their own."
            raise ValueError(msg)
    if len({id(part) for part in parts}) < len(parts):
        msg = "data holds the same object twice; its trials would count twice."
        raise ValueError(msg)
    return [_of_evoked(parts)] if kinds == {"evoked"} else [_of_epochs(part) for part in parts]


def _is_listed(data: Sequence[Any]) -> bool:
    return any(is_path(part) or _kind(part) != "array" for part in data)


def _kind(data: object) -> str:
    """Return which of mne's objects something is, without importing mne."""
    names = {base.__name__ for base in type(data).__mro__ if base.__module__.partition(".")[0] == "mne"}
    if "BaseEpochs" in names:
        return "epochs"
    if "Evoked" in names:
        return "evoked"
    return "other" if names or data is None or isinstance(data, dict) else "array"


def _described(data: object) -> str:
    if isinstance(data, list | tuple):
        return f"{counted(len(data), 'element')} ({', '.join(sorted({type(part).__name__ for part in data}))})"
    return f"{type(data).__name__} object"


def _of_array(data: Any, times: Any, ch_types: Any) -> Recording:
    values = as_floats("data", data if isinstance(data, np.ndarray) else as_array("data", data))
    if values.ndim != 3 or 0 in values.shape:
        msg = f"data must have the axes (trials, channels, times), none of them empty; got shape {values.shape}."
        raise ValueError(msg)
    n_trials, n_channels, n_times = values.shape
    types = (ch_types,) * n_channels if isinstance(ch_types, str) else ch_types
    return Recording(
        source="array",
        times=_check_times(times, n_times),
        channels=tuple(str(i) for i in range(n_channels)),
        types=("misc",) * n_channels if types is None else as_labels("ch_types", types, n_channels, unique=False),
        n_trials=n_trials,
        open=lambda channels: ArraySource(values, channels),
    )


def _check_times(times: Any, n_times: int) -> FloatArray:
    if times is None:
        msg = "times are needed with an array: the time of each sample in seconds."
        raise ValueError(msg)
    values = as_float_array("times", times, ndim=1)
    if len(values) != n_times:
        msg = f"times must hold one number per sample: expected {n_times}, got {len(values)}."
        raise ValueError(msg)
    if not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        msg = "times must be finite and increase from sample to sample."
        raise ValueError(msg)
    step = np.median(np.diff(values)) if len(values) > 1 else 0.0
    if step >= _SLOW:
        warnings.warn(
            f"times= are taken as seconds: {values[0]:g} to {values[-1]:g} s, {step:g} s from one sample "
            "to the next; divide milliseconds by 1000.",
            RuntimeWarning,
            stacklevel=caller_level(),
        )
    return values.copy()


def _of_evoked(evokeds: Sequence[Any]) -> Recording:
    first = evokeds[0]
    for i, evoked in enumerate(evokeds):
        if evoked.kind != "average":
            msg = f"Evoked {i} ({evoked.comment!r}) is a {evoked.kind.replace('_', ' ')}; leave it out of the list."
            raise ValueError(msg)
        check_real(evoked.data)
    _check_alike([(f"Evoked {i}", evoked.ch_names, evoked.times) for i, evoked in enumerate(evokeds)])
    info = first.info.copy()
    info["bads"] = _bads(evokeds)
    order = [[evoked.ch_names.index(name) for name in first.ch_names] for evoked in evokeds]
    data = np.stack([evoked.data[rows] for evoked, rows in zip(evokeds, order, strict=True)])
    return Recording(
        source=_names_of_files(evokeds) or "Evoked",
        times=np.array(first.times, dtype=np.float64),
        channels=tuple(first.ch_names),
        types=_types(first),
        n_trials=len(evokeds),
        open=lambda channels: ArraySource(data, channels),
        names=tuple("" if evoked.comment is None else str(evoked.comment).strip() for evoked in evokeds),
        info=info,
        averages=True,
    )


def _types(instance: Any) -> tuple[str, ...]:
    return tuple(instance.get_channel_types())


def _of_epochs(epochs: Any) -> Recording:
    own = epochs if epochs.preload else _opened(epochs)
    n_trials = len(own.events)
    if n_trials == 0:
        msg = f"{own.filename or 'data'} holds no epochs: all were dropped (epochs.drop_log says why)."
        raise ValueError(msg)
    names = {code: name for name, code in own.event_id.items()}
    return Recording(
        source=_names_of_files([own]) or type(own).__name__,
        times=np.array(own.times, dtype=np.float64),
        channels=tuple(own.ch_names),
        types=_types(own),
        n_trials=n_trials,
        open=lambda channels: _source_of(own, channels),
        names=tuple(str(names.get(code, code)) for code in own.events[:, 2].tolist()),
        metadata=own.metadata,
        info=own.info,
    )


def _opened(epochs: Any) -> Any:
    """Return a copy of epochs on disk with what mne rejects left out: to do so changes the object."""
    own = epochs.copy()
    own.drop_bad(verbose="error")
    return own


def _source_of(epochs: Any, channels: IntArray) -> Source:
    if not epochs.preload:
        return fif_source(epochs, channels) or MneSource(epochs, channels)
    return ArraySource(check_real(epochs.get_data(copy=False, verbose="error")), channels)


def _bads(instances: Iterable[Any]) -> list[str]:
    return sorted({name for instance in instances for name in instance.info["bads"]})


def _names_of_files(instances: Iterable[Any]) -> str:
    paths = dict.fromkeys(str(instance.filename) for instance in instances if instance.filename is not None)
    return ", ".join(path.replace("\\", "/").rpartition("/")[2] for path in paths)


def _check_alike(described: Sequence[tuple[str, Sequence[str], Any]]) -> None:
    """Raise unless all have the channels and the times of the first."""
    first, channels, times = described[0]
    for name, others, theirs in described[1:]:
        if set(others) != set(channels):
            only = sorted(set(channels) ^ set(others))
            msg = f"{name} and {first} must have the same channels; they differ in {join_names(only)}."
            raise ValueError(msg)
        if len(theirs) != len(times) or not np.allclose(theirs, times, rtol=0, atol=1e-6):
            msg = (
                f"{name} and {first} must have the same times; got {theirs[0]:g} to {theirs[-1]:g} s "
                f"({len(theirs)} samples) and {times[0]:g} to {times[-1]:g} s ({len(times)})."
            )
            raise ValueError(msg)


def check_sessions(recordings: Sequence[Recording]) -> None:
    """Raise unless all sessions have the same channels (in whatever order) and times."""
    _check_alike([(f"session {i + 1} ({r.source})", r.channels, r.times) for i, r in enumerate(recordings)])
