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
#: At most so many items of a side are scored: there are many more pairs than items, of every person at every time.
MAX_ITEMS = 300
#: What a note holds that says that every score is.
IN_SAMPLE = "in-sample"
#: What tells most comes first.
ITEMS: Mapping[str, str] = {
    "held_out": "held-out items",
    "val": "validation items (chosen on)",
    "train": "trained items",
}
PEOPLE: Mapping[str, str] = {"train": "trained people", "held_out": "held-out people"}


_NO_PERSON = "No person was held out: people's RDMs are those of people trained on."


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
    known : {"", "people", "items", "items and people"}
        What of it the group's model was trained on, at which a person's started, besides what the person's was.
    """

    items: str
    people: str
    rows: IntArray
    names: tuple[str, ...]
    other_sessions: bool
    known: str = ""

    @property
    def in_sample(self) -> bool:
        """Whether the model was trained on these items of these people."""
        return self.items == self.people == "train"

    @property
    def name(self) -> str:
        """What the cell is called, which says plainly what is in-sample."""
        group = f"the group's model was trained on such {self.known}"
        marks = ("in-sample", self.in_sample), ("other sessions", self.other_sessions), (group, bool(self.known))
        said = [text for text, so in marks if so]
        return f"{ITEMS[self.items]} x {PEOPLE[self.people]}" + (f" ({', '.join(said)})" if said else "")


def cells_of(data: HBAMEGData, /, *, seed: int, most: int = MAX_ITEMS) -> tuple[list[Cell], list[str]]:
    """Return every cell that has four items and a person, and what to know of those that are left out.

    Where there are RDMs of other sessions these are taken, and people who have none are left out.

    Parameters
    ----------
    data : HBAMEGData
    seed : int
        Of the items that are drawn where a side has more than ``most``.
    most : int
        Number of items of each side that are scored at most.
    """
    groups, notes = _people(data)
    cells = []
    for items in ITEMS:
        rows: IntArray = getattr(data, items)
        if len(rows) > most:
            notes.append(told_drawn(items, most, len(rows), seed))
            rows = drawn(rows, most, seed)
        if len(rows) < MIN_ITEMS:
            if len(rows):
                few = f"{counted(len(rows), 'item')}, too few to score (there must be {MIN_ITEMS})"
                notes.append(f"{ITEMS[items]}: {few}.")
            continue
        cells += [
            Cell(items, people, rows, names, data.test_rdms is not None, _known(data, items, people, rows, names))
            for people, names in groups.items()
            if names
        ]
    if all(cell.in_sample for cell in cells):
        # one sentence for all, which the data may have given
        said = any(IN_SAMPLE in note for note in data.notes)
        why = "no person and no item was held out that could be scored"
        notes = [note for note in notes if note != _NO_PERSON]
        notes += [] if said else [f"Every score is {IN_SAMPLE} ({why}): it says how well the model was fitted."]
    return cells, notes


def _known(data: HBAMEGData, items: str, people: str, rows: IntArray, names: tuple[str, ...]) -> str:
    """Return what of a cell the group's model was trained on and the person's own was not."""
    labels = {data.labels[row] for row in rows}
    both = {
        "items": items != "train" and bool(labels & set(data.group_items)),
        "people": people != "train" and bool(set(names) & set(data.group_people)),
    }
    return " and ".join(what for what, so in both.items() if so)


def drawn(rows: IntArray, most: int, seed: int, /) -> IntArray:
    """Return rows, of more than ``most`` so many drawn at random, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def told_drawn(items: str, most: int, n: int, seed: int, /) -> str:
    """Return the note that some items of a side were drawn."""
    return f"{ITEMS[items]}: {most} of {n:,} are scored, drawn at random (seed {seed})."


def _people(data: HBAMEGData) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the people of either side who can be scored, and what to know of the others."""
    groups, notes = {"train": data.train_people, "held_out": data.held_out_people}, []
    if not data.held_out_people:
        notes.append(_NO_PERSON)
    if data.test_rdms is None:
        return groups, notes
    there = set(data.test_rdms.subjects)
    without = [name for names in groups.values() for name in names if name not in there]
    if without:
        notes.append(f"{join_names(without)}: no RDMs of other sessions, and not scored.")
    return {side: tuple(name for name in names if name in there) for side, names in groups.items()}, notes
