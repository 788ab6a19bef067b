"""Ties that matrix products break: pairs of discrete patterns that are equally far apart get one value again."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._check import is_tensor
from alignkit.rsa._arrays import Array
from alignkit.rsa._namespace import namespace

#: Dissimilarities looked at to tell discrete patterns from continuous ones.
_SAMPLE = 4096


def restore_ties(values: Array, *, absolute: float = 0.0, relative: float = 0.0) -> Array:
    """Return dissimilarities in which those that only rounding tells apart are equal.

    One-hot codes, counts and ratings have many pairs at exactly the same distance. A matrix product adds their terms
    in different orders, and rank statistics would see order in the last digit. Values are sorted, and runs whose
    neighbours lie within the tolerance take the run's smallest value. Continuous patterns have no such runs: a sample
    shows that, and they are returned as they came.

    Parameters
    ----------
    values : ndarray or tensor, shape (..., pairs)
        Not negative; an array is changed in place.
    absolute, relative : float
        Largest gap within a run: ``absolute + relative * value``.

    Returns
    -------
    ndarray or tensor, shape (..., pairs)
    """
    if is_tensor(values):
        return _restore_in_tensor(values, absolute, relative)
    for row in values.reshape(-1, values.shape[-1]):
        sample = np.sort(row[:: -(-row.size // _SAMPLE)])
        if _joined(sample, absolute, relative).any():
            order = np.argsort(row)
            ordered = row[order]
            first = np.flatnonzero(np.r_[True, ~_joined(ordered, absolute, relative)])
            row[order] = np.repeat(ordered[first], np.diff(np.r_[first, row.size]))
    return values


def _joined(ordered: Array, absolute: float, relative: float) -> Any:
    return ordered[..., 1:] - ordered[..., :-1] <= absolute + relative * ordered[..., 1:]


def _restore_in_tensor(values: Array, absolute: float, relative: float) -> Array:
    torch = namespace(values)
    rows = values.detach().reshape(-1, values.shape[-1])
    sample = rows[:, :: -(-rows.shape[-1] // _SAMPLE)].sort(dim=-1).values
    discrete = _joined(sample, absolute, relative).any(dim=-1)
    if not discrete.any():
        return values
    ordered, order = rows.sort(dim=-1)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[:, 1:] = ~_joined(ordered, absolute, relative)
    start = torch.where(first, torch.arange(rows.shape[-1], device=rows.device), 0).cummax(dim=-1).values
    tied = torch.empty_like(rows).scatter_(-1, order, ordered.gather(-1, start))
    # added, so that the gradient stays that of the values; close numbers differ by an exact amount
    return values + torch.where(discrete[:, None], tied - rows, 0.0).reshape(values.shape)
