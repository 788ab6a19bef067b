"""How small a p-value permuted labels can give: there are so many orders, and some of them change nothing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from alignkit._check import join_names
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._permutations import is_exact

#: Items up to which the orders that leave a model as it is are counted: among more they are at most one in 31.
_MOST_ITEMS = 30
#: Decimals of a dissimilarity, as a share of the largest one, that tell two of them apart.
_DECIMALS = 12


def n_orders(n_items: int, n_permutations: int) -> int:
    """Return how many permutations are taken: all where there are no more than ``n_permutations``."""
    return math.factorial(n_items) if is_exact(n_items, n_permutations) else n_permutations


def warn_if_hopeless(
    names: Sequence[str], models: AnyArray, n_items: int, n_permutations: int, alpha: float, *, stacklevel: int = 3
) -> str:
    """Warn, and return a note, where no data could give p <= alpha: too few permutations, or too even a model."""
    note = _too_few(n_items, n_permutations, alpha) or _too_even(names, models, n_items, n_permutations, alpha)
    if note:
        warnings.warn(f"{note}.", RuntimeWarning, stacklevel=stacklevel)
    return note


def _too_few(n_items: int, n_permutations: int, alpha: float) -> str:
    exact, number = is_exact(n_items, n_permutations), n_orders(n_items, n_permutations)
    smallest = 1.0 / (number + (not exact))
    if smallest <= alpha:
        return ""
    why = f"{n_items} items have only {number} permutations" if exact else f"{n_permutations=}"
    return f"p cannot be below {smallest:.4g} ({why}): a test at {alpha:g} is impossible"


def _too_even(names: Sequence[str], models: AnyArray, n_items: int, n_permutations: int, alpha: float) -> str:
    # of all orders at most one in n_items changes nothing (of four items one in three), unless all values are equal
    if n_items > _MOST_ITEMS or alpha * (3 if n_items == 4 else n_items) >= 1:
        return ""
    found = {}
    for name, model in zip(names, np.asarray(models, dtype=np.float64), strict=True):
        if not np.isnan(model).any() and np.ptp(model) > 0:
            share = n_symmetries(model, n_items) / math.factorial(n_items)
            if share > alpha:
                found[name] = share
    if not found:
        return ""
    about = "" if is_exact(n_items, n_permutations) else "about "
    shares = ", ".join(f"{about}{share:.4g}" for share in found.values())
    return (
        f"p cannot be below {shares} for {join_names(list(found))} (so large a share of the orders of {n_items} items "
        f"leaves every dissimilarity of the model as it is): a test at {alpha:g} is impossible"
    )


def n_symmetries(row: FloatArray, n_items: int) -> int:
    """Return how many orders of the items leave an RDM, shape (pairs,), as it is.

    By orbits and stabilisers: the number of items that item 0 can be moved to, times that of item 1 with item 0 in its
    place, and so on.
    """
    matrix = np.full((n_items, n_items), -1, dtype=np.int64)
    upper = np.triu_indices(n_items, 1)
    codes = np.unique(np.round(row / np.abs(row).max(), _DECIMALS), return_inverse=True)[1]
    matrix[upper] = codes
    matrix.T[upper] = codes
    # an item can only be moved to one that has the same dissimilarities, in any order
    kinds = np.unique(np.sort(matrix, axis=1), axis=0, return_inverse=True)[1].ravel()
    total = 1
    for i in range(n_items):
        total *= sum(_extends([*range(i), j], matrix, kinds) for j in range(i, n_items))
    return total


def _extends(images: list[int], matrix: IntArray, kinds: IntArray) -> bool:
    """Return whether some order that changes nothing moves the first items to ``images``."""
    last = len(images) - 1
    if kinds[images[last]] != kinds[last] or (matrix[images[last], images[:last]] != matrix[last, :last]).any():
        return False
    if len(images) == len(matrix):
        return True
    return any(_extends([*images, j], matrix, kinds) for j in range(len(matrix)) if j not in images)
