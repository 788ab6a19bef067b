"""All that a run of CLIP-HBA-MEG knows of its items: images, people's RDMs over time, splits, and answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alignkit._check import counted, join_names
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.meg._slices import Slices
from alignkit.rsa import RDM, Triplets
from alignkit.rsa._container import condensed_rdm
from alignkit.train._splits import Splits, describe_splits

#: Bytes of one person's RDMs that are read at a time.
_BLOCK = 1 << 27


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class HBAMEGData:
    """Items that have images and RDMs over time; made by :func:`read_data`.

    Parameters
    ----------
    labels : tuple of str, shape (items,)
        Names of the items.
    images : tuple of tuples of Path, one per item
        What shows them; one photo may show several items.
    splits : Splits
        Items to train on, to choose on (none where there are too few), and held out.
    rdms : Slices
        RDMs of all people over these items, in this order, read from where they lie.
    test_rdms : Slices or None
        RDMs of some or all of these people from other sessions, over the same items and times.
    train_people, held_out_people : tuple of str
        Whose RDMs are trained on, and whose nothing is trained on.
    times : ndarray, shape (times,)
        Seconds.
    triplets, repeats : Triplets or None
        People's answers to be scored on, and repeated ones that give their ceiling, over ``labels``.
    rdm48 : RDM or None
        People's dissimilarities of those of THINGS' 48 fully sampled objects that have images and RDMs.
    name : str
        Of the RDMs.
    notes : tuple of str
        What a reader should know about the data.
    """

    labels: tuple[str, ...]
    images: tuple[tuple[Path, ...], ...]
    splits: Splits
    rdms: Slices
    test_rdms: Slices | None
    train_people: tuple[str, ...]
    held_out_people: tuple[str, ...]
    times: FloatArray
    triplets: Triplets | None = None
    repeats: Triplets | None = None
    rdm48: RDM | None = None
    name: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        people = f"{counted(len(self.train_people), 'person')} to train on".replace("persons", "people")
        if self.held_out_people:
            people += f", {len(self.held_out_people)} held out"
        return (
            f"<HBAMEGData {len(self.labels):,} items, {len(self.photos):,} images, {counted(len(self.times), 'time')} "
            f"of {self.name}; {people}; {describe_splits(self.splits)}>"
        )

    @property
    def people(self) -> tuple[str, ...]:
        """Names of all people, in the order of ``rdms``."""
        return self.rdms.subjects

    @property
    def photos(self) -> tuple[Path, ...]:
        """All images, once each, in order of first appearance."""
        return tuple(dict.fromkeys(path for paths in self.images for path in paths))

    @property
    def photos_of(self) -> tuple[IntArray, ...]:
        """Where each item's images stand among :attr:`photos`."""
        number = {path: i for i, path in enumerate(self.photos)}
        return tuple(np.array([number[path] for path in paths], dtype=np.int64) for paths in self.images)

    @property
    def train(self) -> IntArray:
        """Rows of the items that weights are fitted to."""
        return self.splits.index("train", self.labels)

    @property
    def val(self) -> IntArray:
        """Rows of the items that epochs are chosen on; none where there are too few items."""
        return self.splits.index("val", self.labels)

    @property
    def held_out(self) -> IntArray:
        """Rows of the items that nothing is fitted to or chosen on."""
        return self.splits.index("held_out", self.labels)

    def movie(self, items: IntArray, people: Sequence[str], /, *, test: bool = False) -> RDM:
        """Return people's RDMs over time of some items.

        Parameters
        ----------
        items : ndarray of int
            Rows of the items, each at most once; the RDMs have their order.
        people : sequence of str
            Names.
        test : bool
            Those of the other sessions.

        Returns
        -------
        RDM
            With the axes ``("subject", "time")``, labels, and times in seconds; float32. Pairs without a number stay
            NaN.

        Raises
        ------
        ValueError
            People who have no such RDMs.
        """
        slices = self.test_rdms if test else self.rdms
        known = () if slices is None else slices.subjects
        missing = [name for name in people if name not in known]
        if missing or slices is None:
            which = "from other sessions" if test else "in the data"
            msg = f"there are no RDMs {which} of {join_names(missing or people)}; there are those of "
            msg += f"{join_names(known) or 'nobody'}."
            raise ValueError(msg)
        part = slices.take(np.asarray(items, dtype=np.int64))
        values: AnyArray = np.empty((len(people), part.n_times, part.n_pairs), dtype=np.float32)
        step = max(1, _BLOCK // (8 * self.rdms.n_pairs))
        for own, name in zip(values, people, strict=True):
            person = part.one(name)
            for start in range(0, part.n_times, step):
                stop = min(start + step, part.n_times)
                own[start:stop] = person.read(start, stop)[0]
        coords = {"subject": np.array(list(people)), "time": self.times}
        return condensed_rdm(values, part.labels, dims=("subject", "time"), coords=coords, metric=part.metric)
