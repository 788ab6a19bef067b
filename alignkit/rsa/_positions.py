"""Positions along an axis: whole numbers or a mask, checked before anything is taken."""

from __future__ import annotations

import numpy as np

from alignkit._check import as_array, shown
from alignkit._typing import AnyArray


def as_positions(name: str, where: object, n: int) -> int | AnyArray:
    """Return one position or an array of them, non-negative, from positions or a mask of ``n`` booleans.

    Raises
    ------
    TypeError
        Neither whole numbers nor such a mask.
    ValueError
        No position at all, or one beyond the axis.
    """
    index = as_array(name, where)
    if index.dtype == bool and index.shape == (n,):
        index = np.flatnonzero(index)
    if index.size == 0 and index.ndim == 1:
        msg = f"{name}: the selection is empty."
        raise ValueError(msg)
    if index.dtype.kind not in "iu" or index.ndim > 1:
        msg = f"{name} must be whole-number positions, or a mask of {n} booleans; got {shown(where)}."
        raise TypeError(msg)
    if (index < -n).any() or (index >= n).any():
        msg = f"{name} must lie between 0 and {n - 1}; got {int(index.flat[np.argmax(np.abs(index))])}."
        raise ValueError(msg)
    index = index.astype(np.intp)  # before any sum: eight bits hold no n above 127
    index = np.where(index < 0, index + n, index)
    return int(index) if index.ndim == 0 else index


def as_many_positions(name: str, where: object, n: int) -> AnyArray:
    """Return an array of positions; one alone is refused, because it would drop the axis."""
    index = as_positions(name, where, n)
    if isinstance(index, int):
        msg = f"{name} must be a sequence of positions; got {shown(where)}."
        raise TypeError(msg)
    return index
