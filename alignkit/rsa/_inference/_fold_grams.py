"""Products of rows within folds of items and within all others, from one pass over the pairs of drawn items.

Pairs between two folds, or within one, make a block. The pairs within fold f are a block; those within all others are
all pairs but the blocks that f touches. Weighted sums over blocks add up, so that every pair is read once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._container import pair_index

#: Of a row, what its mean leaves below this share of its square is rounding.
_LEFT = 1e-13
#: And what controls leave of it.
_EXPLAINED = 1e-12


def columns_of(rows: FloatArray, among: BoolArray, *, centred: bool) -> FloatArray:
    """Return rows (less their mean, where ``centred``) and a last one of ones, shape (pairs, rows + 1).

    Pairs that are not marked in ``among`` are zero, so that they count nowhere.
    """
    if centred:
        rows = rows - rows.mean(axis=1, keepdims=True, where=among)
    known = np.concatenate([rows, np.ones((1, rows.shape[1]))])
    return np.ascontiguousarray(np.where(among, known, 0.0).T)


def fold_grams(
    columns: FloatArray, counts: IntArray, folds: Sequence[IntArray], *, centred: bool
) -> list[tuple[FloatArray, FloatArray]]:
    """Return, for every fold, the products within all others and within it.

    ``columns`` come from :func:`columns_of`. One fold alone is its own training.
    """
    n_items, k = n_items_of(len(columns)), len(folds)
    times = [counts[fold].astype(np.float64) for fold in folds]
    size = columns.shape[1]
    touching, within = np.zeros((k, size, size)), np.zeros((k, size, size))
    total = np.zeros((size, size))
    for f, fold in enumerate(folds):
        first, second = np.triu_indices(len(fold), k=1)
        within[f] = _moments(columns, fold[first], fold[second], times[f][first] * times[f][second], n_items)
        touching[f] += within[f]
        total += within[f]
        for g in range(f + 1, k):
            first, second = np.repeat(fold, len(folds[g])), np.tile(folds[g], len(fold))
            block = _moments(columns, first, second, np.outer(times[f], times[g]).ravel(), n_items)
            touching[[f, g]] += block
            total += block
    rest = within if k == 1 else total - touching
    return [
        (_products(train, centred=centred), _products(test, centred=centred))
        for train, test in zip(rest, within, strict=True)
    ]


def _moments(columns: FloatArray, first: IntArray, second: IntArray, weights: FloatArray, n_items: int) -> FloatArray:
    values = columns[pair_index(first, second, n_items)]
    return np.asarray((values * weights[:, None]).T @ values)


def _products(moments: FloatArray, *, centred: bool) -> FloatArray:
    own = moments[:-1, :-1]
    if not centred:
        return own
    sums, total = moments[:-1, -1], moments[-1, -1]
    left = own - np.outer(sums, sums) / max(total, 1.0)
    nothing = np.diagonal(left) <= _LEFT * np.diagonal(own)
    left[nothing] = left[:, nothing] = 0.0
    return np.asarray(left)


def without_controls(gram: FloatArray, n_controls: int) -> FloatArray:
    """Return the products of what the last ``n_controls`` rows leave of the others."""
    if not n_controls:
        return gram
    own = gram[:-n_controls, :-n_controls]
    crossed, controls = gram[:-n_controls, -n_controls:], gram[-n_controls:, -n_controls:]
    sizes = np.sqrt(np.diagonal(controls))
    sizes = np.where(sizes > 0, sizes, 1.0)
    crossed = crossed / sizes
    left = own - crossed @ np.linalg.pinv(controls / np.outer(sizes, sizes), rcond=1e-13, hermitian=True) @ crossed.T
    nothing = np.diagonal(left) <= _EXPLAINED * np.diagonal(own)
    left[nothing] = left[:, nothing] = 0.0
    return np.asarray(left)
