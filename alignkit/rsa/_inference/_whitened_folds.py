"""Whitened products of complete RDMs within folds of items and within all others.

The fit that whitening takes out (see :mod:`alignkit.rsa._inference._whitened_resamples`) needs, for every item, sums
over its pairs with each fold: those over all other folds are their sum less one.
"""

from __future__ import annotations

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._inference._fold_grams import columns_of, split_moments
from alignkit.rsa._inference._item_sample import item_sample, whitened_gram

#: Pivots below this share of their largest, and squares that are less of what they are differences of, lost digits.
_SMALL = 1e-3


def whitened_grams(
    rows: FloatArray,
    counts: IntArray,
    labels: IntArray,
    n_folds: int,
    sigma_k: FloatArray | None,
    *,
    centred: bool,
) -> tuple[FloatArray, FloatArray]:
    """Return, for every fold, the products within all others and within it, shape (sets, folds, rows, rows).

    ``rows``, shape (rows, pairs), are complete; ``counts`` and ``labels``, shape (sets, items), say how often every
    item was drawn and in which fold it is; ``sigma_k``, shape (items,) or None, holds variances. One fold alone is its
    own training. What rounding could have reached is written out, pair by pair.
    """
    from alignkit.rsa._kernels._fold_moments_numba import fold_sums

    everything = np.ones(rows.shape[1], dtype=bool)
    columns = columns_of(rows, everything, centred=True)
    precision = np.ones(counts.shape[1]) if sigma_k is None else sigma_k.mean() / sigma_k
    u = counts * precision
    plain = split_moments(columns, counts.astype(np.float64), labels, n_folds)
    weighed = plain if sigma_k is None else split_moments(columns, u, labels, n_folds)
    by_fold = fold_sums(columns[:, :-1].copy(), u, labels, n_folds)
    inside = labels[:, None, :] == np.arange(n_folds)[:, None]
    outside = inside if n_folds == 1 else (labels[:, None, :] >= 0) & ~inside
    sums = by_fold if n_folds == 1 else by_fold.sum(axis=1, keepdims=True) - by_fold
    grams = []
    for k, (own_sums, own) in enumerate(((sums, outside), (by_fold, inside))):
        ends = plain[k][..., :-1, -1] / np.maximum(plain[k][..., -1, -1], 1.0)[..., None]
        if not centred:
            # an offset shared by all pairs is the same as its opposite on the diagonal
            ends = np.broadcast_to(-rows.mean(axis=1), ends.shape)
        gram, doubtful = _whitened(own_sums, weighed[k][..., :-1, :-1], ends, counts[:, None] * own, precision)
        method = "whitened-pearson" if centred else "whitened-cosine"
        for b, f in zip(*np.nonzero(doubtful), strict=True):
            sample = item_sample(counts[b] * own[b, f], everything)
            gram[b, f] = whitened_gram(rows, sample, method, sigma_k)
        grams.append(gram)
    return grams[0], grams[1]


def _whitened(
    sums: FloatArray, products: FloatArray, ends: FloatArray, counts: FloatArray, precision: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Return products after whitening, (sets, folds, rows, rows), and which of them may be inexact, (sets, folds)."""
    u = counts * precision
    sums = sums + precision[:, None] * ends[..., None, :]
    total = u.sum(axis=-1, keepdims=True)
    pivots = total - 2 * u + 2 * precision
    with np.errstate(invalid="ignore", divide="ignore"):
        share = u / pivots
        common = 1 + share.sum(axis=-1)
        weighed = sums * share[..., None]
        first = weighed.sum(axis=-2)
        fitted = weighed.swapaxes(-1, -2) @ sums
        fitted -= first[..., :, None] * (first / common[..., None])[..., None, :]
    on_diagonal = (counts * precision**2).sum(axis=-1)[..., None, None]
    gram = 2 * products + on_diagonal * ends[..., :, None] * ends[..., None, :] - 2 * fitted
    own, sizes = (np.diagonal(x, axis1=-2, axis2=-1) for x in (gram, 2 * products))
    doubtful = (np.abs(pivots) < _SMALL * total).any(axis=-1) | (np.abs(common) < _SMALL)
    return gram, np.asarray(doubtful | ~(own > _SMALL * sizes).all(axis=-1))
