"""Losses on 2AFC judgements and their gradients as plain loops over judgements, sides and dimensions."""

from __future__ import annotations

import math


def norm(a):
    return math.sqrt(math.fsum(v * v for v in a))


def cosine(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True)) / (norm(a) * norm(b))


def distances(three):
    reference, left, right = three
    return 1 - cosine(reference, left), 1 - cosine(reference, right)


def hinge(y, delta, margin):
    """Value and derivative by delta of one vote's loss."""
    return (margin - y * delta, -y) if margin - y * delta > 0 else (0.0, 0.0)


def logistic(y, delta, temperature):
    return math.log1p(math.exp(-y * delta / temperature)), -y / temperature / (1 + math.exp(y * delta / temperature))


def judgement(three, share, vote, setting):
    """Value of one judgement, and its derivative by delta: the votes for right and those for left."""
    left, right = distances(three)
    (for_right, slope_right), (for_left, slope_left) = (vote(y, left - right, setting) for y in (1, -1))
    return share * for_right + (1 - share) * for_left, share * slope_right + (1 - share) * slope_left


def loss(x, shares, vote, setting):
    terms = [judgement(three, share, vote, setting)[0] for three, share in zip(x, shares, strict=True)]
    return math.fsum(terms) / len(terms)


def gradient(x, shares, vote, setting):
    """By every number of every embedding; cos has the gradient (b / |b| - cos a / |a|) / |a| by a."""
    found = []
    for three, share in zip(x, shares, strict=True):
        slope = judgement(three, share, vote, setting)[1] / len(x)
        reference, left, right = three
        rows = [[0.0] * len(reference) for _ in range(3)]
        for position, side, sign in ((1, left, -1.0), (2, right, 1.0)):  # delta = cos(right) - cos(left)
            c, r, s = cosine(reference, side), norm(reference), norm(side)
            for d in range(len(reference)):
                a, b = reference[d] / r, side[d] / s
                rows[0][d] += sign * slope * (b - c * a) / r
                rows[position][d] += sign * slope * (a - c * b) / s
        found.append(rows)
    return found


def odd_one_out(x, vote, setting):
    """Odd one last: the first is closer to the second than to the third, and the second to the first."""
    terms = []
    for first, second, odd in x:
        terms += [
            judgement((one, odd, other), 1, vote, setting)[0] for one, other in ((first, second), (second, first))
        ]
    return math.fsum(terms) / len(terms)
