"""EEGLAB's epochs, with the fields of the event that each is locked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import require
from alignkit.meg._read_matlab import damaged, read_matlab

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
        A damaged file, or a continuous recording.
    FileNotFoundError
        The ``.fdt`` file with the data is not there.
    """
    mne = require("mne", "meg")
    table = _metadata(read_matlab(path))  # mne reads what events are called, and nothing else about them
    try:
        epochs = mne.read_epochs_eeglab(path, verbose="error")
    except FileNotFoundError as error:
        msg = f"{path} keeps its data in a file that is not there ({' '.join(str(error).split())})."
        raise FileNotFoundError(msg) from error
    except Exception as error:  # whatever a damaged or foreign file makes mne raise
        raise ValueError(damaged(path, "EEGLAB's epochs", error)) from error
    if epochs.metadata is None and table is not None and len(table) == len(epochs.events):
        with mne.use_log_level("warning"):
            epochs.metadata = table
    return epochs


def _metadata(content: dict[str, Any]) -> pd.DataFrame | None:
    """Return one row per epoch, or None where the file tells no event for each."""
    import pandas as pd

    try:
        dataset = content.get("EEG", content)
        events, epochs = dataset["event"], dataset["epoch"]
        locked = [_locked(*epoch) for epoch in zip(epochs["event"], epochs["eventlatency"], strict=True)]
        fields = {name: values for name, values in events.items() if name not in _OWN and isinstance(values, list)}
        return pd.DataFrame({name: [_plain(values[i]) for i in locked] for name, values in fields.items()}).dropna(
            axis="columns", how="all"
        )
    except (KeyError, ValueError, IndexError, TypeError, AttributeError):  # other versions keep no such list
        return None


def _locked(numbers: Any, latencies: Any) -> int:
    """Return which event is nearest to 0 s, of those in an epoch."""
    nearest = int(np.abs(np.atleast_1d(latencies).astype(np.float64)).argmin())
    number = int(np.atleast_1d(numbers)[nearest])
    if number < 1:
        msg = "MATLAB counts from 1"
        raise IndexError(msg)
    return number - 1


def _plain(value: Any) -> Any:
    """Return a number or a text as it is, None where it is empty or more."""
    if np.size(value) != 1:
        return None
    return value if isinstance(value, str) else np.ravel(value)[0].item()
