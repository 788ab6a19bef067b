r"""Products of conditions between folds where the noise, too, is that of the training folds: one matrix for each fold.

With :math:`P_k` the precision of the trials outside fold k, every product is that of a training mean, from outside
fold k, with a test mean, from fold k, weighed by :math:`P_k`. Side by side over folds they are one product of
conditions: the sum over k of :math:`A_k P_k Z_k'`.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._threads import each
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.meg._whiten import Whitening
from alignkit.rsa._condensed import upper_triangle


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FoldProducts:
    """Mean products over pairs of a training and a test fold.

    ``own[..., i, j]`` is that of condition i with itself, over the folds or trials that serve i and j (or the last
    axis has length 1), ``cross[..., i, j]`` that of i with j, one way round, shape (times, conditions, conditions).
    ``missing``, shape (pairs,), marks pairs that nothing serves. ``plain``, shape (times, conditions), is the mean of
    each condition's product with itself within folds, which is not cross-validated.
    """

    own: AnyArray
    cross: AnyArray
    missing: BoolArray
    plain: FloatArray


def fold_products(
    means: AnyArray, counts: IntArray, whitening: Whitening, cv: str, *, centred: bool, differences: bool
) -> FoldProducts:
    """Return the products of all conditions at all times.

    Parameters
    ----------
    means : ndarray, shape (times, folds, conditions, channels)
        Zero where a fold has none of a condition.
    counts : ndarray of int, shape (folds, conditions)
        Trials behind them.
    whitening : Whitening
        One root for each fold.
    cv : {"leave-one-fold-out", "fold-pairs", "observation-pairs"}
        As for :func:`alignkit.rsa.rdm`.
    centred : bool
        Take each condition's mean over the whitened channels out, as correlation does.
    differences : bool
        Only differences between conditions matter: what all share is taken out first.
    """
    inner = [_inner(whitening.roots(k, symmetric=centred), centred=centred) for k in range(len(counts))]
    if differences:
        present = (counts > 0).astype(means.dtype)[..., None]
        # only folds that count alike may each lose a mean of their own
        origin = _mean_of_present(means, present) if cv == "fold-pairs" else _origin(means, counts)
        means = (means - origin) * present

    def at(t: int) -> tuple[AnyArray, AnyArray, FloatArray]:
        products = [one[t if len(one) > 1 else 0] for one in inner]
        own, cross = _at_time(means[t], counts, products, cv)
        return own, cross, _plain(means[t], counts, products)

    found = each(at, range(len(means)))
    own, cross, plain = (np.stack(part) for part in zip(*found, strict=True))
    return FoldProducts(own, cross, _missing(counts, cv), plain)


def _inner(roots: AnyArray, *, centred: bool) -> AnyArray:
    """Return the matrices P = W W' of all times, with the mean over whitened channels taken out if ``centred``."""
    if centred:
        roots = roots - roots.mean(axis=-1, keepdims=True)
    return roots @ roots.swapaxes(-1, -2)


def _origin(means: AnyArray, counts: IntArray) -> AnyArray:
    """Return the mean over conditions of the mean of all their trials."""
    weights = (counts / np.maximum(counts.sum(axis=0), 1) / counts.shape[1]).astype(means.dtype)
    return np.einsum("kn,tknc->tc", weights, means)[:, None, None, :]


def _mean_of_present(means: AnyArray, present: AnyArray) -> AnyArray:
    return means.sum(axis=-2, keepdims=True) / np.maximum(present.sum(axis=-2, keepdims=True), 1)


def _at_time(means: AnyArray, counts: IntArray, inner: list[AnyArray], cv: str) -> tuple[AnyArray, AnyArray]:
    complete = bool((counts > 0).all())
    if cv == "fold-pairs" and not complete:
        return _fold_pairs(means, counts > 0, inner)
    weights = np.ones_like(counts) if cv == "fold-pairs" else counts
    weights = weights.astype(means.dtype)
    weighted = means * weights[..., None]
    training = _sum_of_others(weighted)
    if cv == "observation-pairs":
        cross = _side_by_side(training, weighted, inner)
        rows = counts.astype(np.float64)
        n_pairs = np.multiply.outer(rows.sum(axis=0), rows.sum(axis=0)) - rows.T @ rows
        cross /= np.maximum(n_pairs, 1).astype(cross.dtype)
    else:
        training /= _sum_of_others(weights[..., None])
        cross = _side_by_side(training, means, inner) / len(counts)
    return np.diagonal(cross)[:, None].copy(), cross


def _side_by_side(training: AnyArray, test: AnyArray, inner: list[AnyArray]) -> AnyArray:
    """Return the sum over folds of training, inner matrix and test, as one product."""
    n_folds, n, n_channels = training.shape
    left = np.empty((n, n_folds, n_channels), dtype=training.dtype)
    for k in range(n_folds):
        np.matmul(training[k], inner[k], out=left[:, k])
    right = np.ascontiguousarray(test.swapaxes(0, 1)).reshape(n, -1)
    return left.reshape(n, -1) @ right.T


def _sum_of_others(x: AnyArray) -> AnyArray:
    """Return the sum over the other folds, for every fold; nothing is subtracted, so nothing cancels."""
    others = np.zeros_like(x)
    np.cumsum(x[:-1], axis=0, out=others[1:])
    after = np.zeros_like(x[0])
    for k in range(len(x) - 2, -1, -1):
        after = after + x[k + 1]
        others[k] += after
    return others


def _fold_pairs(means: AnyArray, present: BoolArray, inner: list[AnyArray]) -> tuple[AnyArray, AnyArray]:
    """Return the means over all ordered pairs of folds that hold both conditions."""
    n = present.shape[1]
    own, cross, n_pairs = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for test in range(len(present)):
        for training in range(len(present)):
            if training == test:
                continue
            held = present[test] & present[training]
            both = np.logical_and.outer(held, held)
            product = means[training] @ inner[test] @ means[test].T
            own += np.where(both, np.diag(product)[:, None], 0.0)
            cross += np.where(both, product, 0.0)
            n_pairs += both
    number = np.maximum(n_pairs, 1)
    return own / number, cross / number


def _plain(means: AnyArray, counts: IntArray, inner: list[AnyArray]) -> FloatArray:
    present = counts > 0
    lengths = np.array([np.einsum("nc,nc->n", z @ p, z) for z, p in zip(means, inner, strict=True)])
    return (lengths * present).sum(axis=0) / np.maximum(present.sum(axis=0), 1)


def _missing(counts: IntArray, cv: str) -> BoolArray:
    present = (counts > 0).astype(np.float64)
    if cv == "fold-pairs":
        return upper_triangle(present.T @ present < 2)
    alone = present.sum(axis=0) < 2
    return upper_triangle(alone[:, None] | alone)
