"""Plain loops for the cross-validation of teachers: divisions, scores, neighbours."""

from __future__ import annotations

import math


def sides(items, held_out):
    """Return rows of answers whose items are all held out, and of those that know none of them."""
    out = set(held_out)
    test = [n for n, row in enumerate(items) if all(int(i) in out for i in row)]
    train = [n for n, row in enumerate(items) if not any(int(i) in out for i in row)]
    return train, test


def scores(values, items, n_options=3):
    """Return mean credit (ties shared) and mean -log p of the last option under dot products of rows."""
    credit = cost = 0.0
    for i, j, k in items:
        pairs = [(j, k), (i, k), (i, j)][3 - n_options :]
        logits = [sum(a * b for a, b in zip(values[p], values[q], strict=True)) for p, q in pairs]
        best = [m for m, value in enumerate(logits) if value == max(logits)]
        credit += (len(logits) - 1 in best) / len(best)
        cost += math.log(sum(math.exp(value) for value in logits)) - logits[-1]
    return credit / len(items), cost / len(items)


def neighbours_kept(x, y, k):
    """Return the mean share of each row's k nearest others by cosine that are so in both."""

    def nearest(rows, i):
        def cosine(j):
            dot = sum(a * b for a, b in zip(rows[i], rows[j], strict=True))
            return dot / math.sqrt(sum(a * a for a in rows[i]) * sum(b * b for b in rows[j]))

        others = [j for j in range(len(rows)) if j != i]
        return set(sorted(others, key=cosine, reverse=True)[:k])

    return sum(len(nearest(x, i) & nearest(y, i)) for i in range(len(x))) / (k * len(x))
