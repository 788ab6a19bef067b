"""How two sets of RDM vectors are compared: prepare every row once, then all pairs in one product."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np

from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.rsa._dispatch import Backend, kernels
from alignkit.rsa._kernels._products import products, whole_products
from alignkit.rsa._rank import dense_ranks, whole_ranks
from alignkit.rsa._rescale import centre, rescale

Method = Literal["spearman", "pearson", "cosine", "rho-a", "kendall-tau-a", "kendall-tau-b"]


@dataclasses.dataclass(frozen=True, slots=True)
class Similarity:
    """One method: ``product(prepare(a), prepare(b))`` is the (a, b) matrix of similarities.

    ``prepare`` does all that can be done once per RDM (ranks, centring, norms), so that a bootstrap or a time
    course never repeats it.
    """

    prepare: Callable[[FloatArray, Backend], FloatArray]
    product: Callable[[FloatArray, FloatArray, Backend], FloatArray]


def constant_rows(x: FloatArray) -> BoolArray:
    """Return which rows hold one value only, exactly: rounding in a mean must not decide this; never one with NaN."""
    return np.asarray(x.max(axis=-1) == x.min(axis=-1))


def standardise(x: FloatArray, *, centred: bool = True) -> FloatArray:
    """Return rows of unit norm, centred by default; rows without variance become NaN."""
    undefined = constant_rows(x) if centred else np.asarray(~x.any(axis=-1))
    rows, _ = rescale(x.astype(np.float64, copy=False), -1)
    if centred:
        rows = centre(rows)
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    norms[undefined] = np.nan
    return rows / norms


def _unit_centred(x: FloatArray, _: Backend) -> FloatArray:
    return standardise(x)


def _unit(x: FloatArray, _: Backend) -> FloatArray:
    return standardise(x, centred=False)


def _gram(a: FloatArray, b: FloatArray, _: Backend) -> FloatArray:
    # rounding alone can leave [-1, 1]
    return np.clip(products(a, b), -1.0, 1.0)


def _spearman(a: AnyArray, b: AnyArray, _: Backend) -> FloatArray:
    crossed, own_a, own_b = whole_products(a, b)
    scale = np.sqrt(own_a[:, None] * own_b)
    scale[scale == 0.0] = np.nan
    return np.clip(crossed / scale, -1.0, 1.0)


def _rho_a(a: AnyArray, b: AnyArray, _: Backend) -> FloatArray:
    n = a.shape[-1]
    return whole_products(a, b)[0] / float((n**3 - n) // 3)


def _balance(a: IntArray, b: IntArray, backend: Backend) -> FloatArray:
    work = 4.0 * len(a) * len(b) * a.shape[-1] ** 2
    return kernels(backend, work, a).kendall_balance(a, b).astype(np.float64)


def _tau_a(a: IntArray, b: IntArray, backend: Backend) -> FloatArray:
    n = a.shape[-1]
    return _balance(a, b, backend) / (n * (n - 1) / 2)


def _tau_b(a: IntArray, b: IntArray, backend: Backend) -> FloatArray:
    scale = np.sqrt(_untied_pairs(a))[:, None] * np.sqrt(_untied_pairs(b))
    return np.clip(_balance(a, b, backend) / scale, -1.0, 1.0)


def _untied_pairs(x: IntArray) -> FloatArray:
    """Return the number of pairs of unequal values in every row; NaN where there are none."""
    n = x.shape[-1]
    counts = (np.bincount(row) for row in x)
    untied = np.array([n * (n - 1) // 2 - (count * (count - 1) // 2).sum() for count in counts], dtype=np.float64)
    return np.where(untied == 0, np.nan, untied)


#: Rows come as (rows, pairs) without NaN.
METHODS: dict[str, Similarity] = {
    "spearman": Similarity(whole_ranks, _spearman),
    "pearson": Similarity(_unit_centred, _gram),
    "cosine": Similarity(_unit, _gram),
    "rho-a": Similarity(whole_ranks, _rho_a),
    "kendall-tau-a": Similarity(dense_ranks, _tau_a),
    "kendall-tau-b": Similarity(dense_ranks, _tau_b),
}
#: Methods that see ranks only.
RANK_METHODS = frozenset({"spearman", "rho-a", "kendall-tau-a", "kendall-tau-b"})
#: What a Methods section calls them.
SENTENCE = {
    "spearman": "Spearman's rank correlation (average ranks for ties)",
    "pearson": "Pearson's correlation",
    "cosine": "cosine similarity",
    "rho-a": "rho-a, the expected Spearman correlation under random tie breaking",
    "kendall-tau-a": "Kendall's tau-a",
    "kendall-tau-b": "Kendall's tau-b",
}


def undefined_rows(x: FloatArray, method: str) -> BoolArray:
    """Return which rows have no similarity to anything: constant ones (cosine: all zero; rho-a, tau-a: none)."""
    if method == "cosine":
        return np.asarray(~x.any(axis=-1))
    if method in ("rho-a", "kendall-tau-a"):
        return np.zeros(x.shape[:-1], dtype=bool)
    return constant_rows(x)


def similarity(a: FloatArray, b: FloatArray, method: str, backend: Backend = "auto") -> FloatArray:
    """Return the (a, b) similarities of rows without NaN."""
    kind = METHODS[method]
    return kind.product(kind.prepare(a, backend), kind.prepare(b, backend), backend)
