"""What each answer costs, and whether it was right: of answers, or of the choice probabilities that stand for them."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray, IntArray


def costs_and_hits(p: FloatArray, soft: FloatArray | None, /) -> tuple[FloatArray, FloatArray]:
    """Return -Σ_k s_k log p_k of every triplet in nats, and the share of s on the most probable item.

    Parameters
    ----------
    p : ndarray, shape (n, 3)
        Probability that each item is the odd one out.
    soft : ndarray, shape (n, 3), or None
        s, the choice probabilities that are learned from; None: the last item was chosen. Ties count as wrong then.

    Returns
    -------
    costs, hits : ndarray, shape (n,)
    """
    if soft is None:
        return -np.log(p[:, 2]), (p[:, 2] > p[:, :2].max(axis=1)).astype(np.float64)
    costs = -(soft * np.log(np.where(soft > 0, p, 1.0))).sum(axis=1)
    hits: FloatArray = np.take_along_axis(soft, p.argmax(axis=1)[:, None], axis=1)[:, 0]
    return costs, hits


def drawn_answers(soft: FloatArray | None, n: int, /) -> IntArray:
    """Return the position of each answer; where there are probabilities, one drawn from these."""
    if soft is None:
        return np.full(n, 2)
    below = np.random.default_rng(0).random((n, 1)) > soft.cumsum(axis=1)[:, :2]
    drawn: IntArray = below.sum(axis=1)
    return drawn
