"""Triplets with a teacher's similarities, in memory: what a student learns from and is validated on."""

from __future__ import annotations

import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt

from alignkit._check import join_names
from alignkit._typing import IntArray, PathLike
from alignkit.align import open_triplets

#: Triplets that are read at once.
_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class TeacherTriplets:
    """Triplets of named images, and how similar a teacher finds each two of them.

    Parameters
    ----------
    names : tuple of str
        Of the images.
    items : ndarray of int32, shape (n, 3)
        Which images, by their places in ``names``.
    similarities : ndarray of float32, shape (n, 3)
        Of images 0 and 1, 0 and 2, 1 and 2.
    arm : str or None
        What the file says its similarities are.
    """

    names: tuple[str, ...]
    items: npt.NDArray[np.int32]
    similarities: npt.NDArray[np.float32]
    arm: str | None = None

    @classmethod
    def read(cls, path: PathLike, /, n: int | None = None) -> Self:
        """Read the first ``n`` triplets of a file, or all; names are those that occur in these.

        Raises
        ------
        FileNotFoundError, ValueError, ImportError
            As :func:`alignkit.align.open_triplets`.
        """
        file = open_triplets(path)
        n = len(file) if n is None else min(n, len(file))
        items = np.empty((n, 3), dtype=np.int32)
        similarities = np.empty((n, 3), dtype=np.float32)
        for start in range(0, n, _BLOCK):
            stop = min(start + _BLOCK, n)
            items[start:stop], similarities[start:stop] = file.block(start, stop)
        used = np.zeros(len(file.names), dtype=bool)
        used[items.ravel()] = True
        place = np.cumsum(used, dtype=np.int32) - 1
        names = tuple(file.names[number] for number in np.flatnonzero(used))
        return cls(names, place[items].astype(np.int32, copy=False), similarities, file.arm)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"<TeacherTriplets {len(self):,} of {len(self.names):,} images>"

    def take(self, rows: IntArray | slice) -> Self:
        """Return some of the triplets; names stay."""
        return dataclasses.replace(self, items=self.items[rows], similarities=self.similarities[rows])

    def within(self, names: IntArray, /) -> Self:
        """Return the triplets all of whose images are among these places of names."""
        inside = np.zeros(len(self.names), dtype=bool)
        inside[names] = True
        return self.take(np.flatnonzero(np.all(inside[self.items], axis=1)))

    def renamed(self, names: tuple[str, ...], /) -> Self:
        """Return the same triplets numbered by other names, of which theirs are some.

        Raises
        ------
        ValueError
            A name that is not among them.
        """
        number = {name: place for place, name in enumerate(names)}
        missing = [name for name in self.names if name not in number]
        if missing:
            msg = f"there are triplets of images that are not known: {join_names(missing)}."
            raise ValueError(msg)
        place = np.array([number[name] for name in self.names], dtype=np.int32)
        return dataclasses.replace(self, names=names, items=place[self.items])

    def shuffled(self, seed: int, /) -> Self:
        """Return triplets in which every image stands for another one, the same throughout: a control."""
        order = np.random.default_rng(seed).permutation(len(self.names)).astype(np.int32)
        return dataclasses.replace(self, items=order[self.items])
