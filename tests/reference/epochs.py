"""Small mne epochs with metadata, for whatever reads epochs, and how mne itself gives their data."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def make_epochs(
    n_trials: int = 24, *, types: str | list[str] = "mag", n_channels: int = 8, n_times: int = 31, seed: int = 0
) -> Any:
    """Return EpochsArray at 100 Hz from -0.1 s: 4 concepts in turn, 3 sessions one after the other."""
    import mne
    import pandas as pd

    rng = np.random.default_rng(seed)
    types = [types] * n_channels if isinstance(types, str) else types
    info = mne.create_info([f"M{'LRZ'[i % 3]}{'OT'[i % 2]}{i:02d}" for i in range(len(types))], 100.0, types)
    scale = np.array([1e-5 if kind == "eeg" else 1e-13 for kind in types])
    data = rng.standard_normal((n_trials, len(types), n_times)) * scale[:, np.newaxis]
    concept = np.arange(n_trials) % 4
    table = pd.DataFrame(
        {
            "concept": concept + 9.0,  # 9.0, 10.0, 11.0, 12.0
            "word": np.array(["image10", "image2", "Zebra", "ant"])[concept],
            "session": np.arange(n_trials) * 3 // n_trials + 1,
            "kind": np.where(concept == 3, "catch", "exp"),
        }
    )
    names = ["face/own", "face/other", "house", "tool"]
    events = np.column_stack([np.arange(n_trials) * 10, np.zeros(n_trials, int), concept + 1])
    event_id = {name: i + 1 for i, name in enumerate(names) if i < n_trials}
    return mne.EpochsArray(data, info, events, tmin=-0.1, event_id=event_id, metadata=table, verbose="error")


def save(epochs: Any, path: Path, *, parts: int = 1, fmt: str = "single", naming: str = "neuromag") -> Path:
    """Save epochs, in parts if asked (one more where they do not fit), and return the path of the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names of files, and of pandas as mne writes its tables
        split = {"split_size": part_size(epochs, path, parts, fmt)} if parts > 1 else {}
        saved = epochs.save(path, fmt=fmt, overwrite=True, verbose="error", split_naming=naming, **split)
    return Path(saved[0])


def part_size(epochs: Any, path: Path, parts: int, fmt: str) -> int:
    """Return the size that mne must be told: it sets a megabyte aside in each part, and names the smallest size."""
    per_epoch = epochs.get_data(copy=False)[0].nbytes // (2 if fmt == "single" else 1)
    try:
        epochs.save(path, fmt=fmt, split_size=1000, overwrite=True, verbose="error")
    except ValueError as error:  # what pytest.raises keeps would keep the callers' epochs, and their files open
        smallest = int(re.search(r"minimum split size.*\((\d+) bytes\)", str(error))[1])
    return smallest + per_epoch * (-(-len(epochs) // parts) - 1)


def mne_data(epochs: Any, picks: Any = "data", **selection: Any) -> np.ndarray:
    """Return what mne reads, as (times, trials, channels)."""
    loaded = epochs.copy().load_data() if not epochs.preload else epochs
    return loaded.get_data(picks, copy=True, **selection).transpose(2, 0, 1)
