"""Intervals from bootstrap samples and from leaving one subject out."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._mean_interval import expanded_tail

Interval = Literal["expanded", "percentile", "basic", "bca", "jackknife"]

#: What each interval is called in a sentence.
INTERVALS = {
    "expanded": "expanded percentile bootstrap interval",
    "percentile": "percentile bootstrap interval",
    "basic": "basic bootstrap interval",
    "bca": "bias-corrected and accelerated bootstrap interval",
    "jackknife": "jackknife interval",
}


def interval_of(
    kind: Interval,
    value: FloatArray,
    samples: FloatArray,
    left_out: FloatArray | None,
    n_units: int,
    confidence: float,
) -> FloatArray:
    """Return the interval of k statistics, shape (2, k); NaN where it is undefined.

    Parameters
    ----------
    kind : {"expanded", "percentile", "basic", "bca", "jackknife"}
        Which interval.
    value : ndarray, shape (k,)
        The estimates.
    samples : ndarray, shape (n_bootstrap, k)
        Those of resamples; undefined ones are left out, unless they are half of all.
    left_out : ndarray, shape (n_units, k), or None
        Those without each unit in turn, for the last two.
    n_units : int
        Subjects, or sessions of a single one.
    confidence : float
        Level.
    """
    bounds = np.full((2, len(value)), np.nan)
    if n_units < 2 or (kind != "jackknife" and len(samples) == 0):
        return bounds
    for j, estimate in enumerate(value):
        if kind == "jackknife":
            bounds[:, j] = _jackknife(estimate, left_out, j, confidence)
            continue
        kept = samples[~np.isnan(samples[:, j]), j]
        if np.isnan(estimate) or 2 * len(kept) <= len(samples):
            continue
        levels = _levels(kind, estimate, kept, None if left_out is None else left_out[:, j], n_units, confidence)
        if np.isfinite(levels).all():
            bounds[:, j] = np.quantile(kept, levels)
    if kind == "basic":
        bounds = 2 * value - bounds[::-1]
    return bounds


def _levels(
    kind: Interval, value: float, samples: FloatArray, left_out: FloatArray | None, n: int, confidence: float
) -> FloatArray:
    """Return which quantiles of the samples bound the interval."""
    from scipy.special import ndtr, ndtri

    tail = (1 - confidence) / 2
    if kind == "expanded":
        tail = expanded_tail(n, tail)
    if kind != "bca":
        return np.array([tail, 1 - tail])
    bias = ndtri((samples < value).mean() + 0.5 * (samples == value).mean())
    push = bias + ndtri([tail, 1 - tail])
    return np.asarray(ndtr(bias + push / (1 - _acceleration(left_out) * push)))


def _acceleration(left_out: FloatArray | None) -> float:
    """Return Efron's acceleration: a sixth of the skewness of the jackknife's influence values."""
    if left_out is None:
        return float("nan")
    pull = left_out.mean() - left_out
    spread = float((pull**2).sum())
    return float((pull**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0


def _jackknife(value: float, left_out: FloatArray | None, j: int, confidence: float) -> FloatArray:
    if left_out is None:
        return np.full(2, np.nan)
    rows = left_out[:, j]
    n = len(rows)
    error = np.sqrt((n - 1) / n * ((rows - rows.mean()) ** 2).sum())
    return np.asarray(value + np.array([-1.0, 1.0]) * _t_quantile(n - 1, (1 + confidence) / 2) * error)


def _t_quantile(dof: int, level: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(dof, level))
