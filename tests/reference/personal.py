"""Personal weights on an embedding's dimensions as plain loops over answers and dimensions."""

from __future__ import annotations

import math


def logits(x, answer, log_weights, log_scale):
    """Weighted products of the pair that stays when each item is taken away."""
    i, j, k = answer
    return [
        math.fsum(
            math.exp(w + log_scale) * float(a) * float(b) for w, a, b in zip(log_weights, x[p], x[q], strict=True)
        )
        for p, q in ((j, k), (i, k), (i, j))
    ]


def cost(x, answers, theta):
    """Minus the log-likelihood of answers whose last item was left over; the scale is theta's last number."""
    total = 0.0
    for answer in answers:
        values = logits(x, answer, theta[:-1], theta[-1])
        top = max(values)
        total += top + math.log(math.fsum(math.exp(value - top) for value in values)) - values[2]
    return total


def objective(x, answers, theta, mean, precision):
    """The cost and half the squared distance from the prior's mean, in units of its spread."""
    prior = math.fsum(p * (t - m) ** 2 for t, m, p in zip(theta, mean, precision, strict=True))
    return cost(x, answers, theta) + prior / 2


def is_right(x, answer, log_weights):
    values = logits(x, answer, log_weights, 0.0)
    return values[2] > max(values[0], values[1])


def flip_p(differences):
    """Two-sided p of a mean over every pattern of signs."""
    n = len(differences)
    observed = abs(math.fsum(differences))
    sums = [abs(math.fsum(d if pattern >> i & 1 else -d for i, d in enumerate(differences))) for pattern in range(2**n)]
    return sum(value >= observed - 1e-12 for value in sums) / 2**n
