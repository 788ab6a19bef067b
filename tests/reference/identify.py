"""Identification of people by their own models in plain loops."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.stats import spearmanr


def similarity(people, models):
    """Return the mean over time of Spearman's rho of each person's RDMs (row) and each model (column)."""
    found = np.zeros((len(people), len(models)))
    for i, data in enumerate(people):
        for j, model in enumerate(models):
            found[i, j] = np.mean([spearmanr(data[t], model[t]).statistic for t in range(len(data))])
    return found


def scores(matrix, owner):
    """Return means over people of rank-1, two-way and own minus others, where ``owner[i]`` is whose model i owns."""
    n = len(matrix)
    first, pairs, difference = [], [], []
    for i in range(n):
        own = matrix[i][owner[i]]
        others = [matrix[i][j] for j in range(n) if j != owner[i]]
        ties = 1 + sum(value == own for value in others)
        first.append(1 / ties if own >= max(others) else 0.0)
        pairs.append(np.mean([1.0 if own > value else 0.5 if own == value else 0.0 for value in others]))
        difference.append(own - np.mean(others))
    return {"rank-1": np.mean(first), "two-way": np.mean(pairs), "own - others": np.mean(difference)}


def all_scores(matrix, owner):
    """Return those of the matrix, and of the matrix less each column's mean."""
    less = matrix - matrix.mean(axis=0)
    found = scores(matrix, owner)
    return found | {f"{name}, centred": value for name, value in scores(less, owner).items() if name[0] != "o"}


def p_values(matrix):
    """Return the exact one-sided p of each score over all permutations of owners."""
    n = len(matrix)
    observed = all_scores(matrix, range(n))
    reached = dict.fromkeys(observed, 0)
    orders = list(itertools.permutations(range(n)))
    for order in orders:
        for name, value in all_scores(matrix, order).items():
            reached[name] += value >= observed[name] - 1e-12
    return {name: count / len(orders) for name, count in reached.items()}
