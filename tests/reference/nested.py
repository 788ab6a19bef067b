"""Choosing a layer on one half of the items and scoring it on the other, by plain loops."""

from __future__ import annotations

import math

from scipy.stats import spearmanr


def nested_credit(credits, items, halves):
    """Mean credit of every answer over the splits in which it lies within a half; the layer is best on the other half.

    ``credits[layer][answer]``; ``halves`` is a list of sets of items (the first halves); None: never within a half.
    """
    n_layers, everything = len(credits), {i for row in items for i in row}
    found = [[] for _ in items]
    for first in halves:
        second = everything - first
        for chosen_on, scored_on in ((first, second), (second, first)):
            basis = [k for k, row in enumerate(items) if set(row) <= chosen_on]
            if not basis:
                continue
            means = [math.fsum(credits[layer][k] for k in basis) / len(basis) for layer in range(n_layers)]
            layer = means.index(max(means))
            for k, row in enumerate(items):
                if set(row) <= scored_on:
                    found[k].append(credits[layer][k])
    return [math.fsum(own) / len(own) if own else None for own in found]


def _similarity(model, person, half):
    pairs = [(i, j) for n, i in enumerate(half) for j in half[n + 1 :]]
    return spearmanr([model[i][j] for i, j in pairs], [person[i][j] for i, j in pairs]).statistic


def nested_similarity(models, people, halves):
    """Mean over halves of every person's similarity to the layer chosen on the other half, and each layer's share."""
    n = len(models[0])
    values, wins = [[] for _ in people], [0] * len(models)
    for first in halves:
        parts = [sorted(first), sorted(set(range(n)) - first)]
        scores = [[[_similarity(m, p, half) for p in people] for m in models] for half in parts]
        for scored_on in (0, 1):
            means = [math.fsum(own) / len(own) for own in scores[1 - scored_on]]
            layer = means.index(max(means))
            wins[layer] += 1
            for person, value in enumerate(scores[scored_on][layer]):
                values[person].append(value)
    return [math.fsum(own) / len(own) for own in values], [w / sum(wins) for w in wins]
