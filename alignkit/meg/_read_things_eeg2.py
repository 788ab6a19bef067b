"""THINGS-EEG2's preprocessed epochs: arrays in a pickled dictionary, read without running the pickle."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_array, as_labels, join_names, require
from alignkit._io import MAX_BYTES, check_file, load_npz
from alignkit._plain_pickle import read_plain_pickle
from alignkit._typing import AnyArray, FloatArray, PathLike

if TYPE_CHECKING:
    import mne

_DATA = "preprocessed_eeg_data"
_NAMES = "ch_names"


def read_things_eeg2(path: PathLike, /, *, first_image: int = 1) -> mne.EpochsArray:
    """Read one participant's training or test set of THINGS-EEG2.

    The published files hold a pickled dictionary, saved by numpy, or (in NICE-EEG's preprocessing) a bare pickle that
    is called ``.npy``. Pickles can run code when they are loaded; this one is not loaded: its instructions are read,
    and all that do not build numbers, texts and arrays are refused. The arrays ``preprocessed_eeg_data`` (images,
    repetitions, channels, times), ``ch_names`` and ``times`` in an ``.npz`` are read as well.

    Parameters
    ----------
    path : path
        ``preprocessed_eeg_training.npy`` or ``preprocessed_eeg_test.npy``.
    first_image : int
        The number of the first image: rows of the file are images in the order of its design.

    Returns
    -------
    mne.EpochsArray
        One epoch per image and repetition, all repetitions of an image in a row. The metadata has the columns
        ``image`` (from ``first_image`` on, also the events' codes) and ``repetition`` (from 1; the file does not say
        which session one is from). EEG channels, in what the file holds (whitened data has no unit).

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A pickle that asks for anything but plain values, a damaged file, or arrays that do not fit together.
    ImportError
        mne is not installed.

    References
    ----------
    Gifford et al. (2022), https://doi.org/10.1016/j.neuroimage.2022.119754

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp(), "preprocessed_eeg_test.npz")
    >>> data = np.zeros((5, 3, 2, 10))  # images, repetitions, channels, times
    >>> np.savez(path, preprocessed_eeg_data=data, ch_names=["O1", "O2"], times=np.arange(-2, 8) / 10)
    >>> epochs = read_things_eeg2(path)
    >>> len(epochs), epochs.ch_names, list(epochs.metadata.columns)
    (15, ['O1', 'O2'], ['image', 'repetition'])
    """
    path = Path(path)
    content = _read(path)
    missing = [name for name in (_DATA, _NAMES, "times") if name not in content]
    if missing:
        msg = f"{path} lacks {join_names(missing)}; it holds {join_names(content) or 'nothing'}."
        raise ValueError(msg)
    data, times = _numbers(path, content, _DATA), _numbers(path, content, "times").ravel()
    try:
        names = content[_NAMES]
        channels = as_labels(_NAMES, names.ravel().tolist() if isinstance(names, np.ndarray) else names)
    except (ValueError, TypeError) as error:
        msg = f"{path}: {error}"
        raise ValueError(msg) from error
    if data.ndim != 4 or 0 in data.shape or data.shape[2:] != (len(channels), len(times)):
        msg = (
            f"{path}: {_DATA} must have the axes (images, repetitions, {len(channels)} channels, {len(times)} times); "
            f"got shape {data.shape}."
        )
        raise ValueError(msg)
    return _as_epochs(path, data, channels, times.astype(np.float64), first_image)


def _read(path: Path) -> Mapping[str, Any]:
    check_file(path)
    if path.stat().st_size > MAX_BYTES:
        msg = f"{path} takes {path.stat().st_size / 2**30:.1f} GiB, more than the {MAX_BYTES // 2**30} GiB allowed."
        raise ValueError(msg)
    with open(path, "rb") as file:
        start = file.read(2)
        file.seek(0)
        if start == b"PK":
            return load_npz(path)[0]
        try:
            _skip_header(file)
            content = read_plain_pickle(file)
        except ValueError as error:
            msg = f"{path} is no file of THINGS-EEG2: {str(error).rstrip('.')}."
            raise ValueError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path} is no file of THINGS-EEG2: it holds a {type(content).__name__}, not a dictionary of arrays."
        raise ValueError(msg)
    return {str(key): value for key, value in content.items()}


def _skip_header(file: Any) -> None:
    """Go to the pickle: the first byte, or behind the header of an array of objects."""
    if file.read(6) != b"\x93NUMPY":
        file.seek(0)
        return
    file.seek(0)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if not dtype.hasobject:
        msg = f"it holds an array of numbers, shape {shape}, not a dictionary of arrays"
        raise ValueError(msg)


def _numbers(path: Path, content: Mapping[str, Any], name: str) -> AnyArray:
    value = content[name]
    try:  # as floats at once: an array of texts would give all the room of the longest
        array = np.asarray(value, np.float64) if isinstance(value, list) else as_array(name, value)
    except (TypeError, ValueError) as error:
        msg = f"{path}: {name} must be an array of numbers ({error})."
        raise ValueError(msg) from error
    if array.dtype.kind not in "fiu":
        msg = f"{path}: {name} must hold real numbers; got dtype {array.dtype}."
        raise ValueError(msg)
    return array


def _as_epochs(
    path: Path, data: AnyArray, channels: tuple[str, ...], times: FloatArray, first_image: int
) -> mne.EpochsArray:
    import pandas as pd

    mne = require("mne", "meg")
    n_images, n_repetitions = data.shape[:2]
    steps = np.diff(times)
    if len(times) < 2 or not np.isfinite(times).all() or (steps <= 0).any() or np.ptp(steps) > 0.01 * steps.mean():
        msg = f"{path}: its times must be evenly spaced seconds, two or more."
        raise ValueError(msg)
    sfreq = float((len(times) - 1) / (times[-1] - times[0]))
    sfreq = round(sfreq, 6)
    image = np.repeat(np.arange(n_images) + first_image, n_repetitions)
    metadata = pd.DataFrame({"image": image, "repetition": np.tile(np.arange(n_repetitions) + 1, n_images)})
    events = np.stack([np.arange(len(image)), np.zeros_like(image), image], axis=1)
    epochs = data.reshape(-1, *data.shape[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # names that mne would shorten elsewhere
        info = mne.create_info(list(channels), sfreq, "eeg", verbose="error")
        return mne.EpochsArray(
            epochs, info, events, tmin=float(times[0]), metadata=metadata, proj=False, verbose="error"
        )
