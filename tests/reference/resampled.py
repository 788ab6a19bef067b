"""Resamples of items and subjects, written out pair by pair: similarities and noise ceilings."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from scipy.stats import kendalltau, pearsonr, rankdata

WHITENED = ("whitened-cosine", "whitened-pearson")


def pairs_of(item_counts, n_items):
    """Return (pair, position among the given pairs, items of the resample): pairs of two copies are left out."""
    items = [i for i, times in enumerate(item_counts) for _ in range(times)]
    place = {pair: k for k, pair in enumerate(combinations(range(n_items), 2))}
    kept = [(a, b) for a, b in combinations(range(len(items)), 2) if items[a] != items[b]]
    return kept, [place[items[a], items[b]] for a, b in kept], items


def error_covariance(kept, items, sigma_k):
    """Return V of the pairs that are there, for items whose errors are independent, copies or not."""
    contrasts = np.zeros((len(kept), len(items)))
    for row, (a, b) in zip(contrasts, kept, strict=True):
        row[a], row[b] = 1.0, -1.0
    own = np.eye(len(items)) if sigma_k is None else np.diag([sigma_k[item] for item in items])
    return (contrasts @ own @ contrasts.T) ** 2


def compared(x, y, method, covariance=None):
    """Return the similarity of two vectors."""
    if method in ("pearson", "spearman", "whitened-pearson", "kendall-tau-b") and min(np.ptp(x), np.ptp(y)) == 0:
        return math.nan
    if method == "pearson":
        return pearsonr(x, y)[0]
    if method == "spearman":
        return pearsonr(rankdata(x), rankdata(y))[0]
    if method == "rho-a":
        a, b, n = rankdata(x), rankdata(y), len(x)
        return 12 * sum((u - (n + 1) / 2) * (v - (n + 1) / 2) for u, v in zip(a, b, strict=True)) / (n**3 - n)
    if method == "kendall-tau-b":
        return kendalltau(x, y)[0]
    if method == "kendall-tau-a":
        signs = [np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in combinations(range(len(x)), 2)]
        return sum(signs) / len(signs)
    if method == "whitened-pearson":
        x, y = x - np.mean(x), y - np.mean(y)
    inverse = np.eye(len(x)) if covariance is None else np.linalg.inv(covariance)
    length = math.sqrt((x @ inverse @ x) * (y @ inverse @ y))
    return (x @ inverse @ y) / length if length else math.nan


def on_scale(x, method, pooling, covariance=None):
    """Return a subject on the scale on which subjects are averaged."""
    if pooling == "raw":
        return x
    if method in ("spearman", "rho-a", "kendall-tau-a", "kendall-tau-b"):
        return rankdata(x)
    if method in ("pearson", "whitened-pearson"):
        x = x - np.mean(x)
    if method in WHITENED and pooling == "rank":
        return x / math.sqrt(x @ np.linalg.inv(covariance) @ x)
    return x / math.sqrt(np.mean(x**2))


def resample(data, models, method, item_counts, subject_counts, pooling="rank", sigma_k=None):
    """Return (scores of models, lower, upper) of one resample."""
    kept, positions, items = pairs_of(item_counts, len(item_counts))
    covariance = error_covariance(kept, items, sigma_k) if method in WHITENED else None
    data, models = np.asarray(data)[:, positions], np.asarray(models)[:, positions]
    people = [s for s, times in enumerate(subject_counts) for _ in range(times)]
    scores = [np.mean([compared(m, data[s], method, covariance) for s in people]) for m in models]
    scaled = {s: on_scale(data[s], method, pooling, covariance) for s in set(people)}
    everybody = sum(scaled[s] for s in people)
    lower, upper = [], []
    for s in sorted(set(people)):
        rest = sum((scaled[t] for t in people if t != s), np.zeros(len(kept)))
        lower.append(compared(rest, data[s], method, covariance))
        upper.append(compared(everybody, data[s], method, covariance))
    return scores, np.mean(lower), np.mean(upper)
