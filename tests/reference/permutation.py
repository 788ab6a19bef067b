"""Plain-loop Mantel tests: relabel the items of one square, compare anew, count."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

Vector = Sequence[float]


def relabel(values: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Return the upper triangle of the square whose rows and columns are both in another order."""
    n = len(order)
    square = np.zeros((n, n))
    for value, (i, j) in zip(values, itertools.combinations(range(n), 2), strict=True):
        square[i, j] = square[j, i] = value
    return np.array([square[order[i], order[j]] for i, j in itertools.combinations(range(n), 2)])


def null(
    a: np.ndarray, b: np.ndarray, orders: Iterable[Sequence[int]], similarity: Callable[[Vector, Vector], float]
) -> np.ndarray:
    return np.array([similarity(relabel(a, order), b) for order in orders])


def p_value(observed: float, values: np.ndarray, alternative: str, *, exact: bool) -> float:
    extreme = 0
    for value in values:
        if alternative == "greater":
            extreme += value >= observed - 1e-12
        elif alternative == "less":
            extreme += value <= observed + 1e-12
        else:
            extreme += abs(value) >= abs(observed) - 1e-12
    return extreme / len(values) if exact else (extreme + 1) / (len(values) + 1)


def corrected(observed: np.ndarray, values: np.ndarray) -> list[float]:
    """Return two-sided max-T p-values of statistics, shape (cells,), from random permutations, shape (m, cells)."""
    spread = [np.std([*column, own]) for column, own in zip(values.T, observed, strict=True)]
    largest = [max(abs(value) / s for value, s in zip(row, spread, strict=True)) for row in values]
    return [
        (sum(top >= abs(own) / s - 1e-9 for top in largest) + 1) / (len(values) + 1)
        for own, s in zip(observed, spread, strict=True)
    ]


def distances(rng, n: int = 7, rows: int = 1) -> np.ndarray:
    """Return squared Euclidean RDMs, shape (rows, pairs), which every method takes."""
    points = rng.normal(size=(rows, n, 4))
    square = np.square(points[:, :, None] - points[:, None]).sum(axis=-1)
    return square[:, *np.triu_indices(n, k=1)]
