"""Noise ceilings from the products of subjects' RDMs, in many resamples at once."""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray

#: Share of what subjects could add up to below which rounding tells in the length of their sum.
_CANCELLED = 1e-3


def gram_bounds(
    gram: FloatArray, lengths: FloatArray, scales: FloatArray, weights: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Return (lower, upper) per subject, shape (resample, 2, subject), and the resamples in which sums cancel out.

    Parameters
    ----------
    gram : ndarray, shape (resample, subject, subject)
        Products of the RDMs.
    lengths : ndarray, shape (resample, subject)
        Their lengths; NaN for one that has no similarity to anything.
    scales : ndarray, shape (resample, subject)
        What each is divided by before they are averaged.
    weights : ndarray, shape (resample, subject)
        How often each was drawn. Who was not drawn has no bounds, and no part in those of others.
    """
    drawn = weights > 0
    own = np.square(lengths)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(drawn, weights / scales, 0.0)
        with_all = (share[:, None] @ np.where(drawn[:, :, None], gram, 0.0))[:, 0]
        squared = _sum(with_all * share)[:, None]
        squared_rest = squared - 2 * share * with_all + share**2 * own
        upper = with_all / (lengths * np.sqrt(squared))
        lower = (with_all - share * own) / (lengths * np.sqrt(squared_rest))
        pieces = np.where(drawn, share * lengths, 0.0)
        reach = _sum(pieces)[:, None]
        reach_rest = reach - pieces
        cancelled = (squared < _CANCELLED * reach**2) | (squared_rest < _CANCELLED * reach_rest**2)
    several = drawn.sum(axis=1) > 1
    return np.clip(np.stack([lower, upper], axis=1), -1.0, 1.0), (cancelled & drawn).any(axis=1) & several


def _sum(x: FloatArray) -> FloatArray:
    # one subject after the other: the same bits however many resamples are taken together
    total = np.zeros(len(x))
    for column in x.T:
        total += column
    return total
