"""Means over the subjects that were drawn."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray


def scores_of(similarities: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the means of ``similarities``, shape (resample or 1, subject, model), by ``weights`` (resample, subject).

    Each subject counts as often as it was drawn; NaN where the similarity of one that was drawn is undefined.
    """
    total = np.zeros((len(weights), similarities.shape[-1]))
    # one subject after the other: the same bits however many resamples are taken together
    for s, weight in enumerate(weights.T):
        # what was not drawn may be undefined
        total += np.where(weight[:, None] > 0, weight[:, None] * similarities[:, s], 0.0)
    return np.asarray(total / weights.sum(axis=1)[:, None])


def means_of_bounds(bounds: FloatArray, weights: FloatArray) -> FloatArray:
    """Return mean (lower, upper), shape (..., 2), of those per subject, (..., 2, subject), each counted once.

    NaN where fewer than two different subjects were drawn, or the bound of one of them is undefined.
    """
    drawn = weights > 0
    total = np.zeros(bounds.shape[:-1])
    for s in range(weights.shape[-1]):
        total += np.where(drawn[..., None, s], bounds[..., s], 0.0)
    n_drawn = drawn.sum(axis=-1)
    total /= n_drawn[..., None]
    total[n_drawn < 2] = np.nan
    return total
