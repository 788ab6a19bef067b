"""Products of RDMs in a block of resamples, and the similarities and ceilings that follow from them alone."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._inference._gram_bounds import gram_bounds
from alignkit.rsa._inference._subject_means import means_of_bounds
from alignkit.rsa._inference._task import Task
from alignkit.rsa._inference._written_out import written_out
from alignkit.rsa._pooling import plain_of
from alignkit.rsa._similarity_methods import undefined_rows

#: Share of what was subtracted from below which a difference has lost digits that count.
_CANCELLED = 1e-3


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Forms:
    """Products of RDMs after centring (and whitening), of which a method is the cosine."""

    data: FloatArray
    """Subjects with subjects: (resample, subject, subject); without ceilings their diagonals alone."""
    crossed: FloatArray
    """Subjects with models: (resample, subject, model)."""
    models: FloatArray
    """Every model with itself: (resample, model)."""
    sizes: FloatArray
    """What the products of every RDM with itself are differences of: (resample, subject + model)."""
    scales: FloatArray
    """What every subject is divided by before subjects are averaged: (resample, subject)."""
    nowhere: BoolArray
    """RDMs that have no similarity to anything in any resample: (subject + model,)."""
    unsafe: BoolArray
    """Resamples whose products may have lost digits whatever their size: (resample,)."""


def outcomes(task: Task, counts: IntArray, weights: FloatArray, forms: Forms) -> tuple[FloatArray, FloatArray]:
    """Return similarities, (resample, subject, model), and mean bounds, (m, resample, 2).

    What rounding could have reached is written out, pair by pair.
    """
    n_subjects = len(task.data)
    own = np.concatenate([np.diagonal(forms.data, axis1=1, axis2=2), forms.models], axis=1)
    undefined, doubtful = _sorted_out(task, counts, ~(own > _CANCELLED * forms.sizes), forms.nowhere)
    lengths = np.sqrt(np.where(undefined | (own <= 0), np.nan, own))
    similarities = np.clip(forms.crossed / lengths[:, :n_subjects, None] / lengths[:, None, n_subjects:], -1.0, 1.0)
    bounds = np.full((len(weights), len(counts), 2), np.nan)
    again = forms.unsafe | doubtful
    if task.ceilings and n_subjects > 1:
        for own_weights, ends in zip(weights, bounds, strict=True):
            per_subject, cancelled = gram_bounds(forms.data, lengths[:, :n_subjects], forms.scales, own_weights)
            ends[:] = means_of_bounds(per_subject, own_weights)
            again |= cancelled
    for b in np.flatnonzero(again):
        similarities[b], bounds[:, b] = written_out(task, counts[b], weights[:, b])
    return similarities, bounds


def nowhere_defined(task: Task) -> BoolArray:
    """Return which RDMs have no similarity to anything over all items, (subject + model,)."""
    parts = [rows if task.valid.all() else rows[:, task.valid] for rows in (task.data, task.models)]
    return np.concatenate([undefined_rows(rows, plain_of(task.method)) for rows in parts])


def _sorted_out(task: Task, counts: IntArray, suspect: BoolArray, nowhere: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Return which RDMs have no similarity to anything in which resample, and the resamples to be done again.

    ``suspect``, (resample, subject + model), marks what is nothing but rounding, or has lost digits to it.
    """
    undefined = np.zeros_like(suspect)
    undefined[:, nowhere] = True
    again = np.zeros(len(suspect), dtype=bool)
    for b in np.flatnonzero((suspect & ~nowhere).any(axis=1)):
        drawn = counts[b] > 0
        if drawn.sum() < 3:
            continue  # undefined in any case
        first, second = np.triu_indices(drawn.size, k=1)
        there = drawn[first] & drawn[second] & task.valid
        rows_in_doubt = np.flatnonzero(suspect[b] & ~nowhere)
        part = np.array([task.row(int(k))[there] for k in rows_in_doubt])
        undefined[b, rows_in_doubt] = there.sum() < 2 or undefined_rows(part, plain_of(task.method))
        again[b] = not undefined[b, rows_in_doubt].all()
    return undefined, again
