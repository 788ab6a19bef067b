"""Least squares of a few predictors from their products alone, compiled: many systems, one after the other."""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._kernels._numba import compiled

#: Share of a predictor that the others must leave; what they explain to more than that is not solved here.
_LEFT = 1e-4
#: Gradients, in units of the largest product with what is fitted, that are rounding.
_ROUNDING = 1e-14


def small_fits(gram: FloatArray, target: FloatArray, *, nonnegative: bool) -> tuple[FloatArray, BoolArray]:
    """Return the weights w with the least ``w'gram w - 2 target'w``, and where they were not found.

    Lawson and Hanson's active sets (1974) with Cholesky factors of the products.

    Parameters
    ----------
    gram : ndarray, shape (systems, predictors, predictors)
    target : ndarray, shape (systems, predictors)
    nonnegative : bool

    Returns
    -------
    weights : ndarray, shape (systems, predictors)
    left : ndarray of bool, shape (systems,)
        Systems with predictors that are zero or nearly sums of others.
    """
    weights, left = np.zeros(target.shape), np.zeros(len(target), dtype=np.bool_)
    _solve_all(np.ascontiguousarray(gram), np.ascontiguousarray(target), nonnegative, weights, left)
    return weights, left


@compiled
def _solve_all(gram, target, nonnegative, weights, left):  # type: ignore[no-untyped-def]
    n = target.shape[1]
    scaled, factor = np.empty((n, n)), np.empty((n, n))
    goal, sizes, chosen = np.empty(n), np.empty(n), np.empty(n, dtype=np.int64)
    for b in range(len(target)):
        for i in range(n):
            sizes[i] = np.sqrt(max(gram[b, i, i], 0.0))
        if not sizes.min() > 0.0:
            left[b] = True
            continue
        # in units of the predictors' own size, large and small ones are weighed alike
        for i in range(n):
            goal[i] = target[b, i] / sizes[i]
            chosen[i] = i
            for j in range(n):
                scaled[i, j] = gram[b, i, j] / sizes[i] / sizes[j]
        left[b] = not _solve(scaled, goal, chosen, n, factor, weights[b])
        if not left[b] and nonnegative and weights[b].min() < 0.0:
            left[b] = not _solve_nonnegative(scaled, goal, chosen, factor, weights[b])
        for i in range(n):
            weights[b, i] /= sizes[i]


@compiled
def _solve(gram, goal, chosen, n, factor, weights):  # type: ignore[no-untyped-def]
    # of the first n predictors that are chosen; whether that is possible
    for i in range(n):
        for j in range(i + 1):
            total = gram[chosen[i], chosen[j]]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i > j:
                factor[i, j] = total / factor[j, j]
            elif total > _LEFT:
                factor[i, i] = np.sqrt(total)
            else:
                return False
    for i in range(n):
        total = goal[chosen[i]]
        for k in range(i):
            total -= factor[i, k] * weights[k]
        weights[i] = total / factor[i, i]
    for i in range(n - 1, -1, -1):
        total = weights[i]
        for k in range(i + 1, n):
            total -= factor[k, i] * weights[k]
        weights[i] = total / factor[i, i]
    return True


@compiled
def _solve_nonnegative(gram, goal, chosen, factor, weights):  # type: ignore[no-untyped-def]
    n, n_chosen = goal.size, 0
    found = np.zeros(n)
    limit = _ROUNDING * np.abs(goal).max()
    weights[:] = 0.0
    for _ in range(10 * n):
        best, steepest = -1, limit
        for i in range(n):
            if weights[i] == 0.0:
                slope = goal[i]
                for j in range(n):
                    slope -= gram[i, j] * weights[j]
                if slope > steepest:
                    best, steepest = i, slope
        if best < 0:
            return True
        chosen[n_chosen] = best
        n_chosen += 1
        while n_chosen:
            if not _solve(gram, goal, chosen, n_chosen, factor, found):
                return False
            n_left = _step(weights, found, chosen, n_chosen)
            if n_left == n_chosen:
                break
            n_chosen = n_left
    return False


@compiled
def _step(weights, found, chosen, n_chosen):  # type: ignore[no-untyped-def]
    # goes towards what was found until a weight vanishes; returns how many predictors stay chosen
    share, last = 1.0, -1
    for k in range(n_chosen):
        if found[k] <= 0.0:
            before = weights[chosen[k]]
            reached = before / (before - found[k]) if before > 0.0 else 0.0
            if reached <= share:
                share, last = reached, k
    n_left = 0
    for k in range(n_chosen):
        i = chosen[k]
        weights[i] += share * (found[k] - weights[i])
        if k == last or (found[k] <= 0.0 and weights[i] <= 0.0):
            weights[i] = 0.0
        else:
            chosen[n_left] = i
            n_left += 1
    return n_left
