"""Similarities of RDMs whose items are permuted, by every method: what can be done once is done once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._bures import Configurations, bures_product, configurations
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._container import pair_index
from alignkit.rsa._kernels._products import whole_products
from alignkit.rsa._matrix_methods import BURES, WHITENED
from alignkit.rsa._partial import control_basis, scaled, without
from alignkit.rsa._permuted_products import PermutedProducts
from alignkit.rsa._similarity_methods import METHODS, RANK_METHODS
from alignkit.rsa._whitened import whitened

#: Permutations, shape (m, items), to similarities, shape (m, a, b).
Statistics = Callable[[IntArray], FloatArray]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Permuted:
    """Similarities of all rows of ``a`` with all of ``b`` (or with their means) under permutations of a's items."""

    statistics: Statistics
    #: Permutations that are best taken together.
    n_together: int
    #: About how many bytes go to the workers of a cluster.
    nbytes: int = 0


def permuted_similarity(
    a: FloatArray, b: FloatArray, n_items: int, options: Options, groups: FloatArray | None = None
) -> Permuted:
    """Return how to compare ``a`` with its items permuted and ``b``, shapes (rows, pairs).

    Parameters
    ----------
    a, b : ndarray, shape (rows, pairs)
        RDMs with NaN nowhere but in pairs that ``options`` leaves out of each comparison.
    n_items : int
        Their items.
    options : Options
        Method, what is done with NaN, and controls, which stay with ``b``; what they leave of ``a`` is permuted.
    groups : ndarray, shape (groups, rows of b), optional
        Weights of means over rows of ``b``: similarities are averaged.
    """
    return dataclasses.replace(_permuted(a, b, n_items, options, groups), nbytes=a.nbytes + b.nbytes)


def _permuted(a: FloatArray, b: FloatArray, n_items: int, options: Options, groups: FloatArray | None) -> Permuted:
    method = options.method
    if np.isnan(a).any() or np.isnan(b).any():
        return _averaged(_pair_by_pair(a, b, n_items, options), groups)
    if options.controls is not None:
        return _partial(a, b, n_items, options, groups)
    if method in BURES:
        return _averaged(_bures(a, b, metric=method == "bures-metric"), groups)
    if method.startswith("kendall"):
        return _averaged(_ranked(a, b, n_items, options), groups)
    return _linear(a, b, n_items, method, groups)


def _averaged(permuted: Permuted, groups: FloatArray | None) -> Permuted:
    if groups is None:
        return permuted
    return Permuted(lambda orders: permuted.statistics(orders) @ groups.T, permuted.n_together)


def _linear(a: FloatArray, b: FloatArray, n_items: int, method: str, groups: FloatArray | None) -> Permuted:
    """Products of what is prepared once: neither ranks nor lengths change when items are permuted."""
    if method in WHITENED:
        # with equal variances the whitened form of a permuted RDM is the permuted whitened form
        kind = whitened(np.ones(a.shape[1], dtype=bool), centred=method == "whitened-pearson")
    else:
        kind = METHODS[method]
    first, second = kind.prepare(a, "auto"), kind.prepare(b, "auto")
    scale_a, scale_b = _scales(first, second, method)
    # products of whole ranks stay whole numbers: what is tied in one permutation and another stays tied
    first, second = (np.nan_to_num(x.astype(np.float64)) for x in (first, second))
    if groups is not None:
        # the mean of similarities is the similarity to the mean of RDMs of unit length
        second = groups @ (np.nan_to_num(scale_b)[:, None] * second)
        scale_b = np.where(groups @ np.isnan(scale_b) > 0, np.nan, 1.0)
    products = PermutedProducts.of(first, second, n_items)
    scale = scale_a[:, None] * scale_b
    return Permuted(lambda orders: products(orders) * scale, products.n_together)


def _scales(first: AnyArray, second: AnyArray, method: str) -> tuple[FloatArray, FloatArray]:
    """Return what makes products of prepared rows similarities, per row; NaN for rows that have none to anything."""
    if method == "rho-a":
        n = first.shape[1]
        return np.full(len(first), 1 / float((n**3 - n) // 3)), np.ones(len(second))
    if method in RANK_METHODS:
        squared = (whole_products(x, x[:1])[1] for x in (first, second))
        lengths = [np.sqrt(np.where(own == 0, np.nan, own)) for own in squared]
        return 1 / lengths[0], 1 / lengths[1]
    defined = (np.isnan(x).any(axis=1) for x in (first, second))
    scale_a, scale_b = (np.where(bad, np.nan, 1.0) for bad in defined)
    return scale_a, scale_b


def _partial(a: FloatArray, b: FloatArray, n_items: int, options: Options, groups: FloatArray | None) -> Permuted:
    """Products with what the controls leave of ``b``, and with the controls for the length of what they leave of a."""
    assert options.controls is not None
    basis = control_basis(scaled(options.controls, options.method, "auto"))
    first, second = scaled(a, options.method, "auto"), scaled(b, options.method, "auto")
    one_side = options.partial == "second"
    first = first if one_side else without(first, basis)
    # the length of b stays that of all of it where a alone leaves the controls
    rest = second - (second @ basis.T) @ basis if options.partial == "first" else without(second, basis)
    undefined = np.isnan(first[:, :1]) | np.isnan(rest[:, 0])
    if groups is not None:
        undefined = undefined @ (groups.T > 0)
        rest = groups @ np.nan_to_num(rest)
    first, rest = np.nan_to_num(first), np.nan_to_num(rest)
    products = PermutedProducts.of(first, np.concatenate([rest, basis]), n_items)
    nothing_left = 64 * np.finfo(np.float64).eps * np.sqrt(a.shape[1])

    def statistics(orders: IntArray) -> FloatArray:
        found = products(orders)
        values, explained = found[..., : len(rest)], found[..., len(rest) :]
        if not one_side:
            left = 1 - np.square(explained).sum(axis=-1, keepdims=True)  # squared, and rounded as 1 is
            values = values / np.sqrt(np.where(left <= nothing_left, np.nan, left))
        return np.where(undefined, np.nan, values)

    return Permuted(statistics, products.n_together)


def _ranked(a: FloatArray, b: FloatArray, n_items: int, options: Options) -> Permuted:
    """Pairs of pairs are counted anew for every permutation; ranks are not."""
    kind = METHODS[options.method]
    first, second = kind.prepare(a, "auto"), kind.prepare(b, "auto")
    return Permuted(_each(n_items, lambda pairs: kind.product(first[:, pairs], second, "auto")), 8)


def _bures(a: FloatArray, b: FloatArray, *, metric: bool) -> Permuted:
    first, second = configurations(a), configurations(b)

    def one(order: IntArray) -> FloatArray:
        points = [x[order] for x in first.points]
        return bures_product(Configurations(points, first.scales, first.negative), second, metric=metric)

    return Permuted(lambda orders: np.stack([one(order) for order in orders]), 8)


def _pair_by_pair(a: FloatArray, b: FloatArray, n_items: int, options: Options) -> Permuted:
    """Missing pairs move with their items: every permutation is compared on the pairs that it leaves in both."""
    return Permuted(_each(n_items, lambda pairs: np.asarray(compare_rows(a[:, pairs], b, options).values)), 8)


def _each(n_items: int, one: Callable[[IntArray], FloatArray]) -> Statistics:
    """Return the function that calls ``one`` with the positions of the permuted pairs, for each permutation."""
    rows, columns = np.triu_indices(n_items, k=1)

    def statistics(orders: IntArray) -> FloatArray:
        return np.stack([one(pair_index(order[rows], order[columns], n_items)) for order in orders])

    return statistics
