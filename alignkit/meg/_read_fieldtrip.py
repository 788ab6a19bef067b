"""FieldTrip's trials and averages from MATLAB files, by mne's readers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_labels, counted, join_names, require
from alignkit._typing import AnyArray, FloatArray
from alignkit.meg._read_matlab import damaged, read_matlab

if TYPE_CHECKING:
    import mne


def read_fieldtrip(path: Path, variable: str | None) -> mne.EpochsArray | mne.EvokedArray:
    """Read a FieldTrip structure of trials, or of an average.

    The columns of ``trialinfo`` become ``trialinfo_1``, ``trialinfo_2`` ... of the metadata; where the first holds
    whole numbers they are the events' codes. The comment of an average is the name of its file.

    Raises
    ------
    ValueError
        A damaged file, no such structure, or trials of different lengths.
    """
    mne = require("mne", "meg")
    name, struct = _struct(path, variable)
    as_labels(f"{path}: label", np.atleast_1d(struct["label"]))
    averaged = "trial" not in struct
    times = _check_average(path, struct) if averaged else _check_trials(path, name, struct)
    info = np.asarray(struct["trialinfo"]) if "trialinfo" in struct and not averaged else None
    del struct  # mne reads the file itself
    data: Any
    try:
        with mne.use_log_level("error"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of guesses about channels without a sensor, which become "misc"
            if averaged:
                data = mne.read_evoked_fieldtrip(path, None, comment=path.stem, data_name=name)
                data.shift_time(times[0], relative=False)  # forgotten there: it starts at 0 s
            else:
                data = mne.read_epochs_fieldtrip(path, None, data_name=name)
            _correct_types(data)
    except Exception as error:  # whatever a damaged or foreign structure makes mne raise
        raise ValueError(damaged(path, "a structure of FieldTrip", error)) from error
    if len(data.times) != len(times) or not np.allclose(data.times, times, rtol=0, atol=1e-6):
        msg = f"{path}: the times of {name!r} must be evenly spaced, by its fsample; mne has {data.info['sfreq']:g} Hz."
        raise ValueError(msg)
    if info is not None:
        with mne.use_log_level("error"):
            _set_metadata(data, info.reshape(len(info), -1))
    return data


def _struct(path: Path, variable: str | None) -> tuple[str, dict[str, Any]]:
    content = read_matlab(path)
    wanted = content if variable is None else {name: content[name] for name in content if name == variable}
    found = {name: value for name, value in wanted.items() if _is_data(value)}
    cells = {name: value for name, value in wanted.items() if isinstance(value, list) and any(map(_is_data, value))}
    if len(found) == 1:
        return next(iter(found.items()))
    if cells and not found:
        name = next(iter(cells))
        msg = (
            f"{path}: {name!r} is a cell array of {counted(len(cells[name]), 'structure')}; save each under a name of "
            f"its own (one = {name}{{1}}) and read it with variable=."
        )
        raise ValueError(msg)
    what = f"{len(found)} of them" if found else "none"
    msg = (
        f"{path} must hold one FieldTrip structure with trial, time and label; it has {what} "
        f"({join_names(content, 8) or 'nothing'}): save one alone, or name it with variable=."
    )
    raise ValueError(msg)


def _is_data(value: object) -> bool:
    return isinstance(value, dict) and {"time", "label"} <= set(value) and not {"trial", "avg"}.isdisjoint(value)


def _check_average(path: Path, struct: dict[str, Any]) -> FloatArray:
    times = np.array(struct["time"], dtype=np.float64).ravel()
    if np.shape(struct["avg"]) != (len(struct["label"]), len(times)) or len(times) < 2:
        msg = (
            f"{path}: its average must have the shape ({len(struct['label'])} channels, {len(times)} times); got "
            f"{np.shape(struct['avg'])}."
        )
        raise ValueError(msg)
    return times


def _check_trials(path: Path, name: str, struct: dict[str, Any]) -> FloatArray:
    """Return the times of all trials, or raise where mne would fail, or read something else than is there."""
    labels, trials, times = struct["label"], struct["trial"], struct["time"]
    if not isinstance(trials, list) or not isinstance(times, list) or isinstance(labels, str):
        msg = (
            f"{path}: {name!r} must hold two or more trials of two or more channels, as ft_preprocessing keeps them "
            "(ft_checkdata(data, 'datatype', 'raw') makes that of ft_timelockanalysis's trials)."
        )
        raise ValueError(msg)
    shapes = {np.shape(trial) for trial in trials} | {(len(labels), np.size(clock)) for clock in times}
    if len(shapes) != 1 or len(times) != len(trials):
        sizes = ", ".join(str(shape) for shape in sorted(shapes)[:3])
        msg = f"{path}: its trials must all have the shape ({len(labels)} channels, times); got {sizes}."
        raise ValueError(msg)
    first = np.array(times[0], dtype=np.float64)
    # mne compares where trials start, not how they go on
    if not all(np.allclose(clock, first, rtol=0, atol=1e-6) for clock in times):
        msg = f"{path}: its trials must have the same, evenly spaced times; cut them alike first (ft_redefinetrial)."
        raise ValueError(msg)
    info = struct.get("trialinfo", np.zeros(len(trials)))
    if not isinstance(info, np.ndarray) or info.dtype.kind not in "fiub" or len(info) != len(trials):
        msg = f"{path}: the trialinfo of {name!r} must be a matrix of numbers with a row per trial (see table2array)."
        raise ValueError(msg)
    return first


def _correct_types(data: mne.EpochsArray | mne.EvokedArray) -> None:
    """Set reference sensors apart: mne's reader takes them for magnetometers of the head, which enter every RDM."""
    fiff = require("mne.io.constants", "meg").FIFF
    coils = (fiff.FIFFV_COIL_MAGNES_REF_MAG, fiff.FIFFV_COIL_MAGNES_REF_GRAD)
    references = [channel["ch_name"] for channel in data.info["chs"] if channel["coil_type"] in coils]
    data.set_channel_types(dict.fromkeys(references, "ref_meg"), on_unit_change="ignore", verbose="error")


def _set_metadata(epochs: mne.EpochsArray, table: AnyArray) -> None:
    epochs.metadata = epochs.metadata.set_axis([f"trialinfo_{i + 1}" for i in range(table.shape[1])], axis="columns")
    if (table[:, 0] != np.rint(table[:, 0])).any():  # cut to whole numbers there, others would be one condition
        epochs.events[:, 2] = 1
        epochs.event_id = {"1": 1}
