"""Random folds of what was drawn: copies stay together."""

from __future__ import annotations

import numpy as np

from alignkit._typing import IntArray
from alignkit.rsa._held_out import item_folds


def default_item_folds(n_items: float) -> int:
    """Return rsatoolbox's number of folds of items: 2, and 3, 4 or 5 from 12, 24 or 40 items."""
    return 2 + sum(n_items >= least for least in (12, 24, 40))


def default_subject_folds(n_subjects: float) -> int:
    """Return rsatoolbox's number of folds of subjects: 2, and 3, 4 or 5 from 6, 12 or 20; 1 for one subject."""
    return 1 if n_subjects < 2 else 2 + sum(n_subjects >= least for least in (6, 12, 20))


def folds_of(counts: IntArray, n_folds: int, least: int, rng: np.random.Generator) -> list[IntArray] | None:
    """Return folds of what was drawn ``counts`` times; None where they would hold fewer than ``least`` each."""
    drawn = np.flatnonzero(counts)
    if len(drawn) < least * n_folds:
        return None
    return [drawn[fold] for fold in item_folds(len(drawn), n_folds, rng)] if n_folds > 1 else [drawn]
