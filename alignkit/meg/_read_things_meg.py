"""THINGS-MEG's epochs with their metadata, checked against what the data set should hold."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import check_choice, join_names, require, shown
from alignkit._io import check_file
from alignkit._typing import BoolArray, PathLike
from alignkit.meg._epochs_files import is_path, open_files
from alignkit.meg._things_concepts import with_concepts

if TYPE_CHECKING:
    import mne
    import pandas as pd

TrialType = Literal["exp", "test", "all"]
#: Trials per participant: 12 sessions of 1,854 concepts, 200 test images and 200 catch trials.
_COMPLETE = {"exp": 22_248, "test": 2_400, "catch": 2_400}
_CONCEPTS = 1_854
_CATCH_CODE = 999_999
_NEEDED = ("trial_type", "session_nr", "things_category_nr")
_NUMBERS = ("session_nr", "run_nr", "things_category_nr", "things_image_nr", "image_nr")
_PARTICIPANT = re.compile(r"_P(\d+)[-_]epo\.fif(\.gz)?$")


def read_things_meg(
    path: PathLike,
    /,
    *,
    trial_type: TrialType = "exp",
    attributes: PathLike | None = None,
    complete: bool | None = None,
) -> mne.Epochs:
    """Open one participant's preprocessed epochs of THINGS-MEG, without loading them.

    Catch trials are left out. The metadata names what each trial shows: for ``exp`` trials ``things_category_nr`` is
    the concept (1 to 1,854; each of its 12 images is shown once, one per session), for ``test`` trials it tells the
    200 images apart (each shown once per session). ``session_nr`` makes the folds. ``concept`` is added: what THINGS
    calls the concept (aardvark, bat1), after the folder of its images. Take conditions ``by="concept"`` where they are
    compared with RDMs of models or behaviour, whose items have these names.

    Parameters
    ----------
    path : path
        ``preprocessed_P1-epo.fif``; its other parts (``-epo-1.fif`` ...) must lie beside it.
    trial_type : {"exp", "test", "all"}
        Which trials to keep; ``"all"`` both.
    attributes : path, optional
        ``sample_attributes_P1.csv``, for epochs that were saved without metadata. By default it is looked for beside
        the epochs and in ``sourcedata`` of the data set.
    complete : bool, optional
        Whether the file must hold all 27,048 trials. By default a warning tells when one with all concepts does not.

    Returns
    -------
    mne.Epochs
        With metadata, not preloaded.

    Raises
    ------
    FileNotFoundError
        No such file, or one of its other parts or its metadata is missing.
    ValueError
        A later part of a split file, metadata that lacks columns or does not fit (a table of another participant),
        trials missing from a file that must be complete, or none of the type asked for.
    TypeError
        A path that is none.
    ImportError
        mne is not installed.

    Warns
    -----
    RuntimeWarning
        Event codes that contradict the metadata, which is believed, other numbers of trials than published, or paths
        of images that do not name the concepts one by one (``concept`` is left out).

    References
    ----------
    Hebart et al. (2023), https://doi.org/10.7554/eLife.82580; https://openneuro.org/datasets/ds004212

    Examples
    --------
    >>> epochs = read_things_meg("preprocessed_P1-epo.fif")  # doctest: +SKIP
    >>> time_rdms(epochs, by="concept", folds="session_nr", metric="decoding")  # doctest: +SKIP
    """
    check_choice("trial_type", trial_type, ("exp", "test", "all"))
    if not is_path(path):
        msg = f"path must name the file of epochs, as a text or a Path; got {shown(path)}."
        raise TypeError(msg)
    path = Path(path)
    with require("mne", "meg").use_log_level("warning"):
        return _chosen(path, trial_type, attributes, complete)


def _chosen(path: Path, trial_type: TrialType, attributes: PathLike | None, complete: bool | None) -> mne.Epochs:
    (epochs,) = _one(path, open_files([path], level="warning"))
    own = epochs.metadata is not None and attributes is None
    if not own:
        epochs.metadata = _attributes(path, attributes, len(epochs.events))
    _check_columns(path, epochs.metadata)
    kinds = epochs.metadata["trial_type"].astype(str).str.strip().to_numpy()
    caught = (kinds == "catch") | (epochs.events[:, 2] == _CATCH_CODE)
    _check_counts(path, kinds, epochs.metadata, complete)
    _check_codes(path, epochs, caught, own=own)
    wanted = ~caught if trial_type == "all" else ~caught & (kinds == trial_type)
    if not wanted.any():
        msg = f"{path} holds no {trial_type} trials; its trial_type is {join_names(sorted(set(kinds)))}."
        raise ValueError(msg)
    chosen: mne.Epochs = epochs[np.flatnonzero(wanted)]
    chosen.metadata = _with_names(path, _with_whole_numbers(path, chosen.metadata))
    return chosen


def _one(path: Path, opened: list[Any]) -> list[Any]:
    if len(opened) != 1 or not hasattr(opened[0], "metadata"):
        msg = f"{path} holds averages, not epochs; give the -epo.fif file."
        raise ValueError(msg)
    return opened


def _attributes(path: Path, given: PathLike | None, n_trials: int) -> pd.DataFrame:
    import pandas as pd

    file = _attributes_file(path) if given is None else Path(given)
    check_file(file)
    try:
        table = pd.read_csv(file)
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        msg = f"{file} is not a readable table ({' '.join(str(error).split())})."
        raise ValueError(msg) from error
    if len(table) != n_trials:
        msg = f"{file} has {len(table):,} rows for the {n_trials:,} epochs of {path.name}; it belongs to other epochs."
        raise ValueError(msg)
    return table


def _attributes_file(path: Path) -> Path:
    found = _PARTICIPANT.search(path.name)
    name = f"sample_attributes_P{found[1]}.csv" if found else "sample_attributes_P*.csv"
    # derivatives/preprocessed/preprocessed_P1-epo.fif, sourcedata/sample_attributes_P1.csv
    folders = [path.parent, path.parent / "sourcedata", *(up / "sourcedata" for up in path.resolve().parents[1:3])]
    for folder in folders:
        if found and (folder / name).is_file():
            return folder / name
    msg = f"{path} has no metadata and {name} lies neither beside it nor in sourcedata; name it with attributes=."
    raise FileNotFoundError(msg)


def _check_columns(path: Path, table: pd.DataFrame) -> None:
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        msg = f"the metadata of {path} lacks the columns {join_names(missing)}; it has {join_names(table.columns, 12)}."
        raise ValueError(msg)


def _check_counts(path: Path, kinds: Any, table: pd.DataFrame, complete: bool | None) -> None:
    counts = {kind: int((kinds == kind).sum()) for kind in _COMPLETE}
    unknown = sorted(set(kinds) - set(_COMPLETE))
    if unknown:
        msg = f"{path}: trial_type must be exp, test or catch; it holds {join_names(unknown)}."
        raise ValueError(msg)
    if complete is None:
        complete = False
        claims = table["things_category_nr"][kinds == "exp"].nunique() == _CONCEPTS
        if claims and counts != _COMPLETE:
            warnings.warn(_unequal(path, counts), RuntimeWarning, stacklevel=4)
    if complete and counts != _COMPLETE:
        raise ValueError(_unequal(path, counts))


def _unequal(path: Path, counts: dict[str, int]) -> str:
    there = ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
    should = ", ".join(f"{n:,} {kind}" for kind, n in _COMPLETE.items())
    return (
        f"{path} holds {there} trials, where THINGS-MEG has {should}; "
        "get the whole file, or take this one as it is (complete=False)."
    )


def _check_codes(path: Path, epochs: Any, caught: BoolArray, *, own: bool) -> None:
    """Warn where events say other images than the metadata, which is believed unless it is a table of others."""
    if "things_image_nr" not in epochs.metadata.columns:
        return
    import pandas as pd

    numbers = pd.to_numeric(epochs.metadata["things_image_nr"], errors="coerce").to_numpy(dtype=np.float64)
    wrong = int(((numbers != epochs.events[:, 2]) & ~caught).sum())
    if not own and 2 * wrong > (~caught).sum():
        msg = (
            f"{path}: {wrong:,} of {int((~caught).sum()):,} event codes are not the things_image_nr of the table of "
            "attributes; it belongs to another participant."
        )
        raise ValueError(msg)
    if wrong:
        warnings.warn(
            f"{path}: {wrong:,} of {int((~caught).sum()):,} event codes are not the trial's things_image_nr; the "
            "metadata is believed; check that both are of one participant.",
            RuntimeWarning,
            stacklevel=4,
        )


def _with_whole_numbers(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with numbers as integers: catch trials, which have none, made floats of them."""
    import pandas as pd

    table = table.copy()
    for name in _NUMBERS:
        if name not in table.columns:
            continue
        numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
        if np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all():
            table[name] = numbers.astype(np.int64)
        elif name in _NEEDED:
            row = int(np.argmin(numbers == np.rint(numbers)))
            msg = f"{path}: the column {name} must hold whole numbers; got {shown(table[name].iloc[row])}."
            raise ValueError(msg)
    return table


def _with_names(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the names of concepts, where the paths of images tell them."""
    named = with_concepts(table)
    if named is None:
        warnings.warn(
            f"{path}: image_path does not name the concepts of things_category_nr one by one; the metadata has no "
            "column 'concept'; name conditions by things_category_nr.",
            RuntimeWarning,
            stacklevel=4,
        )
    return table if named is None else named
