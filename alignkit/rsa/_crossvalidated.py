r"""Dissimilarities between independent partitions of the data: unbiased by noise, so that they may be negative.

All are made of products of a pattern from one fold with a pattern from another. :func:`_products` gives, for every two
items, the mean product of each with itself and of the two with each other, over the pairs of folds or rows that
``cv`` names; nothing is clipped.
"""

from __future__ import annotations

import dataclasses
from itertools import combinations

import numpy as np

from alignkit._check import is_tensor
from alignkit._typing import AnyArray, IntArray
from alignkit.rsa._arrays import Array, Precision, cast, diagonal, floats_like, precision_of, root, transposed
from alignkit.rsa._condensed import as_host, upper_triangle
from alignkit.rsa._dissimilarities import constant_rows, whiten
from alignkit.rsa._kernels._folds_numpy import squares_between_folds
from alignkit.rsa._namespace import like, namespace
from alignkit.rsa._patterns import Folds, Noise, Patterns, Undefined
from alignkit.rsa._poisson import rates_and_logs
from alignkit.rsa._rescale import centre, rescale, rescale_if_needed, scale
from alignkit.rsa._ties import restore_ties

APART = {
    "fold-pairs": "items that do not occur together in two folds",
    "observation-pairs": "items that do not occur in two folds",
}
NO_VARIANCE = "items whose cross-validated variance is not positive"
#: A cross-validated variance up to this part of the plain one is zero but for rounding.
ROUNDING = {"float64": 1e-13, "float32": 1e-5}


@dataclasses.dataclass(frozen=True, slots=True)
class _Products:
    """Mean products over what serves items i and j.

    ``own[i, j]``, shape (..., items, items) or (..., items, 1), is that of item i with itself; ``cross[i, j]``, shape
    (..., items, items), that of item i with item j, one way round. ``missing``, shape (items, items), marks pairs that
    nothing serves.
    """

    own: Array
    cross: Array
    missing: Array = None


