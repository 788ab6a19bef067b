"""Ties that matrix products break: pairs of discrete patterns that are equally far apart get one value again."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray

#: Dissimilarities looked at to tell discrete patterns from continuous ones.
_SAMPLE = 4096


def restore_ties(values: FloatArray, *, absolute: float = 0.0, relative: float = 0.0) -> FloatArray:
    """Return dissimilarities in which those that only rounding tells apart are equal.

    One-hot codes, counts and ratings have many pairs at exactly the same distance. A matrix product adds their terms
    in different orders, and rank statistics would see order in the last digit. Values are sorted, and runs whose
    neighbours lie within the tolerance take the run's smallest value. Continuous patterns have no such runs: a sample
    shows that, and they are returned as they came.

    Parameters
    ----------
    values : ndarray, shape (..., pairs)
        Not negative; changed in place.
    absolute, relative : float
        Largest gap within a run: ``absolute + relative * value``.

    Returns
    -------
    ndarray, shape (..., pairs)
    """
    for row in values.reshape(-1, values.shape[-1]):
        sample = np.sort(row[:: -(-row.size // _SAMPLE)])
        if _joined(sample, absolute, relative).any():
            order = np.argsort(row)
            ordered = row[order]
            first = np.flatnonzero(np.r_[True, ~_joined(ordered, absolute, relative)])
            row[order] = np.repeat(ordered[first], np.diff(np.r_[first, row.size]))
    return values


def _joined(ordered: FloatArray, absolute: float, relative: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(np.diff(ordered) <= absolute + relative * ordered[1:])
