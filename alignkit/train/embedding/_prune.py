"""Which dimensions answers need, and their order."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray, IntArray


def needed_values(values: FloatArray, threshold: float, /) -> IntArray:
    """Return the columns whose largest value is above a threshold, by decreasing sum.

    Examples
    --------
    >>> needed_values(np.array([[0.5, 0.0, 2.0], [0.4, 0.05, 0.0]]), 0.1)
    array([2, 0])
    """
    return _by_sum(values, np.flatnonzero(values.max(axis=0, initial=0.0) > threshold))


def needed_distributions(mean: FloatArray, sd: FloatArray, /, *, fdr: float, min_items: int) -> IntArray:
    r"""Return the columns in which more than ``min_items`` items are above zero, by decreasing sum.

    A normal posterior is below zero with probability :math:`p = \Phi(-\mu / \sigma)`; Benjamini and Hochberg's
    procedure holds the false discovery rate within each column.

    Examples
    --------
    >>> mean = np.array([[1.0, 0.0], [2.0, 0.1], [1.5, -0.2]])
    >>> needed_distributions(mean, np.full((3, 2), 0.2), fdr=0.05, min_items=2)
    array([0])
    """
    from scipy.special import ndtr

    p = np.sort(ndtr(-mean / sd), axis=0)
    ranks = np.arange(1, len(p) + 1)[:, None]
    below = p <= fdr * ranks / len(p)
    # all p-values up to the largest one below its line are significant
    n_above = np.where(below, ranks, 0).max(axis=0)
    return _by_sum(np.maximum(mean, 0.0), np.flatnonzero(n_above > min_items))


def _by_sum(values: FloatArray, columns: IntArray) -> IntArray:
    order = np.argsort(-values[:, columns].sum(axis=0), kind="stable")
    return columns[order]
