"""What a score table must say, by plain loops over answers, trials and people."""

from __future__ import annotations

import math
import random
from collections import defaultdict

from reference.triplets import similarity
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr


def mean_spearman(model, people):
    """Mean over people of the rank correlation of two square matrices' upper triangles."""
    values = [spearmanr(squareform(model, checks=False), squareform(one, checks=False)).statistic for one in people]
    return math.fsum(values) / len(values)


def clustered_bootstrap(values, groups, n_draws, confidence, seed=0):
    """Percentile interval of a mean when whole groups are drawn with replacement."""
    members = defaultdict(list)
    for value, group in zip(values, groups, strict=True):
        members[group].append(value)
    clusters = [(sum(own), len(own)) for own in members.values()]
    rng = random.Random(seed)
    means = []
    for _ in range(n_draws):
        drawn = rng.choices(clusters, k=len(clusters))
        means.append(sum(total for total, _ in drawn) / sum(size for _, size in drawn))
    means.sort()
    tail = (1 - confidence) / 2
    return means[round(tail * (n_draws - 1))], means[round((1 - tail) * (n_draws - 1))]


def two_afc(x, trials, votes, kernel, min_votes=0):
    """Share of majorities and mean share of single votes that the more similar image gets; ties one half."""
    majority, single = [], []
    for (reference, left, right), (for_left, for_right) in zip(trials, votes, strict=True):
        if for_left == for_right or for_left + for_right < min_votes:
            continue
        a, b = similarity(x, reference, left, kernel), similarity(x, reference, right, kernel)
        choice = 0.5 if math.isclose(a, b, rel_tol=1e-12) else float(a > b)
        majority.append(choice if for_left > for_right else 1 - choice)
        single.append((choice * for_left + (1 - choice) * for_right) / (for_left + for_right))
    return math.fsum(majority) / len(majority), math.fsum(single) / len(single), len(majority)


def entropy(counts):
    n = sum(counts)
    return -math.fsum(c / n * math.log(c / n) for c in counts if c)


def hellinger(p, q):
    """Hellinger distance of two lists of counts; those without a common entry are at exactly 1."""
    overlap = math.fsum(math.sqrt(a * b) for a, b in zip(p, q, strict=True)) / math.sqrt(sum(p) * sum(q))
    return math.sqrt(max(0.0, round(1 - overlap, 12)))
