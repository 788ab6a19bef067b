"""The epochs that ``alignkit meg`` is given: files of one participant, whoever wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alignkit._check import require
from alignkit.meg._things_concepts import with_concepts

_FIF = (".fif", ".fif.gz")
#: Columns that tell THINGS-MEG's metadata; without a query its catch and test trials would count as conditions.
_THINGS = frozenset({"trial_type", "session_nr", "things_category_nr"})


def open_epochs(paths: Sequence[Path], *, query: str | None, variable: str | None) -> tuple[list[Any], str]:
    """Return the sessions in files, not loaded where their format allows, and what was left out of them.

    Of THINGS-MEG the trials of the experiment are kept, unless a query chooses others.
    """
    from alignkit.meg import read_epochs
    from alignkit.meg._epochs_files import open_files

    if variable is None and all(path.name.lower().endswith(_FIF) for path in paths):
        opened = open_files(paths, level="warning")
    else:
        opened = [read_epochs(path, variable=variable) for path in paths]
    for epochs in opened:
        _name_concepts(epochs)
    if query is not None:
        return opened, ""
    chosen = [_experiment(epochs) for epochs in opened]
    n_before, n_kept = (sum(len(getattr(epochs, "events", ())) for epochs in some) for some in (opened, chosen))
    if n_kept == n_before:
        return opened, ""
    return chosen, (
        f"THINGS-MEG: {n_kept:,} of {n_before:,} trials are of type exp; test and catch trials were left out "
        "(--query \"trial_type == 'test'\" takes others)"
    )


def _experiment(epochs: Any) -> Any:
    """Return THINGS-MEG's epochs without test and catch trials; others as they are."""
    from alignkit.meg import read_things_meg

    path = getattr(epochs, "filename", None)
    if path is None or not _is_things(epochs) or set(epochs.metadata["trial_type"]) == {"exp"}:
        return epochs
    return read_things_meg(path)


def _name_concepts(epochs: Any) -> None:
    """Add to the metadata of THINGS-MEG's epochs what their concepts are called, for ``--by concept``."""
    named = with_concepts(epochs.metadata) if _is_things(epochs) else None
    if named is not None and named is not epochs.metadata:
        with require("mne", "meg").use_log_level("warning"):
            epochs.metadata = named


def _is_things(epochs: Any) -> bool:
    metadata = getattr(epochs, "metadata", None)
    return metadata is not None and _THINGS.issubset(metadata.columns)
