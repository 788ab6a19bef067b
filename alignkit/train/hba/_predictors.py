"""Who is scored on held-out objects, what each says about them, and what it was fitted to."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.train.hba._data import HBAData

Kind = Literal["dimensions", "logits", "features"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """One model or baseline.

    Parameters
    ----------
    name : str
        What it is called in the table.
    kind : {"dimensions", "logits", "features"}
        Dimensions from 0 to 100; numbers per dimension on another scale; or anything else.
    values : ndarray, shape (objects, channels)
        What it says about each object.
    objects : ndarray of int, shape (objects,)
        Their rows in the data.
    fitted : str
        What was fitted to what.
    learned : bool
        Whether the targets had a part in that.
    """

    name: str
    kind: Kind
    values: FloatArray
    objects: IntArray
    fitted: str
    learned: bool = False

    @property
    def kernel(self) -> str:
        """Similarity that its triplets are scored with: dot products of dimensions, cosines of all else."""
        return "dot" if self.kind == "dimensions" else "cosine"

    def take(self, objects: IntArray, /) -> FloatArray:
        """Return the rows of these objects of the data, in their order."""
        place = {int(number): i for i, number in enumerate(self.objects)}
        rows: FloatArray = np.asarray(self.values[[place[int(number)] for number in objects]], dtype=np.float64)
        return rows


def short_name(data: HBAData, /) -> str:
    """Return what to call the targets in a line: a file without its folder."""
    return data.name.replace("\\", "/").rpartition("/")[2]


def is_spose(data: HBAData, /) -> bool:
    """Return whether the targets are a SPoSE embedding of THINGS, which was fitted to people's answers."""
    return data.name.startswith("SPoSE-")
