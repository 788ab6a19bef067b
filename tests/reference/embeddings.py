"""SPoSE and VICE as plain loops."""

from __future__ import annotations

import math

import numpy as np


def answer_loss(x, items) -> float:
    """Return the mean of -log p of keeping the first two, one answer after the other."""
    total = 0.0
    for a, b, c in items:
        kept, first, second = x[a] @ x[b], x[a] @ x[c], x[b] @ x[c]
        total -= kept - math.log(math.exp(kept) + math.exp(first) + math.exp(second))
    return total / len(items)


def spose_loss(x, items, *, penalty, negative_penalty) -> float:
    """Return SPoSE's loss: the weight of absolute values is over the number of items."""
    size = below = 0.0
    for row in x:
        for value in row:
            size += abs(value)
            below += max(-value, 0.0)
    return answer_loss(x, items) + penalty / len(x) * size + negative_penalty * below


def vice_penalty(x, mean, sd, n_answers, *, spike, slab, share, family="normal") -> float:
    """Return (log q(X) - log p(X)) / answers at a draw X."""

    def density(value, centre, scale, kind):
        if kind == "normal":
            return math.exp(-0.5 * ((value - centre) / scale) ** 2) / (scale * math.sqrt(2 * math.pi))
        return math.exp(-abs(value - centre) / scale) / (2 * scale)

    total = 0.0
    for value, m, s in zip(np.ravel(x), np.ravel(mean), np.ravel(sd), strict=True):
        prior = share * density(value, 0, spike, family) + (1 - share) * density(value, 0, slab, family)
        total += math.log(density(value, m, s, "normal")) - math.log(prior)
    return total / n_answers


def significant(p, rate) -> int:
    """Return how many hypotheses Benjamini and Hochberg reject: as many as the last one below its line says."""
    rejected = 0
    for rank, value in enumerate(sorted(p), start=1):
        if value <= rate * rank / len(p):
            rejected = rank
    return rejected


def best_match(a, b) -> list[float]:
    """Return each column of a's largest Pearson correlation with a column of b."""
    return [max(float(np.corrcoef(x, y)[0, 1]) for y in b.T) for x in a.T]
