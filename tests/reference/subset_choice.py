"""Plain loops: how often a pair of items is kept together, over all triplets of a subset."""

from __future__ import annotations

import math
from collections.abc import Sequence


def choice_dissimilarities(rows: Sequence[Sequence[float]]) -> list[float]:
    """Return 1 - mean choice probability of each pair (upper triangle, row by row), third items from the same rows."""
    n = len(rows)
    dot = [[sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) for j in range(n)] for i in range(n)]
    weight = [[math.exp(value) for value in line] for line in dot]
    result = []
    for i in range(n):
        for j in range(i + 1, n):
            kept = [weight[i][j] / (weight[i][j] + weight[i][k] + weight[j][k]) for k in range(n) if k not in (i, j)]
            result.append(1 - sum(kept) / len(kept))
    return result
