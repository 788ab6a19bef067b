"""Opening FIF files of epochs and of averages: the first part of a split file brings the others, once."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alignkit._check import join_names, require
from alignkit._io import check_file
from alignkit.meg._caller import caller_level

#: What read_epochs opens besides.
_OTHERS = frozenset({".set", ".mat", ".npy", ".npz"})
_AVERAGES = re.compile(r"[-_](ave|evoked)\.fif(\.gz)?$")
#: mne's names of later parts: ``x-epo-1.fif``, or ``x_split-02_epo.fif`` as BIDS has it.
_LATER_PART = re.compile(r"^(?P<head>.+[-_]epo)-(?P<number>\d+)(?P<end>\.fif(\.gz)?)$")
_LATER_SPLIT = re.compile(r"^(?P<head>.+_)?split-(?P<number>\d+)(?P<end>_.*epo\.fif(\.gz)?)$")


def is_path(value: object) -> bool:
    """Return whether ``value`` names a file."""
    return isinstance(value, str | os.PathLike)


def open_files(paths: Sequence[Any], *, level: str) -> list[Any]:
    """Return mne's epochs of each file (not loaded), or the Evoked of all files of averages.

    Raises
    ------
    FileNotFoundError
        A file that is not there, or a first part whose other parts are not.
    ValueError
        A file that is named twice, is a later part, or holds no epochs.
    """
    files = [Path(path) for path in paths]
    for path in files:
        if path.suffix.lower() in _OTHERS:
            msg = f"{path} is no FIF file: open it with alignkit.meg.read_epochs, and give what that returns."
            raise ValueError(msg)
    averages = [_AVERAGES.search(path.name) is not None for path in files]
    if any(averages):
        if not all(averages):
            msg = "files of epochs and files of averages cannot be read together; give one kind."
            raise ValueError(msg)
        return [evoked for path in files for evoked in _open(path, "averages", level)]
    opened = [_open(path, "epochs", level) for path in _first_parts(files)]
    _check_once(opened)
    return opened


def _first_parts(paths: list[Path]) -> list[Path]:
    """Leave out later parts of files whose first part is given, with one warning."""
    firsts = [_first_part(path) for path in paths]
    resolved = [path.resolve() for path in paths]
    given = set(resolved)
    if len(given) < len(paths):
        twice = [path.name for path, real in zip(paths, resolved, strict=True) if resolved.count(real) > 1]
        msg = f"data names the same file twice: {join_names(dict.fromkeys(twice))}; its trials would count twice."
        raise ValueError(msg)
    for path, first in zip(paths, firsts, strict=True):
        if first is not None and first.resolve() not in given:
            where = "" if first.is_file() else " (which is not there)"
            msg = f"{path} is a later part of {first.name}{where}; give that one: it brings its other parts."
            raise ValueError(msg)
    later = [path.name for path, first in zip(paths, firsts, strict=True) if first is not None]
    if later:
        warnings.warn(
            f"the first part of a split file brings the others: {join_names(later)} left out, to count no trial "
            "twice; give the first part alone.",
            RuntimeWarning,
            stacklevel=caller_level(),
        )
    return [path for path, first in zip(paths, firsts, strict=True) if first is None]


def _first_part(path: Path) -> Path | None:
    """Return the first part of the file whose later part ``path`` is by its name, or None."""
    if found := _LATER_PART.match(path.name):
        return path.with_name(found["head"] + found["end"])
    found = _LATER_SPLIT.match(path.name)
    if found and int(found["number"]) > 1:
        number = "1".zfill(len(found["number"]))
        return path.with_name(f"{found['head'] or ''}split-{number}{found['end']}")
    return None


def _open(path: Path, what: str, level: str) -> Any:
    mne = require("mne", "meg")
    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not conform to MNE naming conventions.*")
            warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, as mne reads its tables
            if what == "averages":
                return mne.read_evokeds(path, verbose=level)
            return mne.read_epochs(path, preload=False, verbose=level)
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name if error.filename else "another part"
        msg = f"{path} is split and goes on in {missing}, which is not there; put all its parts into one folder."
        raise FileNotFoundError(msg) from error
    except Exception as error:  # whatever a damaged or foreign file makes mne raise
        reason = " ".join(str(error).split()).rstrip(".")[:200]
        if isinstance(error, AttributeError | TypeError | LookupError):  # what mne stumbled over says nothing to a user
            reason = "it is damaged or cut off"
        msg = f"{path} cannot be read as a FIF file of {what} ({reason or type(error).__name__})."
        raise ValueError(msg) from error


def _check_once(opened: Sequence[Any]) -> None:
    """Raise when two files share a part, whatever their names say."""
    seen: dict[str, str] = {}
    for epochs in opened:
        for part in getattr(epochs, "_raw", None) or ():
            name = os.path.realpath(getattr(part.fid, "name", "") or "")
            if name in seen:
                msg = f"{Path(name).name} is a part of both {seen[name]} and {epochs.filename}; give one of them."
                raise ValueError(msg)
            seen[name] = str(epochs.filename)
