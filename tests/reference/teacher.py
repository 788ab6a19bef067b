"""What a teacher minimises, as plain loops: over triplets, weights and pairs of items."""

from __future__ import annotations

import math

from reference.triplets import left_over, softmax


def cross_entropy(y, items, probabilities=None):
    costs = []
    for row, triplet in enumerate(items):
        q = softmax(left_over(y, triplet, "dot"))
        p = (0.0, 0.0, 1.0) if probabilities is None else probabilities[row]
        costs.append(-math.fsum(a * math.log(b) for a, b in zip(p, q, strict=True) if a > 0))
    return math.fsum(costs) / len(costs)


def distance_from_identity(weights):
    """Squared distance from the nearest multiple of the identity."""
    n = len(weights)
    mean = math.fsum(weights[j][j] for j in range(n)) / n
    return math.fsum((weights[i][j] - mean * (i == j)) ** 2 for i in range(n) for j in range(n))


def local_term(x, y, tau):
    def shares(z):
        def cosine(i, j):
            return math.fsum(a * b for a, b in zip(z[i], z[j], strict=True)) / (math.hypot(*z[i]) * math.hypot(*z[j]))

        return [softmax([cosine(i, j) / tau for j in range(len(z)) if j != i]) for i in range(len(z))]

    costs = [
        -math.fsum(a * math.log(b) for a, b in zip(p, q, strict=True))
        for p, q in zip(shares(x), shares(y), strict=True)
    ]
    return math.fsum(costs) / len(costs)
