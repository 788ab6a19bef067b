"""What a person's model has from the group's, at which it started: in words, and in what it is scored on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from alignkit._check import counted, join_names
from alignkit.train._run_folder import SPLITS
from alignkit.train._splits import Splits
from alignkit.train.hba_meg._data import HBAMEGData
from alignkit.train.hba_meg.config import HBAMEGConfig

_SHOWN = 12


def told_group(start: Path, /) -> str:
    """Return a sentence about what the group's model in a folder was trained on."""
    people, splits = _people(start), Splits.load(start / SPLITS)
    chosen = f" and chosen on {len(splits.val):,}" if splits.val else ""
    return (
        f"The group's model in {start}, at which training started, was trained on {join_names(people, _SHOWN)}, with "
        f"{counted(len(splits.train), 'item')}{chosen}."
    )


def data_of_person(data: HBAMEGData, config: HBAMEGConfig, folder: Path, /) -> HBAMEGData:
    """Return data as those of a person's run: one person is trained on, and of others the group's model knew some.

    Parameters
    ----------
    data : HBAMEGData
    config : HBAMEGConfig
        The person's settings, with ``start``, the group's run.
    folder : Path
        The person's run.
    """
    start = Path(str(config.start))
    own = tuple(name for name in data.people if name in _people(folder))
    return dataclasses.replace(
        data,
        train_people=own,
        held_out_people=tuple(name for name in data.people if name not in own),
        group_people=tuple(name for name in data.people if name in _people(start)),
        group_items=Splits.load(start / SPLITS).train,
        notes=(*data.notes, told_group(start)),
    )


def _people(folder: Path) -> tuple[str, ...]:
    from alignkit.models._dynamic_run_model import read_dynamic_model

    known = read_dynamic_model(folder).manifest.get("people")
    return tuple(str(name) for name in known) if isinstance(known, list) else ()
