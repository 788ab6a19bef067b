"""The cells of an evaluation: which items were trained on, and whose RDMs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from alignkit._check import counted, join_names
from alignkit._typing import IntArray
from alignkit.train.hba_meg._data import HBAMEGData

#: Fewer items have too few pairs for a correlation.
MIN_ITEMS = 4
#: At most so many of the trained items are scored: scores on them are in-sample, and their pairs are many.
MAX_TRAINED_ITEMS = 300
#: What tells most comes first.
ITEMS: Mapping[str, str] = {
    "held_out": "held-out items",
    "val": "validation items (chosen on)",
    "train": "trained items",
}
PEOPLE: Mapping[str, str] = {"train": "trained people", "held_out": "held-out people"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Some items and some people.

    Parameters
    ----------
    items : {"train", "val", "held_out"}
        Which side of the split the items are on.
    people : {"train", "held_out"}
        Whether anything was trained on these people.
    rows : ndarray of int
        The items, as rows of the data.
    names : tuple of str
        The people.
    other_sessions : bool
        Whether their RDMs are of sessions that nothing was trained on.
    """

    items: str
    people: str
    rows: IntArray
    names: tuple[str, ...]
    other_sessions: bool

    @property
    def in_sample(self) -> bool:
        """Whether the model was trained on these items of these people."""
        return self.items == self.people == "train"

    @property
    def name(self) -> str:
        """What the cell is called, which says plainly what is in-sample."""
        said = [text for text, so in (("in-sample", self.in_sample), ("other sessions", self.other_sessions)) if so]
        return f"{ITEMS[self.items]} x {PEOPLE[self.people]}" + (f" ({', '.join(said)})" if said else "")


def cells_of(data: HBAMEGData, /, *, seed: int, most: int = MAX_TRAINED_ITEMS) -> tuple[list[Cell], list[str]]:
    """Return every cell that has four items and a person, and what to know of those that are left out.

    Where there are RDMs of other sessions these are taken, and people who have none are left out.

    Parameters
    ----------
    data : HBAMEGData
    seed : int
        Of the trained items that are drawn where there are more than ``most``.
    most : int
        Number of trained items that are scored at most.
    """
    groups, notes = _people(data)
    cells = []
    for items in ITEMS:
        rows: IntArray = getattr(data, items)
        if items == "train" and len(rows) > most:
            notes.append(f"{ITEMS[items]}: {most} of {len(rows):,} are scored, drawn at random (seed {seed}).")
            rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
        if len(rows) < MIN_ITEMS:
            notes.append(f"{ITEMS[items]}: {counted(len(rows), 'item')}, too few to score (there must be {MIN_ITEMS}).")
            continue
        cells += [
            Cell(items, people, rows, names, data.test_rdms is not None) for people, names in groups.items() if names
        ]
    if not any(not cell.in_sample for cell in cells):
        notes.append(
            "Every score is in-sample: nobody and no item was held out. It says how well the model was fitted."
        )
    return cells, notes


def _people(data: HBAMEGData) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the people of either side who can be scored, and what to know of the others."""
    groups, notes = {"train": data.train_people, "held_out": data.held_out_people}, []
    if not data.held_out_people:
        notes.append("Nobody was held out: people's RDMs are those of people trained on.")
    if data.test_rdms is None:
        return groups, notes
    there = set(data.test_rdms.subjects)
    without = [name for names in groups.values() for name in names if name not in there]
    if without:
        notes.append(f"{join_names(without)}: no RDMs of other sessions, and not scored.")
    return {side: tuple(name for name in names if name in there) for side, names in groups.items()}, notes
