"""FieldTrip's epochs from MATLAB files up to version 7."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_labels, join_names, require
from alignkit._io import load_mat
from alignkit._typing import AnyArray, FloatArray

if TYPE_CHECKING:
    import mne
    import pandas as pd

_FIELDS = ("trial", "time", "label")
#: mne's types by FieldTrip's; CTF's axial gradiometers measure tesla, which mne calls magnetometers.
_TYPES = {
    "meg": "mag",
    "megmag": "mag",
    "meggrad": "mag",
    "megaxial": "mag",
    "megplanar": "grad",
    "refmag": "ref_meg",
    "refgrad": "ref_meg",
    "eeg": "eeg",
    "eog": "eog",
    "ecg": "ecg",
    "emg": "emg",
    "trigger": "stim",
}
_PREFIXES = {"EOG": "eog", "ECG": "ecg", "EMG": "emg", "STI": "stim"}
_METRES = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001}


def read_fieldtrip(path: Path, variable: str | None) -> mne.EpochsArray:
    """Read a FieldTrip structure of trials.

    The columns of ``trialinfo`` become ``trialinfo_1``, ``trialinfo_2`` ... of the metadata; where the first holds
    whole numbers they are the events' codes.

    Raises
    ------
    ValueError
        A damaged file, no such structure, or trials of different lengths.
    """
    mne = require("mne", "meg")
    struct = _struct(path, variable)
    labels = as_labels("label", [_text(cell) for cell in struct["label"].ravel()])
    times, data = _trials(path, struct, len(labels))
    info = _info(labels, struct, 1 / np.diff(times).mean())
    metadata = _metadata(struct, len(data))
    codes = np.ones(len(data), dtype=np.int64)
    if metadata is not None:
        first = metadata.iloc[:, 0].to_numpy()
        codes = first.astype(np.int64) if (first == np.rint(first)).all() else codes
    events = np.stack([np.arange(len(data)), np.zeros_like(codes), codes], axis=1)
    return mne.EpochsArray(data, info, events, tmin=times[0], metadata=metadata, proj=False, verbose="error")


def _struct(path: Path, variable: str | None) -> Any:
    content = load_mat(path)
    found = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    if variable is not None:
        found = {name: value for name, value in found.items() if name == variable}
    fitting = {name: value for name, value in found.items() if set(_FIELDS) <= set(value.dtype.names or ())}
    if len(fitting) == 1 and next(iter(fitting.values())).size == 1:
        return next(iter(fitting.values())).ravel()[0]
    what = f"{len(fitting)} of them" if fitting else "none"
    msg = (
        f"{path} must hold one FieldTrip structure with trial, time and label; it has {what} "
        f"({join_names(content, 8) or 'nothing'}): save one alone, or name it with variable=."
    )
    raise ValueError(msg)


def _text(cell: Any) -> str:
    return str(np.asarray(cell).ravel()[0]) if np.size(cell) else ""


def _trials(path: Path, struct: Any, n_channels: int) -> tuple[FloatArray, FloatArray]:
    trial, time = struct["trial"], struct["time"]
    cells = [np.asarray(cell) for cell in (trial.ravel() if trial.dtype == object else trial)]
    clocks = [np.asarray(cell).ravel() for cell in (time.ravel() if time.dtype == object else time.reshape(1, -1))]
    shapes = {cell.shape for cell in cells} | {(n_channels, clock.size) for clock in clocks}
    if not cells or len(shapes) != 1 or len(clocks) not in (1, len(cells)) or clocks[0].size < 2:
        sizes = ", ".join(str(shape) for shape in sorted(shapes)[:3])
        msg = f"{path}: its trials must all have the shape ({n_channels} channels, times); got {sizes}."
        raise ValueError(msg)
    times = np.array(clocks[0], dtype=np.float64)
    alike = all(np.allclose(clock, times, rtol=0, atol=1e-6) for clock in clocks)
    if not alike or (np.diff(times) <= 0).any() or np.ptp(np.diff(times)) > 0.01 * np.diff(times).mean():
        msg = f"{path}: its trials must have the same, evenly spaced times; cut them alike first (ft_redefinetrial)."
        raise ValueError(msg)
    return times, np.stack(cells).astype(np.float64)


def _info(labels: tuple[str, ...], struct: Any, sfreq: float) -> Any:
    mne = require("mne", "meg")
    types, places = _sensors(struct)
    kinds = [types.get(label) or _PREFIXES.get(label[:3].upper(), "misc") for label in labels]
    info = mne.create_info(list(labels), round(float(sfreq), 6), kinds, verbose="error")
    for channel in info["chs"]:
        place = places.get(channel["ch_name"])
        if place is not None:
            channel["loc"][:3] = place
    return info


def _sensors(struct: Any) -> tuple[dict[str, str], dict[str, AnyArray]]:
    """Return the type and the place (metres) of each channel that ``elec`` or ``grad`` describes."""
    types: dict[str, str] = {}
    places: dict[str, AnyArray] = {}
    for field, fallback in (("elec", "eeg"), ("grad", "mag")):
        sensors = struct[field] if field in struct.dtype.names else None
        if sensors is None or sensors.size != 1 or "label" not in (sensors.dtype.names or ()):
            continue
        own = sensors.ravel()[0]
        names = [_text(cell) for cell in own["label"].ravel()]
        kinds = [_text(cell) for cell in own["chantype"].ravel()] if "chantype" in own.dtype.names else []
        kinds = kinds if len(kinds) == len(names) else [""] * len(names)
        types |= {name: _TYPES.get(kind, fallback) for name, kind in zip(names, kinds, strict=True)}
        position = np.asarray(own["chanpos"]) if "chanpos" in own.dtype.names else np.zeros(0)
        scale = _METRES.get(_text(own["unit"]) if "unit" in own.dtype.names else "")
        if scale is not None and position.dtype.kind == "f" and position.shape == (len(names), 3):
            places |= dict(zip(names, position * scale, strict=True))
    return types, places


def _metadata(struct: Any, n_trials: int) -> pd.DataFrame | None:
    import pandas as pd

    if "trialinfo" not in struct.dtype.names:
        return None
    table = np.asarray(struct["trialinfo"])
    if table.dtype.kind not in "fiub" or table.ndim != 2 or len(table) != n_trials or not table.shape[1]:
        return None
    return pd.DataFrame(table, columns=[f"trialinfo_{i + 1}" for i in range(table.shape[1])])
