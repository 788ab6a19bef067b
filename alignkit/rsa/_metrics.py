"""The dissimilarities of :func:`rdm` by name: what computes each, and which options it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from alignkit._threads import one_blas_thread
from alignkit.rsa import _crossvalidated, _dissimilarities, _missing_channels, _poisson
from alignkit.rsa._arrays import Array, cast, has_double
from alignkit.rsa._condensed import as_host
from alignkit.rsa._container import pair_index
from alignkit.rsa._namespace import namespace
from alignkit.rsa._patterns import Folds, Patterns, Undefined
from alignkit.rsa._scipy_metrics import NUMBERS, SETS, scipy_metric

Metric = Literal[
    "correlation",
    "cosine",
    "euclidean",
    "sqeuclidean",
    "mahalanobis",
    "sqmahalanobis",
    "poisson",
    "crossnobis",
    "sqeuclidean_cv",
    "correlation_cv",
    "cosine_cv",
    "poisson_cv",
    "braycurtis",
    "canberra",
    "chebyshev",
    "cityblock",
    "dice",
    "hamming",
    "jaccard",
    "jensenshannon",
    "minkowski",
    "rogerstanimoto",
    "russellrao",
    "seuclidean",
    "sokalsneath",
    "yule",
]
Compute = Callable[[Patterns], tuple[Array, list[Undefined]]]
#: Items, and so pairs of them, on which float32 results are held against float64.
_SAMPLE = 46


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What computes a dissimilarity, and the options of :func:`rdm` that it takes besides those all take.

    ``omit`` computes it over the channels that two rows share; ``ties`` says that products of discrete patterns tie.
    """

    compute: Compute
    takes: frozenset[str] = frozenset()
    omit: Callable[[Patterns], tuple[Array, list[Undefined], tuple[int, int]]] | None = None
    ties: bool = False
    always_double: bool = False

    @property
    def crossvalidated(self) -> bool:
        """Whether it is computed between folds."""
        return "folds" in self.takes


def _kinds() -> dict[str, Kind]:
    plain, missing, cv = _dissimilarities, _missing_channels, _crossvalidated
    prior, angle = {"prior_lambda", "prior_weight"}, frozenset({"folds", "cv", "variance_floor"})
    found = {
        "correlation": Kind(plain.correlation, omit=missing.correlation, ties=True),
        "cosine": Kind(plain.cosine, omit=missing.cosine, ties=True),
        "euclidean": Kind(plain.euclidean, omit=missing.euclidean, ties=True),
        "sqeuclidean": Kind(plain.sqeuclidean, frozenset({"normalize"}), omit=missing.sqeuclidean, ties=True),
        "mahalanobis": Kind(plain.mahalanobis, frozenset({"noise"}), ties=True),
        "sqmahalanobis": Kind(plain.sqmahalanobis, frozenset({"noise", "normalize"}), ties=True),
        "poisson": Kind(_poisson.poisson, frozenset(prior), ties=True),
        "crossnobis": Kind(cv.crossnobis, frozenset({"folds", "cv", "noise"}), ties=True),
        "sqeuclidean_cv": Kind(cv.sqeuclidean_cv, frozenset({"folds", "cv", "normalize"}), ties=True),
        "correlation_cv": Kind(cv.correlation_cv, angle, ties=True),
        "cosine_cv": Kind(cv.cosine_cv, angle, ties=True),
        "poisson_cv": Kind(cv.poisson_cv, frozenset({"folds", "cv", *prior}), ties=True),
    }
    options = {"minkowski": frozenset({"p"})}
    for name in sorted((*SETS, *NUMBERS)):
        found[name] = Kind(scipy_metric(name), options.get(name, frozenset()), always_double=True)
    return found


METRICS = _kinds()


@one_blas_thread()
def compute(metric: str, patterns: Patterns, *, omit: bool) -> tuple[Array, list[Undefined], dict[str, Any]]:
    """Return the dissimilarities in the precision asked for, what is undefined, and what to keep in the provenance.

    Raises
    ------
    ValueError
        Patterns whose products are beyond the precision.
    """
    kind = METRICS[metric]
    # what overflows is said below, in one sentence
    with np.errstate(over="ignore", invalid="ignore"):
        found = _in_precision(kind, patterns, omit)
        _check_overflow(found[0], kind, patterns, omit)
    return found


