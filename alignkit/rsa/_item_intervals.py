"""Intervals of means over answers that hold for other items too: items are drawn again, and triplets with them."""

from __future__ import annotations

import numpy as np

from alignkit._random import spawn
from alignkit._threads import each
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._grouping import group_codes, sum_groups
from alignkit.rsa._intervals import percentile_bounds


def item_intervals(
    values: FloatArray,
    items: IntArray,
    groups: IntArray | None = None,
    *,
    n_bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Return percentile intervals of the means of columns, both items and triplets being drawn with replacement.

    An answer counts as often as its triplet was drawn times as often as each of its items was (the pigeonhole
    bootstrap; Owen 2007, https://doi.org/10.1214/07-AOAS122): what two triplets share, they share in every resample.

    Parameters
    ----------
    values : ndarray, shape (n, k)
        One row per answer.
    items : ndarray of int, shape (n, m)
        The items that each answer is about.
    groups : ndarray of int, shape (n,), optional
        Number of the triplet of each answer; None: each on its own.
    n_bootstrap : int
        Resamples; 0 for no interval.
    confidence : float
        Coverage.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    tuple of ndarray
        Lower and upper ends, each of shape (k,); NaN without resamples.
    """
    k = values.shape[1]
    n_groups, code = group_codes(groups) if groups is not None else (len(values), np.arange(len(values)))
    if n_bootstrap == 0 or n_groups < 2:
        nothing = np.full(k, np.nan)
        return nothing, nothing.copy()
    n_items, number = group_codes(items)
    number = number.reshape(items.shape)
    if groups is None:
        sums, sizes, places = values, np.ones(len(values)), number
    else:
        example = np.empty(n_groups, dtype=np.int64)
        example[code] = np.arange(len(values))
        sums = sum_groups(values, code, n_groups)
        sizes, places = np.bincount(code).astype(np.float64), number[example]
    rows = np.column_stack([sums, sizes])
    columns = np.ascontiguousarray(places.T)
    samples = np.empty((n_bootstrap, k))
    children = spawn(rng, n_bootstrap)

    def draw(b: int) -> None:
        own = children[b]
        times = np.bincount(own.integers(0, n_items, n_items), minlength=n_items).astype(np.float64)
        weight = np.bincount(own.integers(0, n_groups, n_groups), minlength=n_groups).astype(np.float64)
        for column in columns:
            weight *= times[column]
        total = weight @ rows
        samples[b] = total[:k] / total[k] if total[k] > 0 else np.nan

    each(draw, range(n_bootstrap))
    return percentile_bounds(samples, confidence)
