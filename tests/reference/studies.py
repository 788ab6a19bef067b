"""Plain loops for the design of studies: counts, agreement, and answers with people and triplets of their own."""

from __future__ import annotations

import numpy as np


def pairs_shown(items, n_items):
    """Return how often each pair is shown, upper triangle, row-major."""
    counts = {(i, j): 0 for i in range(n_items) for j in range(i + 1, n_items)}
    for row in items:
        for i in range(3):
            for j in range(i + 1, 3):
                counts[tuple(sorted((int(row[i]), int(row[j]))))] += 1
    return list(counts.values())


def leave_one_out(answers):
    """Return the share of answers (0 to 2) equal to the majority of the others, ties shared."""
    total = 0.0
    for i, answer in enumerate(answers):
        others = [a for k, a in enumerate(answers) if k != i]
        counts = [others.count(option) for option in range(3)]
        best = [option for option in range(3) if counts[option] == max(counts)]
        total += (answer in best) / len(best)
    return total / len(answers)


def hits(rng, *, accuracy, person_sd, triplet_sd, person, triplet, n):
    """Return n simulated studies of hits: each person and each triplet adds its own to the probability of a hit."""
    result = np.empty((n, len(person)))
    for k in range(n):
        own = person_sd * rng.choice([-1.0, 1.0], size=person.max() + 1)
        of_triplet = triplet_sd * rng.choice([-1.0, 1.0], size=triplet.max() + 1)
        result[k] = rng.random(len(person)) < accuracy + own[person] + of_triplet[triplet]
    return result
