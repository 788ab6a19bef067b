"""Folds of items, and folds of the training items in which penalties are chosen."""

from __future__ import annotations

import numpy as np

from alignkit._check import as_float_array, check_count
from alignkit._typing import FloatArray
from alignkit.rsa._held_out import MIN_FOLD, default_folds


def nested_folds(n_items: int, n_folds: int | None, n_inner_folds: int | None) -> tuple[int, int]:
    """Return how many folds of items to make, and of the training items of each.

    Raises
    ------
    ValueError
        Too few items for three in every fold.
    """
    for name, value in (("n_folds", n_folds), ("n_inner_folds", n_inner_folds)):
        if value is not None:
            check_count(name, value, minimum=2)
    outer = max(2, default_folds(n_items)) if n_folds is None else n_folds
    rest = n_items - -(-n_items // outer)
    inner = max(2, default_folds(rest)) if n_inner_folds is None else n_inner_folds
    if n_items < MIN_FOLD * outer or rest < MIN_FOLD * inner:
        msg = (
            f"{n_items} items are too few for {outer} folds and {inner} folds of the training items with "
            f"{MIN_FOLD} items in each; lower n_folds or n_inner_folds, or bring more items."
        )
        raise ValueError(msg)
    return outer, inner


def checked_penalties(penalties: object) -> FloatArray:
    """Return ridge penalties, or raise where they are not finite numbers above 0."""
    values = as_float_array("penalties", penalties, ndim=1)
    if not values.size or not np.isfinite(values).all() or (values <= 0).any():
        msg = f"penalties must hold one or more finite numbers above 0; got {values.tolist()[:5]}."
        raise ValueError(msg)
    return values
