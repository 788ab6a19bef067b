"""Correlations over resampled objects, by writing every resample out."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import pearsonr, spearmanr


def draws_as_items(times):
    """Return the items of one resample, each as often as it was drawn."""
    return [item for item, n in enumerate(times) for _ in range(int(n))]


def correlation(a, b, ranks=False):
    """Return a correlation, NaN where one side is constant or nothing is left."""
    if len(a) < 2 or len(set(a)) == 1 or len(set(b)) == 1:
        return math.nan
    return float((spearmanr if ranks else pearsonr)(a, b)[0])


def resampled_rdm(model, people, times, ranks):
    """Compare two square RDMs over one resample; pairs of two copies of one object are left out."""
    items = draws_as_items(times)
    a, b = [], []
    for first in range(len(items)):
        for second in range(first + 1, len(items)):
            i, j = items[first], items[second]
            if i != j:
                a.append(model[i][j])
                b.append(people[i][j])
    return correlation(a, b, ranks)


def resampled_columns(x, y, times):
    """Correlate columns over one resample."""
    items = draws_as_items(times)
    return [correlation([x[i][d] for i in items], [y[i][d] for i in items]) for d in range(np.shape(x)[1])]
