"""Products of rows within folds of items and within all others, from one pass over the pairs of drawn items.

Pairs between two folds, or within one, make a block. The pairs within fold f are a block; those within all others are
all pairs but the blocks that f touches. Weighted sums over blocks add up, so that every pair is read once.
"""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray

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
    columns: FloatArray, counts: IntArray, labels: IntArray, n_folds: int, *, centred: bool
) -> tuple[FloatArray, FloatArray]:
    """Return, for every fold, the products within all others and within it, shape (sets, folds, rows, rows).

    ``columns`` come from :func:`columns_of`; ``counts`` and ``labels``, shape (sets, items), say how often every item
    was drawn and in which fold it is. One fold alone is its own training.
    """
    train, test = split_moments(columns, counts.astype(np.float64), labels, n_folds)
    return products_of(train, centred=centred), products_of(test, centred=centred)


def split_moments(
    columns: FloatArray, weights: FloatArray, labels: IntArray, n_folds: int
) -> tuple[FloatArray, FloatArray]:
    """Return sums of products of columns within all other folds, and within each, (sets, folds, columns, columns)."""
    from alignkit.rsa._kernels._fold_moments_numba import fold_moments

    moments = fold_moments(columns, weights, labels, n_folds)
    within = np.ascontiguousarray(moments[:, np.arange(n_folds), np.arange(n_folds)])
    if n_folds == 1:
        return within, within
    touching = moments.sum(axis=2)
    # every block between two folds is there twice, one within a fold once
    total = (touching.sum(axis=1) + within.sum(axis=1)) / 2
    return total[:, None] - touching, within


def products_of(moments: FloatArray, *, centred: bool) -> FloatArray:
    """Return the products of all columns but the last, of ones; less their means where ``centred``."""
    own = moments[..., :-1, :-1]
    if not centred:
        return own
    sums, total = moments[..., :-1, -1], moments[..., -1, -1]
    left = own - sums[..., :, None] * sums[..., None, :] / np.maximum(total, 1.0)[..., None, None]
    return _without(left, _squares(left) <= _LEFT * _squares(own))


def without_controls(gram: FloatArray, n_controls: int) -> FloatArray:
    """Return the products of what the last ``n_controls`` rows leave of the others."""
    if not n_controls:
        return gram
    own = gram[..., :-n_controls, :-n_controls]
    crossed, controls = gram[..., :-n_controls, -n_controls:], gram[..., -n_controls:, -n_controls:]
    sizes = np.sqrt(_squares(controls))
    sizes = np.where(sizes > 0, sizes, 1.0)[..., None, :]
    crossed = crossed / sizes
    inverse = np.linalg.pinv(controls / sizes / sizes.swapaxes(-1, -2), rcond=1e-13, hermitian=True)
    left = own - crossed @ inverse @ crossed.swapaxes(-1, -2)
    return _without(left, _squares(left) <= _EXPLAINED * _squares(own))


def _squares(gram: FloatArray) -> FloatArray:
    return np.diagonal(gram, axis1=-2, axis2=-1)


def _without(gram: FloatArray, nothing: BoolArray) -> FloatArray:
    """Return products, zero of rows that are nothing."""
    return np.where(nothing[..., :, None] | nothing[..., None, :], 0.0, gram)