def crossnobis(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the cross-validated squared Mahalanobis distance per channel."""
    values, undefined = sqeuclidean_cv(patterns)
    return values / patterns.n_channels, undefined


def sqeuclidean_cv(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the cross-validated squared length of the difference, whitened where there is noise."""
    folds, noise = _folds_of(patterns), patterns.noise
    if _is_plain(patterns):
        root_of_noise = None if noise is None else noise.root
        values, sizes = squares_between_folds(patterns.x, root_of_noise, dtype=patterns.dtype)
        return _with_ties(values, _rounding_of(sizes)), []
    x = whiten(patterns.x - folds.origin, noise)
    x, exponent = (rescale if is_tensor(x) else rescale_if_needed)(x, (-3, -2, -1))
    values, undefined = _distances(x, x, patterns)
    return scale(values, 2 * exponent[..., 0, 0]), undefined


def is_balanced(counts: IntArray) -> bool:
    """Return whether every way of pairing folds is the mean over all pairs of them; ``counts`` are rows of items."""
    return bool((counts == counts[0, 0]).all())


def _is_plain(patterns: Patterns) -> bool:
    """Whether the design is balanced, and the patterns an array with one noise."""
    by_fold = patterns.noise is not None and patterns.noise.covariances is not None
    return not is_tensor(patterns.x) and not by_fold and is_balanced(_folds_of(patterns).counts)


def poisson_cv(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the cross-validated symmetrised divergence of Poisson rates, per channel."""
    rates, logs, bad = rates_and_logs(patterns.x, patterns.options)
    values, undefined = _distances(rates, logs, patterns)
    bad = dataclasses.replace(bad, mask=(bad.mask & like(_folds_of(patterns).counts > 0, bad.mask)).any(axis=-2))
    return values / patterns.n_channels, [bad, *undefined]


def correlation_cv(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return 1 - the cross-validated correlation."""
    x, _ = rescale(patterns.x, (-3, -2, -1))
    x = namespace(x).where(constant_rows(x)[..., None], 0.0, centre(x))
    return _angles(x, patterns)


def cosine_cv(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return 1 - the cross-validated cosine."""
    x, _ = rescale(patterns.x, (-3, -2, -1))
    return _angles(x, patterns)


def _distances(a: Array, b: Array, patterns: Patterns) -> tuple[Array, list[Undefined]]:
    products = _products(a, b, patterns, differences=True)
    own, cross = products.own, products.cross
    squares = own + transposed(own)
    squares -= cross  # in place: new memory costs as much as the sums
    squares -= transposed(cross)
    values = upper_triangle(squares)
    return _with_ties(values, _rounding_of_distances(a, b, patterns)), _apart(products, patterns)


def _rounding_of_distances(a: Array, b: Array, patterns: Patterns) -> float:
    if patterns.noise is not None and patterns.noise.covariances is not None:
        return 0.0  # whose unit is in the products alone; between matrices of noise nothing ties
    sizes = _plain_products(a, a, patterns)
    return _rounding_of(as_host(sizes if a is b else root(sizes * _plain_products(b, b, patterns))))


def _rounding_of(sizes: AnyArray) -> float:
    # that of the smallest item: what is told apart by more than its rounding stays apart
    smallest = float(sizes.min(where=sizes > 0, initial=np.inf))
    return 1e-14 * smallest if np.isfinite(smallest) else 0.0


def _with_ties(values: Array, absolute: float) -> Array:
    return restore_ties(values, absolute=absolute) if precision_of(values) == "float64" else values


def _angles(x: Array, patterns: Patterns) -> tuple[Array, list[Undefined]]:
    xp, floor = namespace(x), patterns.options.variance_floor
    products = _products(x, x, patterns, differences=False)
    own, cross = products.own, (products.cross + transposed(products.cross)) / 2
    plain = cast(_plain_products(x, x, patterns), patterns.dtype)[..., :, None]
    if floor:
        own = xp.maximum(own, floor * plain)
    empty = own <= ROUNDING[patterns.dtype] * plain
    lengths = root(xp.where(empty, 1.0, own))
    values = _with_ties(upper_triangle(1.0 - cross / (lengths * transposed(lengths))), 1e-13)
    empty = upper_triangle(empty | transposed(empty))
    return values, [*_apart(products, patterns), Undefined(NO_VARIANCE, empty, "pairs")]


def _plain_products(a: Array, b: Array, patterns: Patterns) -> Array:
    """Return the mean over folds of each item's products within them, shape (..., items): not cross-validated."""
    present = _weights(_folds_of(patterns).counts > 0, a)[..., 0]
    own = namespace(a).einsum("...k,...k->...", a, b)
    return (own * present).sum(axis=-2) / present.sum(axis=-2)


def _weights(numbers: AnyArray, x: Array) -> Array:
    """Return numbers, shape (folds, items), as floats that multiply ``x``."""
    return floats_like(numbers[..., None], x)


def _apart(products: _Products, patterns: Patterns) -> list[Undefined]:
    if products.missing is None:
        return []
    return [Undefined(APART[str(patterns.options.cv)], upper_triangle(products.missing), "pairs")]


def _folds_of(patterns: Patterns) -> Folds:
    assert patterns.folds is not None
    return patterns.folds


def _products(a: Array, b: Array, patterns: Patterns, *, differences: bool) -> _Products:
    """Return the mean products of ``a`` in one fold with ``b`` in another, both (..., folds, items, channels).

    With ``differences`` only those between two items matter: what all items share is taken out, which changes nothing
    but the rounding.
    """
    folds, noise, cv = _folds_of(patterns), patterns.noise, patterns.options.cv
    by_fold = noise is not None and noise.covariances is not None
    if cv == "observation-pairs":
        return _observation_pairs(a, folds.counts, noise if by_fold else None, patterns.dtype)
    if cv == "fold-pairs" and (by_fold or not folds.complete):
        if differences:
            same, a = a is b, _less_mean_of_present(a, folds.counts)
            b = a if same else _less_mean_of_present(b, folds.counts)
        return _fold_pairs(a, b, folds.counts > 0, noise if by_fold else None, patterns.dtype)
    training = _training_means(a, np.ones_like(folds.counts) if cv == "fold-pairs" else folds.counts)
    if differences:
        training, b = (x - x.mean(axis=-2, keepdims=True) for x in (training, b))
    return _of_kernel(_mean_over_folds(cast(training, patterns.dtype), cast(b, patterns.dtype)))


def _of_kernel(kernel: Array) -> _Products:
    return _Products(diagonal(kernel)[..., :, None], kernel)


def _less_mean_of_present(x: Array, counts: IntArray) -> Array:
    present = _weights(counts > 0, x)
    return x - (x * present).sum(axis=-2, keepdims=True) / present.sum(axis=-2, keepdims=True)


def _mean_over_folds(a: Array, b: Array) -> Array:
    """Return the mean over folds of the products of all items, in one product over folds and channels."""
    return _side_by_side(a) @ transposed(_side_by_side(b)) / a.shape[-3]


def _side_by_side(x: Array) -> Array:
    n_folds, n_items, n_channels = x.shape[-3:]
    return x.swapaxes(-3, -2).reshape(*x.shape[:-3], n_items, n_folds * n_channels)


def _training_means(x: Array, weights: IntArray) -> Array:
    """Return, for every fold, the weighted mean over the other folds."""
    each = _weights(weights, x)
    return _sum_of_others(x * each) / _sum_of_others(each)


def _sum_of_others(x: Array) -> Array:
    """Return, for every fold (axis -3), the sum over the other folds; nothing is subtracted, so nothing cancels."""
    xp, none = namespace(x), 0 * x[..., :1, :, :]
    before = xp.concatenate([none, xp.cumsum(x[..., :-1, :, :], axis=-3)], axis=-3)
    backwards = xp.cumsum(xp.flip(x, (-3,))[..., :-1, :, :], axis=-3)
    return before + xp.concatenate([xp.flip(backwards, (-3,)), none], axis=-3)


def _observation_pairs(x: Array, counts: IntArray, noise: Noise | None, dtype: Precision) -> _Products:
    """Return mean products over all pairs of rows from different folds.

    The sum over them is that over all pairs of rows, less that within folds: two products of sums of rows.
    """
    if noise is None:
        sums = cast(_by_item(x, _weights(counts, x)), dtype)
        total, each = sums.sum(axis=-2), sums.reshape(*sums.shape[:-2], -1)
        kernel = total @ transposed(total)
        kernel -= each @ transposed(each)
    else:
        sums = cast(x * _weights(counts, x), dtype)
        kernel = sum(_both_ways(sums, sums, f, g, noise) for f, g in combinations(range(len(counts)), 2))
    rows = counts.astype(np.float64)  # whole numbers: exact, and a product of integers takes a slow path
    n_pairs = np.multiply.outer(rows.sum(axis=0), rows.sum(axis=0))
    n_pairs -= rows.T @ rows
    # two items that are in one fold only are no pair, and neither of them makes one with itself
    alone = np.diag(n_pairs) == 0
    kernel = kernel / floats_like(np.maximum(n_pairs, 1, out=n_pairs), kernel)
    missing = like(alone | alone[:, None], kernel) if alone.any() else None
    return dataclasses.replace(_of_kernel(kernel), missing=missing)


def _by_item(x: Array, weights: Array) -> Array:
    """Return the weighted rows with folds and items swapped, shape (..., items, folds, channels), side by side."""
    x, weights = x.swapaxes(-3, -2), weights.swapaxes(-3, -2)
    return (x * weights).contiguous() if is_tensor(x) else np.multiply(x, weights, order="C")


def _fold_pairs(a: Array, b: Array, present: Array, noise: Noise | None, dtype: Precision) -> _Products:
    """Return mean products over the pairs of folds that hold both items."""
    same, a = a is b, cast(a, dtype)
    b = a if same else cast(b, dtype)
    own = cross = 0.0
    n_pairs = np.zeros((present.shape[1], present.shape[1]))
    for f, g in combinations(range(len(present)), 2):
        both = np.logical_and.outer(present[f] & present[g], present[f] & present[g]).astype(np.float64)
        n_pairs += 2 * both
        held = floats_like(both, a)
        kernel = _both_ways(a, b, f, g, noise)
        cross = cross + kernel * held
        own = own + diagonal(kernel)[..., :, None] * held
    scaling = floats_like(1.0 / np.maximum(n_pairs, 1), a)
    return _Products(own * scaling, cross * scaling, like(n_pairs == 0, a))


def _both_ways(a: Array, b: Array, f: int, g: int, noise: Noise | None) -> Array:
    """Return a_f P b_g' + a_g P b_f', symmetrised, less what all items share."""
    precision = None if noise is None else floats_like(_between(noise, f, g), a)

    def one_way(f: int, g: int) -> Array:
        left = a[..., f, :, :] if precision is None else a[..., f, :, :] @ precision
        return left @ transposed(b[..., g, :, :])

    kernel = one_way(f, g) if b is a else (one_way(f, g) + one_way(g, f)) / 2
    return kernel + transposed(kernel)


def _between(noise: Noise, f: int, g: int) -> AnyArray:
    """Return the precision between two folds: the inverse of the mean of their covariances."""
    assert noise.covariances is not None
    return np.asarray(np.linalg.inv((noise.covariances[f] + noise.covariances[g]) / 2))
