"""Accuracies as whole numbers: how many half decisions of each pair were right."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._check import check_count
from alignkit._typing import AnyArray, FloatArray

#: Decisions that fit: the highest number of an unsigned type stands for a pair without any decision, the one below it
#: for nothing, so that what was never written can be told.
_MOST: dict[np.dtype[Any], int] = {np.dtype(np.uint8): 126, np.dtype(np.uint16): 32766}


def dtype_of_counts(n_decisions: object) -> np.dtype[Any]:
    """Return the smallest unsigned type that holds 0 to 2 ``n_decisions`` and a mark for missing pairs.

    Raises
    ------
    ValueError
        Fewer than one or more than 32,766 decisions.
    TypeError
        No whole number.
    """
    number = check_count("n_decisions", n_decisions, 1)
    for dtype, most in _MOST.items():
        if number <= most:
            return dtype
    msg = f"n_decisions is {number:,}; counts hold at most 32,766 decisions: store the accuracies as floats."
    raise ValueError(msg)


def missing_count(dtype: np.dtype[Any]) -> int:
    """Return the number that stands for a pair without any decision."""
    return int(np.iinfo(dtype).max)


def from_counts(counts: AnyArray, n_decisions: int) -> FloatArray:
    """Return the accuracies of counts of half decisions: correctly rounded, NaN where there is none."""
    # a table of all there are: a tenth of the time that dividing and looking for the mark takes
    levels = np.arange(missing_count(counts.dtype) + 1) / (2 * n_decisions)
    levels[2 * n_decisions + 1 :] = np.nan
    values: FloatArray = levels.take(counts)
    return values


def as_counts(name: str, values: AnyArray, n_decisions: int) -> AnyArray:
    """Return counts of half decisions, from counts or from the accuracies that they stand for.

    Raises
    ------
    ValueError
        Accuracies that are not reached by that many decisions, or counts beyond them.
    """
    dtype = dtype_of_counts(n_decisions)
    if values.dtype.kind in "iu":
        if values.dtype == dtype:
            wrong = (values > 2 * n_decisions) & (values != missing_count(dtype))
        else:
            wrong = (values < 0) | (values > 2 * n_decisions)
        _refuse(wrong, name, values, f"counts of half decisions lie between 0 and {2 * n_decisions}")
        return values.astype(dtype, copy=False)
    most = 2.0 * n_decisions
    missing = np.isnan(values)
    nearest = np.rint(np.clip(values, 0.0, 1.0) * most)
    # accuracies that went through float32 are off by 6e-8 of themselves
    wrong = ~missing & ~(np.abs(values - nearest / most) <= 1e-6)
    _refuse(wrong, name, values, f"accuracies over {n_decisions} decisions are multiples of 1/{2 * n_decisions}")
    return np.where(missing, missing_count(dtype), nearest).astype(dtype)


def _refuse(wrong: AnyArray, name: str, values: AnyArray, why: str) -> None:
    if wrong.any():
        first = values[wrong].flat[0]
        msg = f"{name} holds {first:g}, but {why}; store them as floats (n_decisions=None)."
        raise ValueError(msg)
