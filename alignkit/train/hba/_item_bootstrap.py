"""Correlations over objects, or over pairs of objects, with objects drawn with replacement."""

from __future__ import annotations

import numpy as np

from alignkit._threads import one_blas_thread
from alignkit._typing import FloatArray, IntArray


def draw_items(n_items: int, n_bootstrap: int, seed: int) -> FloatArray:
    """Return how often each of ``n_items`` is drawn in each resample, shape (n_bootstrap, n_items)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_items, np.full(n_items, 1 / n_items), size=n_bootstrap).astype(np.float64)


@one_blas_thread()
def resampled_columns(x: FloatArray, y: FloatArray, draws: FloatArray, /) -> FloatArray:
    """Return Pearson's correlation of every column of ``x`` with that of ``y``, over resampled rows.

    Parameters
    ----------
    x, y : ndarray, shape (objects, k)
        NaN anywhere in a column makes its correlations NaN.
    draws : ndarray, shape (n_bootstrap, objects)
        From :func:`draw_items`.

    Returns
    -------
    ndarray, shape (n_bootstrap, k)
        NaN where a column is constant in a resample.
    """
    return np.array([weighted_pearson(x.T, y.T, weights) for weights in draws]).reshape(len(draws), x.shape[1])


@one_blas_thread()
def resampled_rdms(models: FloatArray, people: FloatArray, draws: FloatArray, /, *, ranks: bool) -> FloatArray:
    """Return the correlation of each model's RDM with people's, over resampled objects.

    Pairs of two copies of one object are left out: their dissimilarity is 0 by construction.

    Parameters
    ----------
    models : ndarray, shape (k, pairs)
        Condensed RDMs.
    people : ndarray, shape (pairs,)
        What they are compared with.
    draws : ndarray, shape (n_bootstrap, objects)
        From :func:`draw_items`.
    ranks : bool
        Spearman's correlation in place of Pearson's; pairs are ranked anew in every resample.

    Returns
    -------
    ndarray, shape (n_bootstrap, k)
    """
    i, j = np.triu_indices(draws.shape[1], k=1)
    values = np.vstack([people, models])
    undefined = np.array([bool(np.isnan(row).any()) for row in values])
    levels = [np.unique(row, return_inverse=True)[1] for row in values] if ranks else []
    result = np.empty((len(draws), len(models)))
    for number, times in enumerate(draws):
        weights = times[i] * times[j]
        kept = np.flatnonzero(weights)
        weights = weights[kept]
        rows = np.stack([_ranks(level[kept], weights) for level in levels]) if ranks else values[:, kept]
        result[number] = weighted_pearson(rows[1:], rows[:1], weights)
    result[:, undefined[1:]] = np.nan
    return result if not undefined[0] else np.full_like(result, np.nan)


def weighted_pearson(x: FloatArray, y: FloatArray, weights: FloatArray, /) -> FloatArray:
    """Return the weighted correlation of each row of ``x``, shape (k, n), with that of ``y``, shape (k or 1, n)."""
    kept = weights > 0
    x, y, weights = x[:, kept], y[:, kept], weights[kept]
    if not len(weights):
        return np.full(len(x), np.nan)
    share = weights / weights.sum()
    a, b = x - (x @ share)[:, None], y - (y @ share)[:, None]
    undefined = (np.ptp(x, axis=1) == 0) | (np.ptp(y, axis=1) == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (a * b) @ share / np.sqrt((a**2 @ share) * (b**2 @ share))
    return np.where(undefined, np.nan, r)


def _ranks(levels: IntArray, weights: FloatArray) -> FloatArray:
    """Return mean ranks (but for a constant) of values that occur ``weights`` times, by their numbered levels."""
    times = np.bincount(levels, weights=weights)
    middle: FloatArray = np.cumsum(times) - times / 2
    return middle[levels]
