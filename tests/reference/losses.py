"""Losses on embeddings as plain loops over items, pairs and triplets."""

from __future__ import annotations

import itertools
import math


def dot(a, b):
    return math.fsum(float(p) * float(q) for p, q in zip(a, b, strict=True))


def softmax(values):
    top = max(values)
    weights = [math.exp(value - top) for value in values]
    return [weight / math.fsum(weights) for weight in weights]


def pair_probabilities(x, triple):
    """How likely each pair of a triplet is kept: the first two, the outer two, the last two."""
    i, j, k = triple
    return softmax([dot(x[i], x[j]), dot(x[i], x[k]), dot(x[j], x[k])])


def soft_triplets(x, y):
    terms = []
    for triple in itertools.combinations(range(len(x)), 3):
        p, q = pair_probabilities(x, triple), pair_probabilities(y, triple)
        terms.append(-math.fsum(b * math.log(a) for a, b in zip(p, q, strict=True)))
    return math.fsum(terms) / len(terms)


def answers(x, triplets):
    terms = [-math.log(pair_probabilities(x, triple)[0]) for triple in triplets]
    return math.fsum(terms) / len(terms)


def agreeing(x, y):
    same = [
        max(range(3), key=pair_probabilities(x, triple).__getitem__)
        == max(range(3), key=pair_probabilities(y, triple).__getitem__)
        for triple in itertools.combinations(range(len(x)), 3)
    ]
    return sum(same) / len(same)


def pearson(a, b):
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    a, b = [v - mean_a for v in a], [v - mean_b for v in b]
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def rdm(x):
    x = [[float(v) for v in row] for row in x]
    return [1 - pearson(x[i], x[j]) for i, j in itertools.combinations(range(len(x)), 2)]


def rdm_loss(x, y):
    return 1 - pearson(rdm(x), rdm(y))
