"""Resamples of items that are written out, pair by pair: any method, slowly; what the closed forms leave is done here.

Copies of one item have no dissimilarity: the pair is missing, as in rsatoolbox's ``subsample_pattern``. The Bures
methods compare configurations of points, in which copies stand at the same place: their dissimilarity is zero.
"""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._bures import bures_product, configurations
from alignkit.rsa._inference._pooled_bounds import pooled_bounds
from alignkit.rsa._inference._task import Task
from alignkit.rsa._matrix_methods import BURES, WHITENED
from alignkit.rsa._similarity_methods import METHODS
from alignkit.rsa._whitened import whitened


def written_out(task: Task, counts: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return similarities, shape (subject, model), and mean (lower, upper), shape (m, 2), of one resample of items.

    ``counts``, shape (items,), says how often each item was drawn; ``weights``, shape (m, subject), has one row for
    each ceiling that is asked for.
    """
    nothing = np.full((len(weights), 2), np.nan)
    if task.method in BURES:
        return _bures(task, counts), nothing
    items = np.repeat(np.arange(counts.size), counts)
    position, valid = _pairs_of(items, task.valid)
    if position.size < 2:
        return np.full((len(task.data), len(task.models)), np.nan), nothing
    data, models = task.data[:, position], task.models[:, position]
    sigma_k = None if task.sigma_k is None else task.sigma_k[items]
    if task.method in WHITENED:
        kind = whitened(valid, sigma_k, centred=WHITENED[task.method] == "pearson")
    else:
        kind = METHODS[task.method]
    prepared = kind.prepare(data, "auto")
    similarities = kind.product(prepared, kind.prepare(models, "auto"), "auto")
    return similarities, pooled_bounds(data, task, valid, sigma_k, weights, prepared)


def _pairs_of(items: IntArray, counted: BoolArray) -> tuple[IntArray, BoolArray]:
    """Return the position of every pair of a resample that counts, and which of all its pairs do."""
    n_items = round((1 + np.sqrt(1 + 8 * counted.size)) / 2)
    first, second = (items[side] for side in np.triu_indices(items.size, k=1))
    # the items of a resample are in order: first < second unless they are copies
    position = first * (2 * n_items - first - 1) // 2 + second - first - 1
    valid = first != second
    valid[valid] = counted[position[valid]]
    return position[valid], valid


def _bures(task: Task, counts: IntArray) -> FloatArray:
    if not task.valid.all():
        msg = f"method {task.method!r} needs every pair of items; leave out the items whose pairs are missing."
        raise ValueError(msg)
    items = np.repeat(np.arange(counts.size), counts)
    first, second = (items[side] for side in np.triu_indices(items.size, k=1))
    apart = first != second
    position = np.where(apart, first * (2 * counts.size - first - 1) // 2 + second - first - 1, 0)
    data, models = (configurations(np.where(apart, rows[:, position], 0.0)) for rows in (task.data, task.models))
    return bures_product(data, models, metric=task.method == "bures-metric")
