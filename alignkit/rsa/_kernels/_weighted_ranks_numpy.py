"""Ranks of pairs of items that count several times, in plain numpy: the oracle of the compiled kernel."""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray


def whole_midranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the mid-ranks of values of which each is there as often as its weight says; less their mean, doubled.

    Weight below, and half of the weight at the value: whole numbers, whose weighted sum is zero.
    """
    _, level = np.unique(values, return_inverse=True)
    at = np.bincount(level, weights)
    return np.asarray((2 * np.cumsum(at) - at - weights.sum())[level])


def resampled_ranks(
    rows: FloatArray, valid: BoolArray, counts: IntArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return products of the ranks of RDMs, and of the ranks of sums of subjects' ranks, in resamples of items.

    Parameters
    ----------
    rows : ndarray, shape (row, pairs)
        RDMs; subjects first.
    valid : ndarray of bool, shape (pairs,)
        Which pairs count.
    counts : ndarray of int, shape (resample, items)
        How often each item was drawn.
    weights : ndarray, shape (m, resample, subject)
        How often each subject was drawn, in each of m ways.

    Returns
    -------
    total : ndarray, shape (resample,)
        Number of pairs.
    products : ndarray, shape (resample, subject + 1, row)
        Of subjects' ranks with those of all rows; and, in the last line, of every row's with themselves.
    crossed, own : ndarray, shape (m, resample, 2, subject)
        Products of a subject's ranks with those of the sum of all others (0) and of all (1), and of the latter with
        themselves. Zero for subjects that were not drawn and, the first, for one that was drawn alone.
    """
    n_subjects = weights.shape[-1]
    first, second = np.triu_indices(counts.shape[1], k=1)
    total = np.zeros(len(counts))
    products = np.zeros((len(counts), n_subjects + 1, len(rows)))
    crossed = np.zeros((len(weights), len(counts), 2, n_subjects))
    own = np.zeros_like(crossed)
    for b, times in enumerate(counts):
        there = np.flatnonzero((times[first] * times[second] > 0) & valid)
        if not there.size:
            continue
        weight = (times[first[there]] * times[second[there]]).astype(np.float64)
        total[b] = weight.sum()
        ranks = np.array([whole_midranks(row, weight) for row in rows[:, there]])
        products[b, :-1] = (ranks[:n_subjects] * weight) @ ranks.T
        products[b, -1] = (ranks**2 * weight).sum(axis=1)
        for m, drawn in enumerate(weights[:, b]):
            crossed[m, b], own[m, b] = _of_sums(ranks[:n_subjects], weight, drawn)
    return total, products, crossed, own


def _of_sums(ranks: FloatArray, weight: FloatArray, drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    crossed = np.zeros((2, len(ranks)))
    own = np.zeros_like(crossed)
    everybody = whole_midranks(drawn @ ranks, weight)
    for s in np.flatnonzero(drawn):
        others = drawn.copy()
        others[s] = 0.0
        rest = whole_midranks(others @ ranks, weight) if others.any() else np.zeros(weight.size)
        for side, pooled in enumerate((rest, everybody)):
            crossed[side, s] = (pooled * weight) @ ranks[s]
            own[side, s] = (pooled * weight) @ pooled
    return crossed, own