def _in_precision(kind: Kind, patterns: Patterns, omit: bool) -> tuple[Array, list[Undefined], dict[str, Any]]:
    if kind.always_double:
        exact, undefined = kind.compute(patterns)
        values = cast(exact, patterns.dtype)
        error = float(np.nanmax(np.abs(as_host(exact) - as_host(values)), initial=0.0))
        return values, undefined, {} if patterns.dtype == "float64" else _stated(error, exact.shape[-1])
    if patterns.dtype == "float64":
        return _compute(kind, patterns, omit)
    items = _sampled_items(patterns)
    exact = _compute(kind, _sample(patterns, items), omit)[0]
    if kind.ties and has_double(patterns.x) and _has_ties(exact):
        double = dataclasses.replace(patterns, x=cast(patterns.x, "float64"), dtype="float64")
        values, undefined, extra = _compute(kind, double, omit)
        values = cast(values, "float32")
    else:
        values, undefined, extra = _compute(kind, patterns, omit)
    rows, columns = np.triu_indices(len(items), k=1)
    same = as_host(values[..., pair_index(items[rows], items[columns], patterns.n_items)])
    error = float(np.nanmax(np.abs(same.astype(np.float64) - exact), initial=0.0))
    return values, undefined, extra | _stated(error, exact.shape[-1])


def _compute(kind: Kind, patterns: Patterns, omit: bool) -> tuple[Array, list[Undefined], dict[str, Any]]:
    if omit and kind.omit is not None:
        values, undefined, used = kind.omit(patterns)
        return values, undefined, {"n_channels_used": list(used)}
    values, undefined = kind.compute(patterns)
    return values, undefined, {}


def _check_overflow(values: Array, kind: Kind, patterns: Patterns, omit: bool) -> None:
    xp, x = namespace(patterns.x), patterns.x
    if xp.isfinite(values.sum()):  # needs no mask as long as the values
        return
    lost = xp.isinf(values).any()
    if not lost and (omit or kind.always_double or not xp.isnan(values).any()):
        return
    largest = float(xp.where(xp.isfinite(x), abs(x), 0.0).max())
    limit = float(np.finfo(patterns.dtype).max)
    beyond = largest * largest > limit / patterns.n_channels
    if not lost and not beyond:
        return
    weighed = "" if patterns.noise is None else " (weighed by the noise)"
    instead = "pass dtype='float64' or divide x" if patterns.dtype == "float32" else "divide x"
    msg = (
        f"x holds values up to {largest:.3g}, whose products{weighed} are beyond {patterns.dtype}, which ends at "
        f"{limit:.1e}; {instead} by a constant."
    )
    raise ValueError(msg)


def _stated(error: float, n_pairs: int) -> dict[str, Any]:
    return {"dtype": "float32", "float32_error": error, "float32_error_pairs": n_pairs}


def _sampled_items(patterns: Patterns) -> np.ndarray[Any, np.dtype[np.int64]]:
    # copies that stand in for items with NaN would look like ties
    good = np.arange(patterns.n_items)
    if patterns.bad is not None:
        bad = as_host(patterns.bad)
        good = np.flatnonzero(~bad.reshape(-1, bad.shape[-1]).any(axis=0))
    good = good if len(good) >= 3 else np.arange(patterns.n_items)
    return good[np.unique(np.linspace(0, len(good) - 1, _SAMPLE).astype(np.int64))]


def _sample(patterns: Patterns, items: np.ndarray[Any, np.dtype[np.int64]]) -> Patterns:
    """Return the patterns of some items as a float64 array."""
    folds = patterns.folds
    if folds is not None:
        origin = None if folds.origin is None else as_host(folds.origin).astype(np.float64)
        folds = Folds(folds.counts[:, items], folds.names, origin)
    x = as_host(patterns.x[..., items, :]).astype(np.float64)
    bad = None if patterns.bad is None else as_host(patterns.bad[..., items])
    return dataclasses.replace(patterns, x=x, bad=bad, dtype="float64", folds=folds)


def _has_ties(values: Array) -> bool:
    return any(len(np.unique(row)) < len(row) for row in values.reshape(-1, values.shape[-1]))
