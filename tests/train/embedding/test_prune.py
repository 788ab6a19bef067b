"""Dimensions are kept by the published rules, one value after the other, and sorted by their sums."""

from __future__ import annotations

import numpy as np
from reference.embeddings import significant
from scipy.stats import norm

from alignkit.train.embedding._prune import needed_distributions, needed_values


def test_values(rng):
    values = rng.random((20, 6)) * [1.0, 0.05, 0.5, 0.099, 0.2, 0.0]
    expected = [d for d in range(6) if max(values[:, d]) > 0.1]
    found = needed_values(values, 0.1)
    assert sorted(found) == expected
    assert list(found) == sorted(expected, key=lambda d: -values[:, d].sum())
    assert len(needed_values(np.zeros((4, 3)), 0.1)) == 0


def test_distributions(rng):
    mean = rng.normal(0.3, 0.3, (40, 8)) * np.linspace(0, 1.5, 8)
    sd = rng.uniform(0.05, 0.3, (40, 8))
    counts = [significant(norm.cdf(0, mean[:, d], sd[:, d]), 0.05) for d in range(8)]
    assert min(counts) <= 5 < max(counts)
    expected = [d for d in range(8) if counts[d] > 5]
    assert sorted(needed_distributions(mean, sd, fdr=0.05, min_items=5)) == expected
