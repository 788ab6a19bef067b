"""Epochs from files of any of the formats known here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._check import shown
from alignkit._io import check_file
from alignkit._typing import PathLike
from alignkit.meg._epochs_files import is_path, open_files
from alignkit.meg._read_eeglab import read_eeglab
from alignkit.meg._read_fieldtrip import read_fieldtrip
from alignkit.meg._read_things_eeg2 import read_things_eeg2

if TYPE_CHECKING:
    import mne


def read_epochs(path: PathLike, /, *, variable: str | None = None) -> mne.BaseEpochs | mne.Evoked:
    """Open a file of epochs, whoever wrote it; also an average of FieldTrip's.

    ====================  ==========================================================================================
    suffix                format
    ====================  ==========================================================================================
    ``.fif``              MNE's epochs, not loaded (:func:`read_things_meg` knows those of THINGS-MEG)
    ``.set``              EEGLAB; fields of the event at 0 s become metadata
    ``.mat``              FieldTrip; ``trialinfo`` becomes metadata, reference sensors their own type
    ``.npy``, ``.npz``    THINGS-EEG2 (:func:`read_things_eeg2`)
    ====================  ==========================================================================================

    Parameters
    ----------
    path : path
        The file; of split ``.fif`` files the first part.
    variable : str, optional
        Name of FieldTrip's structure in a ``.mat`` file that holds several.

    Returns
    -------
    mne.Epochs or mne.Evoked
        All trials, with metadata where the file has any. A ``.mat`` file with an average gives that, and the name of
        the file is its comment: :func:`time_rdms` takes a list with one for each condition.

    Raises
    ------
    FileNotFoundError
        No such file, or one that belongs to it is missing.
    ValueError
        An unknown suffix, a later part of a split file, or a damaged file.
    TypeError
        A path that is none.
    ImportError
        mne or pymatreader is not installed.

    Examples
    --------
    >>> epochs = read_epochs("sub-01_task-main_epo.fif")  # doctest: +SKIP
    >>> time_rdms(epochs, by="stimulus")  # doctest: +SKIP
    """
    if not is_path(path):
        msg = f"path must name a file of epochs, as a text or a Path; got {shown(path)}."
        raise TypeError(msg)
    file = check_file(path)
    name = file.name.lower()
    if variable is not None and not name.endswith(".mat"):
        msg = f"variable= names a structure in a .mat file; {file.name} is none."
        raise ValueError(msg)
    if name.endswith((".fif", ".fif.gz")):
        return _fif(file)
    if name.endswith(".set"):
        return read_eeglab(file)
    if name.endswith(".mat"):
        return read_fieldtrip(file, variable)
    if name.endswith((".npy", ".npz")):
        return read_things_eeg2(file)
    msg = f"{file}: epochs are read from .fif, .set, .mat, .npy and .npz files; got the suffix {file.suffix!r}."
    raise ValueError(msg)


def _fif(file: Path) -> mne.BaseEpochs:
    opened = open_files([file], level="warning")
    if len(opened) != 1 or not hasattr(opened[0], "metadata"):
        msg = f"{file} holds averages, not epochs; functions of alignkit.meg take its path as it is."
        raise ValueError(msg)
    epochs: mne.BaseEpochs = opened[0]
    return epochs
