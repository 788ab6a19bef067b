"""EEGLAB's epochs, with the fields of the event that each is locked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import require
from alignkit._io import load_mat

if TYPE_CHECKING:
    import mne
    import pandas as pd

#: What EEGLAB notes for itself about events.
_OWN = frozenset({"latency", "urevent", "epoch", "init_index", "init_time", "duration"})


def read_eeglab(path: Path) -> mne.BaseEpochs:
    """Read a ``.set`` file of epochs; the fields of each epoch's event (at 0 s) become columns of the metadata.

    Raises
    ------
    ValueError
        A damaged file, a continuous recording, or one saved as version 7.3.
    FileNotFoundError
        The ``.fdt`` file with the data is not there.
    """
    mne = require("mne", "meg")
    content = load_mat(path)
    try:
        epochs = mne.read_epochs_eeglab(path, verbose="error")
    except FileNotFoundError as error:
        msg = f"{path} keeps its data in a file that is not there ({' '.join(str(error).split())})."
        raise FileNotFoundError(msg) from error
    except Exception as error:  # whatever a damaged or foreign file makes mne raise
        reason = " ".join(str(error).split()).rstrip(".")[:200]
        msg = f"{path} cannot be read as EEGLAB's epochs ({reason or type(error).__name__})."
        raise ValueError(msg) from error
    table = _metadata(content, len(epochs.events))
    if epochs.metadata is None and table is not None:
        with mne.use_log_level("warning"):
            epochs.metadata = table
    return epochs


def _metadata(content: dict[str, Any], n_epochs: int) -> pd.DataFrame | None:
    """Return one row per epoch, or None where the file tells no event for each."""
    import pandas as pd

    try:
        dataset = content["EEG"].ravel()[0] if "EEG" in content else content
        events, epochs = dataset["event"].ravel(), dataset["epoch"].ravel()
        if len(epochs) != n_epochs:
            return None
        rows = [_locked_event(epoch, events) for epoch in epochs]
    except (KeyError, ValueError, IndexError, TypeError, AttributeError):  # other versions keep no such list
        return None
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def _locked_event(epoch: Any, events: Any) -> dict[str, Any]:
    numbers = np.asarray(epoch["event"]).ravel()
    latencies = [float(_plain(value)) for value in _cells(epoch["eventlatency"])]
    event = events[int(numbers[int(np.argmin(np.abs(latencies)))]) - 1]
    return {name: _plain(event[name]) for name in event.dtype.names if name not in _OWN}


def _cells(values: Any) -> list[Any]:
    array = np.asarray(values)
    return list(array.ravel())


def _plain(value: Any) -> Any:
    """Return the number or text in MATLAB's array of one; None where it is empty."""
    array = np.asarray(value)
    while array.dtype == object and array.size == 1:
        array = np.asarray(array.ravel()[0])
    return None if array.size != 1 else array.ravel()[0].item()
