"""All pairs of two stacks of condensed RDMs, with the pairs that are missing left out of each comparison alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from alignkit._check import NanPolicy, is_tensor
from alignkit._threads import one_blas_thread
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.rsa._bures import bures_product, complete_items, configurations
from alignkit.rsa._dispatch import Backend
from alignkit.rsa._masks import part_of, shared_masks
from alignkit.rsa._matrix_methods import BURES, WHITENED
from alignkit.rsa._namespace import like
from alignkit.rsa._partial import Partial, partial_similarities
from alignkit.rsa._similarity_methods import METHODS
from alignkit.rsa._whitened import whitened
from alignkit.rsa._whitened_sums import whitened_similarities


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Options:
    """How rows are compared."""

    method: str
    nan_policy: NanPolicy = "propagate"
    backend: Backend = "auto"
    sigma_k: FloatArray | None = None
    controls: AnyArray | None = None
    partial: Partial = "both"


@dataclasses.dataclass(slots=True, eq=False)
class Compared:
    """Similarities of all pairs of rows, the item pairs each used, and how far rows are from Euclidean (Bures)."""

    values: Any
    n_pairs: IntArray
    negative: tuple[FloatArray, FloatArray]


@one_blas_thread()
def compare_rows(a: Any, b: Any, options: Options) -> Compared:
    """Compare every row of ``a`` with every row of ``b``; what cannot be compared is NaN."""
    negative = (np.zeros(len(a)), np.zeros(len(b)))
    compared = Compared(_empty(a, b), np.zeros((len(a), len(b)), dtype=np.int64), negative)
    if _all_at_once(a, b, options, compared):
        return compared
    kernel = _compare_bures if options.method in BURES else _compare_block
    for rows_a, rows_b, valid in shared_masks(a, b, options.nan_policy, _without_nan(options.controls)):
        block = np.ix_(rows_a, rows_b)
        compared.n_pairs[block] = valid.sum()
        if valid.sum() >= 2:
            x = part_of(a, rows_a, valid)
            y = x if a is b and rows_a is rows_b else part_of(b, rows_b, valid)
            values = kernel(x, y, valid, options, (rows_a, rows_b), compared)
            if values is not None:
                compared.values[tuple(like(i, a) for i in block)] = values
    return compared


def _empty(a: Any, b: Any) -> Any:
    if not is_tensor(a):
        return np.full((len(a), len(b)), np.nan)
    return a.new_full((len(a), len(b)), np.nan).double()


def _without_nan(controls: AnyArray | None) -> BoolArray | None:
    return None if controls is None else np.asarray(~np.isnan(controls).any(axis=0))


def _all_at_once(a: Any, b: Any, options: Options, compared: Compared) -> bool:
    """Fill in the whitened similarities of complete RDMs with equal variances, which need one pass; say if it did."""
    if options.method not in WHITENED or options.sigma_k is not None or is_tensor(a):
        return False
    values = whitened_similarities(a, b, options.backend, centred=options.method == "whitened-pearson")
    if np.isnan(values).any():  # something is missing or undefined
        return False
    compared.values[:], compared.n_pairs[:] = values, a.shape[-1]
    return True


def _compare_block(
    a: Any, b: Any, valid: BoolArray, options: Options, _: tuple[IntArray, IntArray], __: Compared
) -> Any:
    method = options.method
    if options.controls is not None:
        controls = options.controls[:, valid]
        return partial_similarities(a, b, controls, method, options.partial, options.backend)
    if method in WHITENED:
        kind = whitened(valid, options.sigma_k, centred=method == "whitened-pearson")
    else:
        kind = METHODS[method]
    prepared = kind.prepare(a, options.backend)
    return kind.product(prepared, prepared if b is a else kind.prepare(b, options.backend), options.backend)


def _compare_bures(
    a: Any, b: Any, valid: BoolArray, options: Options, rows: tuple[IntArray, IntArray], compared: Compared
) -> Any:
    if complete_items(valid) is None:
        compared.n_pairs[np.ix_(*rows)] = 0
        return None
    first = configurations(a)
    second = first if b is a else configurations(b)
    for negative, own, found in zip(compared.negative, rows, (first, second), strict=True):
        negative[own] = np.maximum(negative[own], found.negative)
    return bures_product(first, second, metric=options.method == "bures-metric")
