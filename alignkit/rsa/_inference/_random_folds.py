"""Random folds of what was drawn: copies stay together."""

from __future__ import annotations

import numpy as np

from alignkit._typing import IntArray


def default_item_folds(n_items: float) -> int:
    """Return rsatoolbox's number of folds of items: 2, and 3, 4 or 5 from 12, 24 or 40 items."""
    return 2 + sum(n_items >= least for least in (12, 24, 40))


def default_subject_folds(n_subjects: float) -> int:
    """Return rsatoolbox's number of folds of subjects: 2, and 3, 4 or 5 from 6, 12 or 20; 1 for one subject."""
    return 1 if n_subjects < 2 else 2 + sum(n_subjects >= least for least in (6, 12, 20))


def fold_labels(counts: IntArray, n_folds: int, least: int, rng: np.random.Generator) -> IntArray | None:
    """Return the fold of everything that was drawn ``counts`` times, -1 for what was not.

    None where folds would hold fewer than ``least`` each. The first folds hold one more where not all are of one size.
    """
    drawn = np.flatnonzero(counts)
    n = len(drawn)
    if n < least * n_folds:
        return None
    labels = np.full(len(counts), -1)
    if n_folds == 1:
        labels[drawn] = 0
        return labels
    sizes = np.full(n_folds, n // n_folds)
    sizes[: n % n_folds] += 1
    labels[drawn[rng.permutation(n)]] = np.repeat(np.arange(n_folds), sizes)
    return labels


def folds_of(counts: IntArray, n_folds: int, least: int, rng: np.random.Generator) -> list[IntArray] | None:
    """Return the same folds as what is in each of them."""
    labels = fold_labels(counts, n_folds, least, rng)
    return None if labels is None else [np.flatnonzero(labels == f) for f in range(n_folds)]
