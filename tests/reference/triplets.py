"""Triplet measures as plain loops over items and answers: slow, and short enough to check by eye."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict


def similarity(x, i, j, kernel):
    if kernel == "precomputed":
        return float(x[i][j])
    a, b = [float(v) for v in x[i]], [float(v) for v in x[j]]
    if kernel == "euclidean":
        return -math.dist(a, b)
    dot = math.fsum(p * q for p, q in zip(a, b, strict=True))
    if kernel == "dot":
        return dot
    return dot / (math.hypot(*a) * math.hypot(*b))


def left_over(x, triplet, kernel):
    """Similarity of the pair that remains when each item is taken away."""
    i, j, k = triplet
    return [similarity(x, j, k, kernel), similarity(x, i, k, kernel), similarity(x, i, j, kernel)]


def leaders(values):
    """Positions of the largest value: several where they tie (to rounding)."""
    top = max(values)
    return [k for k, value in enumerate(values) if math.isclose(value, top, rel_tol=1e-12, abs_tol=1e-300)]


def credits(x, triplets, kernel, ties):
    result = []
    for triplet in triplets:
        best = leaders(left_over(x, triplet, kernel))
        if 2 not in best:
            result.append(0.0)
        elif len(best) == 1:
            result.append(1.0)
        else:
            result.append({"wrong": 0.0, "share": 1.0 / len(best)}[ties])
    return result


def softmax(values):
    top = max(values)
    weights = [math.exp(value - top) for value in values]
    return [weight / math.fsum(weights) for weight in weights]


def probabilities(x, triplets, kernel, temperature):
    return [softmax([value / temperature for value in left_over(x, triplet, kernel)]) for triplet in triplets]


def pair_probabilities(x, kernel, temperature):
    n = len(x)
    result = [[1.0] * n for _ in range(n)]
    for i, j in itertools.permutations(range(n), 2):
        shares = [probabilities(x, [(i, j, k)], kernel, temperature)[0][2] for k in range(n) if k not in (i, j)]
        result[i][j] = math.fsum(shares) / len(shares)
    return result


def cross_entropy(p, target):
    return math.fsum(
        -t * math.log(q) for row, wanted in zip(p, target, strict=True) for q, t in zip(row, wanted, strict=True) if t
    ) / len(p)


def calibration_error(p, chosen, n_bins):
    bins = defaultdict(list)
    for row, answer in zip(p, chosen, strict=True):
        confidence = max(row)
        best = leaders(row)
        number = next(b for b in range(n_bins) if confidence <= (b + 1) / n_bins)
        bins[number].append((confidence, (answer in best) / len(best)))
    return sum(
        abs(sum(c for c, _ in one) / len(one) - sum(a for _, a in one) / len(one)) * len(one) / len(p)
        for one in bins.values()
    )


def by_triplet(answers, people=None):
    """Answers of each distinct triplet: a list of (item chosen as odd, person, row)."""
    groups = defaultdict(list)
    for row, answer in enumerate(answers):
        groups[tuple(sorted(int(i) for i in answer))].append(
            (int(answer[2]), None if people is None else people[row], row)
        )
    return dict(sorted(groups.items()))


def vote_share(votes, choice):
    """1 over the number of tied leaders if ``choice`` is one of them."""
    counts = Counter(votes)
    top = max(counts.values())
    tied = [item for item, count in counts.items() if count == top]
    return (choice in tied) / len(tied)


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def ceilings(answers, people=None):
    """Every definition of the human ceiling."""
    groups = {items: votes for items, votes in by_triplet(answers, people).items() if len(votes) > 1}
    result = {
        "plug-in": mean(max(Counter(v[0] for v in votes).values()) / len(votes) for votes in groups.values()),
        "leave-one-out": mean(
            vote_share([o[0] for o in votes if o is not vote], vote[0]) for votes in groups.values() for vote in votes
        ),
        "half-split": mean(_halves([v[0] for v in votes]) for votes in groups.values()),
        "answer-pairs": mean(
            mean(a[0] == b[0] for a, b in itertools.combinations(votes, 2)) for votes in groups.values()
        ),
    }
    if people is None:
        return result
    others, between, within = [], [], []
    for votes in groups.values():
        for vote in votes:
            rest = [o[0] for o in votes if o[1] != vote[1]]
            if rest:
                others.append(vote_share(rest, vote[0]))
        pairs = list(itertools.combinations(votes, 2))
        different = [a[0] == b[0] for a, b in pairs if a[1] != b[1]]
        if different:
            between.append(mean(different))
        within += [a[0] == b[0] for a, b in pairs if a[1] == b[1]]
    for name, values in (("leave-one-person-out", others), ("between-person", between), ("within-person", within)):
        result[name] = mean(values) if values else math.nan
    return result


def _halves(votes):
    """Mean over every split into halves, and both directions, of what one half's majority gets of the other."""
    n = len(votes)
    shares = []
    for size in (n // 2, n - n // 2):
        splits = []
        for drawn in itertools.combinations(range(n), size):
            half = [votes[i] for i in drawn]
            rest = [votes[i] for i in range(n) if i not in drawn]
            splits.append(mean(vote_share(half, choice) for choice in rest))
        shares.append(mean(splits))
    return mean(shares)


def two_afc(x, items, votes, kernel, min_votes):
    """Return accuracy, vote agreement, majority share and leave-one-vote-out over the trials that stay."""
    accuracy, agreement, share, alone = [], [], [], []
    for (reference, left, right), (n_left, n_right) in zip(items, votes, strict=True):
        if n_left == n_right or n_left + n_right < min_votes:
            continue
        best = leaders([similarity(x, reference, left, kernel), similarity(x, reference, right, kernel)])
        single = [0] * n_left + [1] * n_right
        majority = int(n_right > n_left)
        accuracy.append((majority in best) / len(best))
        agreement.append(mean((vote in best) / len(best) for vote in single))
        share.append(single.count(majority) / len(single))
        if len(single) > 1:
            alone.append(mean(vote_share(single[:i] + single[i + 1 :], vote) for i, vote in enumerate(single)))
    return mean(accuracy), mean(agreement), mean(share), mean(alone)
