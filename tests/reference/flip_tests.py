"""Sign-flip tests as plain loops: every pattern in turn, a flood fill for clusters, heights one by one for TFCE."""

from __future__ import annotations

import itertools
import math

import numpy as np


def t_values(x):
    """Return the t of every cell of x, shape (subjects, ...); a cell whose values are all equal counts as infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return x.mean(axis=0) / (x.std(axis=0, ddof=1) / math.sqrt(len(x)))


def flips(n, tail):
    """Return all sign patterns; two-sided, those of subjects after the first."""
    fixed = [(1.0,)] if tail == "two-sided" else [(1.0, -1.0)]
    return [np.array(signs) for signs in itertools.product(*fixed, *[(1.0, -1.0)] * (n - 1))]


def grid_neighbours(cell, shape):
    for axis in range(len(shape)):
        for step in (-1, 1):
            other = list(cell)
            other[axis] += step
            if 0 <= other[axis] < shape[axis]:
                yield tuple(other)


def clusters(values, threshold, tail, touching=grid_neighbours):
    """Return the sets of touching cells beyond the threshold, in the order of their first cells."""
    found, seen = [], set()
    for cell in np.ndindex(values.shape):
        for sign in (1, -1):
            if (tail == "greater" and sign < 0) or (tail == "less" and sign > 0):
                continue
            if cell in seen or not sign * values[cell] > threshold:
                continue
            members, queue = [], [cell]
            seen.add(cell)
            while queue:
                one = queue.pop()
                members.append(one)
                for other in touching(one, values.shape):
                    if other not in seen and sign * values[other] > threshold:
                        seen.add(other)
                        queue.append(other)
            found.append(sorted(members))
    return found


def directed(value, tail):
    return abs(value) if tail == "two-sided" else value if tail == "greater" else -value


def cluster_test(x, threshold, tail):
    """Return the clusters, their masses and exact p-values."""
    observed = t_values(x)
    found = clusters(observed, threshold, tail)
    mass = [sum(observed[cell] for cell in cluster) for cluster in found]
    null = []
    for signs in flips(len(x), tail):
        t = t_values(x * signs.reshape(-1, *[1] * (x.ndim - 1)))
        sums = [directed(sum(t[c] for c in cluster), tail) for cluster in clusters(t, threshold, tail)]
        null.append(max(sums, default=0.0))
    p = [np.mean([value >= directed(m, tail) - 1e-9 for value in null]) for m in mass]
    return found, mass, p


def max_test(x, tail):
    """Return exact p-values per cell, and those corrected by the largest statistic."""
    observed = directed_map(t_values(x), tail)
    null = [directed_map(t_values(x * signs[:, None]), tail) for signs in flips(len(x), tail)]
    p = np.mean([t >= observed - 1e-9 for t in null], axis=0)
    corrected = np.mean([t.max() >= observed - 1e-9 for t in null], axis=0)
    return p, corrected


def directed_map(values, tail):
    return np.array([directed(v, tail) for v in values.ravel()]).reshape(values.shape)


def tfce(values, tail, step=None, e_power=0.5, h_power=2.0, touching=grid_neighbours):
    """Return TFCE scores: the sum over heights in steps, or, between the values that occur, the integral."""
    score = np.zeros(values.shape)
    if step is None:
        heights = sorted({directed(v, tail) for v in values.ravel() if directed(v, tail) > 0})
        bands = [
            ((low + high) / 2, (high ** (h_power + 1) - low ** (h_power + 1)) / (h_power + 1))
            for low, high in itertools.pairwise([0.0, *heights])
        ]
    else:
        n = math.ceil(max(0.0, *(directed(v, tail) for v in values.ravel())) / step)
        bands = [(k * step, (k * step) ** h_power * step) for k in range(1, n)]
    for height, weight in bands:
        for cluster in clusters(values, height, tail, touching):
            for cell in cluster:
                score[cell] += len(cluster) ** e_power * weight
    return score
