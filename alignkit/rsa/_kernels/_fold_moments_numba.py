"""Weighted sums of products over the pairs of items between folds, or within one, compiled."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._kernels._numba import compiled

#: Pairs that are gathered before their products are added up.
_SPAN = 64


def fold_moments(columns: FloatArray, weights: FloatArray, labels: IntArray, n_folds: int) -> FloatArray:
    """Return sums of products over the pairs of two folds, or within one, each pair weighing by both of its items.

    Parameters
    ----------
    columns : ndarray, shape (pairs, columns)
        Values of every pair.
    weights : ndarray, shape (sets, items)
        Of the items in each of several assignments to folds.
    labels : ndarray of int, shape (sets, items)
        The fold of every item; negative where it is in none.
    n_folds : int
        Number of folds.

    Returns
    -------
    ndarray, shape (sets, folds, folds, columns, columns)
        Symmetric in folds and in columns.
    """
    size = columns.shape[1]
    moments = np.zeros((len(labels), n_folds, n_folds, size, size))
    _moments(columns, weights, labels, moments)
    return moments


def fold_sums(columns: FloatArray, weights: FloatArray, labels: IntArray, n_folds: int) -> FloatArray:
    """Return, for every item, sums over its pairs with the items of each fold, which weigh by these items.

    Parameters as in :func:`fold_moments`.

    Returns
    -------
    ndarray, shape (sets, folds, items, columns)
    """
    sums = np.zeros((len(labels), n_folds, labels.shape[1], columns.shape[1]))
    _sums(columns, weights, labels, sums)
    return sums


@compiled
def _moments(columns, weights, labels, moments):  # type: ignore[no-untyped-def]
    n_folds, size = moments.shape[1], columns.shape[1]
    values, weighed = np.empty((size, _SPAN)), np.empty((size, _SPAN))
    for b in range(labels.shape[0]):
        members, starts = _members(labels[b], n_folds)
        for f in range(n_folds):
            for g in range(f, n_folds):
                own = members[starts[f] : starts[f + 1]], members[starts[g] : starts[g + 1]]
                _block(columns, weights[b], own[0], own[1], f == g, values, weighed, moments[b, f, g])
                moments[b, g, f] = moments[b, f, g]


@compiled
def _members(labels, n_folds):  # type: ignore[no-untyped-def]
    # the items of one fold after the other, and where each begins
    starts = np.zeros(n_folds + 1, dtype=np.int64)
    for label in labels:
        if label >= 0:
            starts[label + 1] += 1
    starts = np.cumsum(starts)
    free, members = starts.copy(), np.empty(starts[-1], dtype=np.int64)
    for i in range(labels.size):
        if labels[i] >= 0:
            members[free[labels[i]]] = i
            free[labels[i]] += 1
    return members, starts


@compiled
def _block(columns, weights, left, right, within, values, weighed, moments):  # type: ignore[no-untyped-def]
    n, size, t = weights.size, columns.shape[1], 0
    for a in range(left.size):
        for c in range(a + 1 if within else 0, right.size):
            i, j = min(left[a], right[c]), max(left[a], right[c])
            pair, weight = i * (2 * n - i - 1) // 2 + j - i - 1, weights[i] * weights[j]
            for r in range(size):
                values[r, t] = columns[pair, r]
                weighed[r, t] = weight * columns[pair, r]
            t += 1
            if t == values.shape[1]:
                _add(values, weighed, moments)
                t = 0
    values[:, t:] = weighed[:, t:] = 0.0
    _add(values, weighed, moments)
    for r in range(size):
        for q in range(r):
            moments[q, r] = moments[r, q]


def _added(values, weighed, moments):  # type: ignore[no-untyped-def]
    for r in range(values.shape[0]):
        for q in range(r + 1):
            total = 0.0
            for t in range(_SPAN):
                total += values[r, t] * weighed[q, t]
            moments[r, q] += total


# several terms of a sum at a time
_add = compiled(_added, reorder=True)


@compiled
def _sums(columns, weights, labels, sums):  # type: ignore[no-untyped-def]
    n, size = labels.shape[1], columns.shape[1]
    for b in range(labels.shape[0]):
        pair = 0
        for i in range(n):
            for j in range(i + 1, n):
                f, g = labels[b, i], labels[b, j]
                if f >= 0 and g >= 0:
                    for r in range(size):
                        sums[b, g, i, r] += weights[b, j] * columns[pair, r]
                        sums[b, f, j, r] += weights[b, i] * columns[pair, r]
                pair += 1
