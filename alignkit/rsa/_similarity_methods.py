"""How two sets of RDM vectors are compared: prepare every row once, then all pairs in one product."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from alignkit._check import is_tensor
from alignkit._threads import each
from alignkit._typing import AnyArray, BoolArray
from alignkit.rsa._dispatch import Backend, kernels, on_host
from alignkit.rsa._kernels._products import products, whole_products
from alignkit.rsa._namespace import like, namespace, widen
from alignkit.rsa._rank import dense_ranks, whole_ranks
from alignkit.rsa._rescale import centre, rescale

#: Values that are standardised together: what is in between takes no more memory than some of them.
_BLOCK = 1 << 17
Method = Literal["spearman", "pearson", "cosine", "rho-a", "kendall-tau-a", "kendall-tau-b"]


@dataclasses.dataclass(frozen=True, slots=True)
class Similarity:
    """One method: ``product(prepare(a), prepare(b))`` is the (a, b) matrix of similarities.

    ``prepare`` does all that can be done once per RDM (ranks, centring, norms), so that a bootstrap or a time
    course never repeats it. Both take numpy arrays or torch tensors, float32 or float64.
    """

    prepare: Callable[[Any, Backend], Any]
    product: Callable[[Any, Any, Backend], Any]


def constant_rows(x: Any) -> Any:
    """Return which rows hold one value only, exactly: rounding in a mean must not decide this; never one with NaN."""
    return namespace(x).amax(x, -1) == namespace(x).amin(x, -1)


def standardise(x: Any, *, centred: bool = True) -> Any:
    """Return rows of unit norm, centred by default; rows without variance become NaN."""
    if is_tensor(x) or x.ndim != 2 or x.size <= _BLOCK:
        return _standardised(x, centred=centred)
    unit = np.empty(x.shape)
    step = max(1, _BLOCK // x.shape[1])

    def fill(start: int) -> None:
        unit[start : start + step] = _standardised(x[start : start + step], centred=centred)

    each(fill, range(0, len(x), step))
    return unit


def _standardised(x: Any, *, centred: bool) -> Any:
    xp = namespace(x)
    undefined = constant_rows(x) if centred else ~(x != 0).any(-1)
    rows, _ = rescale(widen(x), -1)
    if centred:
        rows = centre(rows)
    norms = xp.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / xp.where(undefined[..., None], np.nan, norms)


def _unit_centred(x: Any, _: Backend) -> Any:
    return standardise(x)


def _unit(x: Any, _: Backend) -> Any:
    return standardise(x, centred=False)


def _gram(a: Any, b: Any, _: Backend) -> Any:
    # rounding alone can leave [-1, 1]
    return namespace(a).clip(products(a, b), -1.0, 1.0)


@on_host
def _spearman(a: Any, b: Any, _: Backend) -> Any:
    xp = namespace(a)
    crossed, own_a, own_b = whole_products(a, b)
    scale = xp.sqrt(own_a[:, None] * own_b)
    scale[scale == 0.0] = np.nan
    return xp.clip(crossed / scale, -1.0, 1.0)


@on_host
def _rho_a(a: Any, b: Any, _: Backend) -> Any:
    n = a.shape[-1]
    return whole_products(a, b)[0] / float((n**3 - n) // 3)


def _balance(a: Any, b: Any, backend: Backend) -> Any:
    work = 4.0 * len(a) * len(b) * a.shape[-1] ** 2
    return widen(kernels(backend, work, a).kendall_balance(a, b))


@on_host
def _tau_a(a: Any, b: Any, backend: Backend) -> Any:
    n = a.shape[-1]
    return _balance(a, b, backend) / (n * (n - 1) / 2)


@on_host
def _tau_b(a: Any, b: Any, backend: Backend) -> Any:
    xp = namespace(a)
    # one root of a square is exact: of itself, tau-b is 1
    scale = xp.sqrt(_untied_pairs(a)[:, None] * _untied_pairs(b))
    return xp.clip(_balance(a, b, backend) / scale, -1.0, 1.0)


def _untied_pairs(ranks: Any) -> Any:
    """Return the number of pairs of different dense ranks in every row; NaN where there are none."""
    n = ranks.shape[-1]
    counts = (namespace(ranks).bincount(row) for row in ranks)
    untied = np.array([n * (n - 1) // 2 - int((count * (count - 1) // 2).sum()) for count in counts], dtype=np.float64)
    return like(np.where(untied == 0, np.nan, untied), ranks)


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


def undefined_rows(x: AnyArray, method: str) -> BoolArray:
    """Return which rows have no similarity to anything: constant ones (cosine: all zero; rho-a, tau-a: none)."""
    if method == "cosine":
        return np.asarray(~x.any(axis=-1))
    if method in ("rho-a", "kendall-tau-a"):
        return np.zeros(x.shape[:-1], dtype=bool)
    return np.asarray(constant_rows(x))


def similarity(a: Any, b: Any, method: str, backend: Backend = "auto") -> Any:
    """Return the (a, b) similarities of rows without NaN."""
    kind = METHODS[method]
    prepared = kind.prepare(a, backend)
    return kind.product(prepared, prepared if b is a else kind.prepare(b, backend), backend)
