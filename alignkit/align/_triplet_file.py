"""Triplets on disk with a teacher's similarities, read a stretch at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import check_count
from alignkit._typing import AnyArray, IntArray

Read = Callable[[int, int], tuple[AnyArray, AnyArray]]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class TripletFile:
    """An open file of triplets: which three images, and how similar the teacher finds each two of them.

    Made by :func:`alignkit.align.open_triplets` and :func:`alignkit.align.write_triplets`; nothing but the names is
    in memory where the format allows it. The most similar pair comes first, so the last image is the odd one out.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder.
    names : tuple of str
        Of all images that triplets are drawn from: file names as they were extracted.
    n_triplets : int
        Number of triplets.
    settings : mapping
        What they were made with (``arm``, ``sampling``, ``seed``, ...); empty where a published file does not say.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "t.npz")
    >>> np.savez(path, filenames=[["a", "b", "c"]], similarities=[[9.0, 2.0, 1.0]])
    >>> from alignkit.align import open_triplets
    >>> triplets = open_triplets(path)
    >>> triplets
    <TripletFile 't.npz': 1 triplet of 3 images>
    >>> triplets.block(0, 1)
    (array([[0, 1, 2]]), array([[9., 2., 1.]], dtype=float32))
    """

    path: Path
    names: tuple[str, ...]
    n_triplets: int
    settings: Mapping[str, Any]
    _read: Read

    def __len__(self) -> int:
        """Return the number of triplets."""
        return self.n_triplets

    def __repr__(self) -> str:
        s = "" if self.n_triplets == 1 else "s"
        words = [str(self.settings[key]) for key in ("arm", "sampling") if key in self.settings]
        made = f" ({', '.join(words)})" if words else ""
        return f"<TripletFile {self.path.name!r}: {self.n_triplets:,} triplet{s} of {len(self.names):,} images{made}>"

    @property
    def arm(self) -> str | None:
        """``"aligned"``, ``"untransformed"`` or ``"shuffled"``; None where the file does not say."""
        arm = self.settings.get("arm")
        return None if arm is None else str(arm)

    def block(self, start: int, stop: int) -> tuple[IntArray, AnyArray]:
        """Return the triplets from position ``start`` up to ``stop``.

        Parameters
        ----------
        start, stop : int
            0 <= start < stop <= the number of triplets.

        Returns
        -------
        indices : ndarray of int64, shape (stop - start, 3)
            Positions in :attr:`names`; the last image is the odd one out.
        similarities : ndarray of float32, shape (stop - start, 3)
            Dot products of the teacher's features: of the images 0 and 1, 0 and 2, 1 and 2.

        Raises
        ------
        ValueError
            Positions out of range, or a part of the file that is damaged.
        TypeError
            Positions that are not whole numbers.
        """
        start, stop = check_count("start", start), check_count("stop", stop)
        if not start < stop <= self.n_triplets:
            msg = f"start and stop must hold 0 <= start < stop <= {self.n_triplets:,}; got {start} and {stop}."
            raise ValueError(msg)
        indices, similarities = self._read(start, stop)
        indices = np.asarray(indices, dtype=np.int64)
        if indices.min() < 0 or indices.max() >= len(self.names):
            msg = f"{self.path} is damaged: its triplets point beyond its {len(self.names):,} images."
            raise ValueError(msg)
        return indices, np.asarray(similarities, dtype=np.float32)
