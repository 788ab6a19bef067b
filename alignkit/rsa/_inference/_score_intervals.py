"""Intervals of scores: Student's t, percentiles of resamples, and those corrected for bias and acceleration."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._inference._contrast_variances import resample_variance

Interval = Literal["t", "percentile", "bca"]
#: What each is called in a sentence.
INTERVALS = {
    "t": "t intervals",
    "percentile": "percentile bootstrap intervals",
    "bca": "bias-corrected and accelerated (BCa) bootstrap intervals",
}


def t_interval(score: FloatArray, se: FloatArray, dof: int, confidence: float) -> FloatArray:
    """Return score -/+ the quantile of Student's t times the standard error, shape (2, k)."""
    from scipy.special import stdtrit

    reach = stdtrit(dof, (1 + confidence) / 2) * se
    return np.stack([score - reach, score + reach])


def percentile_interval(samples: FloatArray, confidence: float) -> FloatArray:
    """Return quantiles of the resamples, shape (resample, k), that are defined; NaN with half of them gone."""
    tail = (1 - confidence) / 2
    return _quantiles(samples, np.full((samples.shape[1], 2), [tail, 1 - tail]))


def bca_interval(
    score: FloatArray, samples: FloatArray, left_out: tuple[FloatArray, ...], confidence: float
) -> FloatArray:
    r"""Return Efron's BCa intervals, shape (2, k).

    Parameters
    ----------
    score : ndarray, shape (k,)
        Estimates.
    samples : ndarray, shape (resample, k)
        Resampled ones.
    left_out : tuple of ndarray, shapes (unit, k)
        Estimates without each unit in turn: subjects, items, or both one after the other.
    confidence : float
        Level.

    Notes
    -----
    Quantiles :math:`\Phi(z_0 + (z_0 + z)/(1 - a(z_0 + z)))`; :math:`z_0` from the share of resamples below the
    estimate (ties count half), the acceleration :math:`a = \sum L^3 / (6 (\sum L^2)^{3/2})` with the jackknife's
    influences L on the estimate of all units that are drawn (Efron, 1987, doi:10.1080/01621459.1987.10478410). Factors
    that are crossed contribute their own influences side by side, as strata do.
    """
    from scipy.special import ndtr, ndtri

    defined = ~np.isnan(samples)
    number = np.maximum(defined.sum(axis=0), 1)
    below = ((samples < score) & defined).sum(axis=0) + 0.5 * ((samples == score) & defined).sum(axis=0)
    with np.errstate(invalid="ignore"):
        bias = ndtri(below / number)
        push = bias[:, None] + ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
        levels = ndtr(bias[:, None] + push / (1 - acceleration(left_out)[:, None] * push))
    levels[~np.isfinite(bias)] = np.nan
    return _quantiles(samples, levels)


def acceleration(left_out: tuple[FloatArray, ...]) -> FloatArray:
    """Return a sixth of the skewness of the influences of all units, shape (k,); 0 where none has any."""
    pulls = [(len(rows) - 1) / len(rows) * (rows.mean(axis=0) - rows) for rows in left_out]
    pull = np.concatenate(pulls)
    spread = (pull**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        a = (pull**3).sum(axis=0) / (6 * spread**1.5)
    return np.asarray(np.where(spread > 0, a, np.where(np.isnan(spread), np.nan, 0.0)))


def _quantiles(samples: FloatArray, levels: FloatArray) -> FloatArray:
    bounds = np.full((2, samples.shape[1]), np.nan)
    for j, column in enumerate(samples.T):
        kept = column[~np.isnan(column)]
        if 2 * len(kept) > len(column) and np.isfinite(levels[j]).all():
            bounds[:, j] = np.quantile(kept, levels[j])
    return bounds


def drawn_in(samples: FloatArray, variance: FloatArray) -> FloatArray:
    """Return resamples, shape (resample, k), drawn in around their mean until they have a variance; never apart.

    Resamples of subjects and items at once vary too much for new subjects and new items.
    """
    own = resample_variance(samples)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(own > 0, np.sqrt(np.minimum(variance / own, 1.0)), 1.0)
    mean = np.where(np.isnan(samples), 0.0, samples).sum(axis=0) / np.maximum((~np.isnan(samples)).sum(axis=0), 1)
    return np.asarray(mean + (samples - mean) * factor)
