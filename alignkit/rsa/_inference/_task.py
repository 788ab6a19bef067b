"""What is compared in every resample, and how."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._check import check_choice
from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._matrix_methods import BURES, COMPARISON_METHODS
from alignkit.rsa._pooling import check_pooling


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Subjects, models and a method.

    ``data`` has shape (subject, pairs), ``models`` (model, pairs); ``valid`` says which pairs of items count. Pairs
    that do not count hold zeros.
    """

    data: FloatArray
    models: FloatArray
    valid: BoolArray
    method: str
    pooling: str = "rank"
    sigma_k: FloatArray | None = None
    ceilings: bool = True
    #: Where torch does the sums; None: numpy does.
    device: str | None = None

    @property
    def n_items(self) -> int:
        """Number of items."""
        return n_items_of(self.valid.size)

    def row(self, k: int) -> FloatArray:
        """Return RDM ``k``, subjects first."""
        n = len(self.data)
        return self.data[k] if k < n else self.models[k - n]


def task_of(
    data: FloatArray,
    models: FloatArray,
    method: str,
    *,
    pooling: str = "rank",
    sigma_k: FloatArray | None = None,
    ceilings: bool = True,
    device: str | None = None,
) -> Task:
    """Return the task; a pair of items that is NaN in every RDM is left out.

    Raises
    ------
    ValueError
        An unknown method or pooling, rows of different lengths, or NaN that the RDMs do not have in common.
    """
    check_choice("method", method, COMPARISON_METHODS)
    if method in BURES:
        ceilings = False  # no mean RDM in closed form
    if ceilings:
        check_pooling(method, pooling)
    if data.shape[-1] != models.shape[-1]:
        msg = f"data and models must hold the same pairs of items; got {data.shape[-1]} and {models.shape[-1]} pairs."
        raise ValueError(msg)
    missing = [np.isnan(rows) for rows in (data, models)]
    valid = ~np.logical_and.reduce([rows.all(axis=0) for rows in missing])
    if any(rows[:, valid].any() for rows in missing):
        msg = "NaN must be common to all RDMs of a bootstrap; set a pair that is NaN in one of them to NaN in all."
        raise ValueError(msg)
    if not valid.all():
        data, models = (np.where(valid, rows, 0.0) for rows in (data, models))
    return Task(data, models, np.asarray(valid), method, pooling, sigma_k, ceilings, device)
