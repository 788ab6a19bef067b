r"""Cross-validated distances between times: patterns of one time and fold against those of another time and fold.

With :math:`d_t` the difference of two conditions at time t, the distance between times t and u is the mean of
:math:`d_{t,k}'P\,d_{u,l}` over trials from different folds k and l: above zero where the difference at t is still
there at u, below where it has turned round, and the distance at t itself where both are the same.
"""

from __future__ import annotations

import numpy as np

from alignkit._threads import each
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.meg._distances import Means
from alignkit.meg._trials import Design
from alignkit.meg._whiten import Whitening
from alignkit.rsa._condensed import upper_triangle

#: Training times whose products with all test times are one task.
_ROWS = 8


def distances_across_times(
    x_train: AnyArray, x_test: AnyArray, design: Design, whitening: Whitening | None, /, *, mean: bool = True
) -> FloatArray:
    """Return the cross-validated squared distances between conditions at all pairs of two times.

    Every pair of trials from different folds counts once (all pairings of folds agree where conditions have equally
    many trials in each).

    Parameters
    ----------
    x_train : ndarray, shape (train times, trials, channels)
        Not changed.
    x_test : ndarray, shape (test times, trials, channels)
        The same trials at other times.
    design : Design
    whitening : Whitening or None
        Noise at the training times, outside the test fold if it has roots for each; None: nothing is whitened.
    mean : bool
        Return the mean over the pairs of conditions that have a value, without making those values: with A the products
        of conditions, it is one product over all conditions and channels of every two times. Else every pair.

    Returns
    -------
    ndarray, shape (train times, test times) or (train times, test times, pairs)
    """
    means = Means.of(design, by_fold=True)
    counts = means.counts
    weights = counts.astype(np.float64)[:, :, None]
    train = _sums_of_others(_sums(x_train, means, weights))
    train = _weighed(train, whitening)
    test = _sums(x_test, means, weights)
    rows = counts.astype(np.float64)
    n_pairs = np.multiply.outer(rows.sum(axis=0), rows.sum(axis=0)) - rows.T @ rows
    missing = undefined_across_times(design)
    if mean:
        return _means(train, test, _weights_of_products(n_pairs, missing))
    return _pairs(train, test, np.where(n_pairs > 0, n_pairs, np.nan), missing)


def undefined_across_times(design: Design) -> BoolArray:
    """Return which pairs of conditions have no value, as one of them is in a single fold; shape (pairs,)."""
    alone = (design.counts > 0).sum(axis=0) < 2
    return upper_triangle(alone[:, None] | alone)


def _sums(x: AnyArray, means: Means, weights: FloatArray) -> FloatArray:
    """Return sums of trials by fold and condition, less what all conditions share; (times, folds, conditions, ...)."""
    found = means(x, np.float64)
    shares = weights[..., 0] / np.maximum(weights.sum(axis=(0, 2)), 1) / weights.shape[1]
    # as at one time: only differences matter, and numbers close to zero keep more digits
    found = found - np.einsum("kn,tknc->tc", shares, found)[:, None, None, :]
    return np.asarray(found * weights)


def _sums_of_others(sums: FloatArray) -> FloatArray:
    return np.asarray(sums.sum(axis=1, keepdims=True) - sums)


def _weighed(train: FloatArray, whitening: Whitening | None) -> FloatArray:
    """Multiply sums by the noise precision of their time (and fold)."""
    if whitening is None:
        return train
    out = np.empty_like(train)
    for k in range(train.shape[1]):
        roots = whitening.roots(k if whitening.by_fold else None)
        precisions = each(lambda root: root @ root.T, list(roots))

        def weigh(t: int, k: int = k, precisions: list[AnyArray] = precisions) -> None:
            out[t, k] = train[t, k] @ precisions[t if len(precisions) > 1 else 0]

        each(weigh, range(len(train)))
    return out


def _weights_of_products(n_pairs: FloatArray, missing: BoolArray) -> FloatArray:
    """Return M such that the mean over pairs of A_ii + A_jj - A_ij - A_ji, each over its trials, is sum(M * A)."""
    n = len(n_pairs)
    valid = np.zeros((n, n))
    valid[np.triu_indices(n, k=1)] = ~missing
    valid += valid.T
    inverse = 1.0 / np.where(n_pairs > 0, n_pairs, np.inf)
    weights = np.diag(valid.sum(axis=1) * np.diag(inverse)) - valid * inverse
    return np.asarray(weights / (valid.sum() / 2 if valid.any() else np.nan))


def _means(train: FloatArray, test: FloatArray, weights: FloatArray) -> FloatArray:
    def weigh(t: int) -> FloatArray:
        return np.asarray(weights @ test[t]).reshape(-1)

    columns = np.stack(each(weigh, range(len(test)))).T
    rows = train.reshape(len(train), -1)
    blocks = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]
    return np.concatenate(each(lambda block: block @ columns, blocks))


def _pairs(train: FloatArray, test: FloatArray, n_pairs: FloatArray, missing: IntArray | BoolArray) -> FloatArray:
    left, right = _side_by_side(train), _side_by_side(test)

    def at(t: int) -> FloatArray:
        products = (left[t] @ right.swapaxes(-1, -2)) / n_pairs
        own = np.diagonal(products, axis1=-2, axis2=-1)
        squares = own[..., :, None] + own[..., None, :] - products - products.swapaxes(-1, -2)
        found = upper_triangle(squares)
        found[..., missing] = np.nan
        return np.asarray(found)

    return np.stack(each(at, range(len(left))))


def _side_by_side(sums: FloatArray) -> FloatArray:
    """Return (times, folds, conditions, channels) as (times, conditions, folds x channels)."""
    return np.ascontiguousarray(sums.swapaxes(1, 2)).reshape(len(sums), sums.shape[2], -1)
