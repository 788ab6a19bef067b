"""The mean RDM of several subjects: on which scale they are averaged, for every method that has one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np

from alignkit._check import check_choice
from alignkit._typing import AnyArray, BoolArray, FloatArray
from alignkit.rsa._kernels._products import products
from alignkit.rsa._matrix_methods import BURES, WHITENED
from alignkit.rsa._pools import GramPool, Pool, RowPool
from alignkit.rsa._rank import whole_ranks
from alignkit.rsa._rescale import centre, rescale
from alignkit.rsa._sigma_k import check_sigma_k
from alignkit.rsa._similarity_methods import METHODS, RANK_METHODS, Method, Similarity, standardise, undefined_rows
from alignkit.rsa._whitened import whitened, whitened_vectors, whitening_of

Pooling = Literal["rank", "raw", "rsatoolbox"]
PoolingMethod = Literal[Method, "whitened-cosine", "whitened-pearson"]
POOLING_METHODS = (*METHODS, *WHITENED)
_KENDALL = ("kendall-tau-a", "kendall-tau-b")
_SCALES = {
    **dict.fromkeys(RANK_METHODS, "ranks"),
    "pearson": "z-scores",
    "cosine": "unit root mean square",
    **dict.fromkeys(WHITENED, "unit length after whitening"),
}


def check_pooling(method: str, pooling: str) -> None:
    """Raise unless RDMs that are compared by ``method`` can be averaged that way."""
    if isinstance(method, str) and method in BURES:
        msg = (
            f"method {method!r} has no mean RDM in closed form, and therefore no ceiling; "
            "use 'whitened-cosine' or 'cosine', which compare the same RDMs."
        )
        raise ValueError(msg)
    check_choice("method", method, POOLING_METHODS)
    check_choice("pooling", pooling, ("rank", "raw", "rsatoolbox"))


def checked_sigma_k(sigma_k: object, method: str, n_items: int) -> tuple[FloatArray | None, str]:
    """Return ``sigma_k`` as an array and what it is: ``""`` for methods without, else identity or what was given."""
    if method not in WHITENED:
        if sigma_k is None:
            return None, ""
        msg = f"sigma_k is for the methods {' and '.join(map(repr, WHITENED))}; {method!r} does not weigh pairs."
        raise ValueError(msg)
    sigma = check_sigma_k(sigma_k, n_items)
    return sigma, "identity" if sigma is None else ("variances" if sigma.ndim == 1 else "covariance")


def plain_of(method: str) -> str:
    """Return the method that a whitened one is with independent pairs, or the method itself."""
    return WHITENED.get(method, method)


def describe_pooling(method: str, pooling: str) -> str:
    """Return how RDMs were averaged, for a sentence."""
    if pooling == "raw":
        return "averaged as they are"
    if pooling == "rsatoolbox" and method in WHITENED:
        return f"averaged unwhitened, on the scale of the {plain_of(method)} method ({_SCALES[plain_of(method)]})"
    return f"averaged on the scale of the comparison ({_SCALES[method]})"


def pooling_note(method: str, pooling: str) -> str:
    """Return what to know about the mean RDM; empty where it is the one that is most like all."""
    if method in _KENDALL and pooling != "raw":
        return "By Kendall's tau the mean of ranks is a heuristic, not the RDM that is most like all."
    if method in WHITENED and pooling == "rsatoolbox":
        return "Averaged unwhitened, the mean is not quite the RDM that is most like all (pooling='rank' gives that)."
    return ""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Measure:
    """A method for rows that hold the ``valid`` pairs alone."""

    method: str
    kind: Similarity
    #: Linear map after which the method is the cosine; methods of ranks have none.
    vectors: Callable[[FloatArray], FloatArray] | None


def pools(
    rows: AnyArray,
    method: str,
    pooling: str,
    valid: BoolArray,
    sigma_k: FloatArray | None = None,
    *,
    prepared: AnyArray | None = None,
) -> list[Pool]:
    """Return the pool of every cell of ``rows``, shape (subject, cell, pairs), which holds the ``valid`` pairs alone.

    Every row is ranked, or brought to its scale, once; or not at all where it is ``prepared``, shape (subject * cell,
    ...), already.
    """
    n_subjects, n_cells, n_pairs = rows.shape
    flat = rows.reshape(-1, n_pairs)
    measure = _measure(method, valid, sigma_k)
    if prepared is None:
        prepared = measure.kind.prepare(flat, "auto")
    scaled = flat if pooling == "raw" else _scaled(flat, prepared, measure, pooling)
    undefined = undefined_rows(flat, plain_of(method)).reshape(n_subjects, n_cells)
    scaled, prepared = (x.reshape(n_subjects, n_cells, -1) for x in (scaled, prepared))
    return [_pool(scaled[:, k], prepared[:, k], undefined[:, k], measure, pooling) for k in range(n_cells)]


def _measure(method: str, valid: BoolArray, sigma_k: FloatArray | None) -> _Measure:
    if method not in WHITENED:
        vectors = None if method in RANK_METHODS else (centre if method == "pearson" else _unchanged)
        return _Measure(method, METHODS[method], vectors)
    centred = plain_of(method) == "pearson"
    whitening = whitening_of(valid, sigma_k)
    return _Measure(
        method,
        whitened(valid, sigma_k, centred=centred),
        lambda rows: np.asarray(whitened_vectors(rows, whitening, centred=centred)),
    )


def _unchanged(rows: FloatArray) -> FloatArray:
    return rows


def _scaled(rows: AnyArray, prepared: AnyArray, measure: _Measure, pooling: str) -> AnyArray:
    """Return rows on the scale on which they are averaged."""
    if measure.vectors is None:
        return np.asarray(whole_ranks(prepared)) if measure.method in _KENDALL else prepared
    if measure.method not in WHITENED:
        return prepared
    units = standardise(rows, centred=plain_of(measure.method) == "pearson")
    if pooling == "rsatoolbox":
        return units
    return np.asarray(units / np.linalg.norm(measure.vectors(units), axis=-1, keepdims=True))


def _pool(scaled: AnyArray, prepared: AnyArray, undefined: BoolArray, measure: _Measure, pooling: str) -> Pool:
    if pooling == "raw":
        scaled = rescale(scaled, (-2, -1))[0]  # sums over subjects then stay within range
    rows = RowPool(scaled, prepared, measure.kind, directed=plain_of(measure.method) == "cosine")
    if measure.vectors is None:
        return rows
    vectors = prepared if pooling == "rank" else measure.vectors(scaled)
    gram = products(vectors, vectors)
    return GramPool(gram, np.where(undefined, np.nan, np.sqrt(np.diagonal(gram))), rows)
