"""The metrics of :func:`time_rdms` by name: what computes each from a stretch of trials, and what it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np

from alignkit._check import check_choice, check_n_items, join_names
from alignkit._typing import AnyArray
from alignkit.meg._decisions import Decisions, Tally
from alignkit.meg._distances import Distances
from alignkit.meg._leave_one_out import decisions_by_condition, leave_one_fold_out
from alignkit.meg._trials import Design, Trials
from alignkit.meg._whiten import Whitening
from alignkit.rsa._arrays import Precision
from alignkit.rsa._patterns import MetricOptions, Undefined

Metric = Literal[
    "correlation",
    "cosine",
    "euclidean",
    "sqeuclidean",
    "mahalanobis",
    "sqmahalanobis",
    "crossnobis",
    "sqeuclidean_cv",
    "correlation_cv",
    "cosine_cv",
    "decoding",
    "decoding_weighted",
    "svm",
]
Covariance = Literal["shared", "pairwise"]
UNDECIDED = "conditions that no fold has trained and tested"
_UNDECIDED_PAIRWISE = "conditions that no fold has trained with two trials and tested"


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What a metric needs: ``noise`` is its default, ``folds`` whether it compares folds, ``takes`` its options."""

    noise: str | None = None
    folds: bool = False
    takes: frozenset[str] = frozenset()

    @property
    def decodes(self) -> bool:
        """Whether its values are made of decisions."""
        return "cv" not in self.takes and self.folds


_CV = frozenset({"cv"})
KINDS: dict[str, Kind] = {
    "correlation": Kind(),
    "cosine": Kind(),
    "euclidean": Kind(),
    "sqeuclidean": Kind(takes=frozenset({"normalize"})),
    "mahalanobis": Kind("epoch"),
    "sqmahalanobis": Kind("epoch", takes=frozenset({"normalize"})),
    "crossnobis": Kind("epoch", folds=True, takes=_CV),
    "sqeuclidean_cv": Kind(folds=True, takes=_CV | {"normalize"}),
    "correlation_cv": Kind(folds=True, takes=_CV | {"variance_floor"}),
    "cosine_cv": Kind(folds=True, takes=_CV | {"variance_floor"}),
    "decoding": Kind("time", folds=True, takes=frozenset({"covariance"})),
    "decoding_weighted": Kind("time", folds=True),
    "svm": Kind("time", folds=True),
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Dissimilarities of a stretch of times, shape (times, pairs), and what of them is undefined.

    ``counted`` says that they are whole numbers of half decisions.
    """

    values: AnyArray
    undefined: list[Undefined]
    counted: bool = False


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Estimator:
    """What turns a stretch of trials, shape (times, trials, channels), into dissimilarities.

    ``n_decisions`` is the number behind every value where that is the same for all pairs; ``cv`` how folds are paired.
    """

    compute: Callable[[AnyArray, Whitening | None], Estimate]
    n_decisions: int | None = None
    cv: str | None = None


def estimator_of(
    metric: str, design: Design, options: MetricOptions, *, covariance: str, ridge: float, dtype: Precision
) -> Estimator:
    """Return the estimator of a metric for trials of one design."""
    if not KINDS[metric].decodes:
        engine = Distances.of(metric, design, options, dtype)
        return Estimator(lambda x, whitening: Estimate(*engine(x, whitening)), cv=engine.options.cv)
    decode = _decoder(metric, design, covariance, ridge)
    reason = UNDECIDED if covariance == "shared" else _UNDECIDED_PAIRWISE

    def compute(x: AnyArray, whitening: Whitening | None) -> Estimate:
        found = decode(x, whitening)
        undefined = [Undefined(reason, found.undefined, "pairs")] if found.undefined.any() else []
        if found.counts is not None:
            return Estimate(found.counts, undefined, counted=True)
        return Estimate(found.as_dtype(dtype), undefined)

    return Estimator(compute, _n_decisions(metric, design, covariance))


def _decoder(
    metric: str, design: Design, covariance: str, ridge: float
) -> Callable[[AnyArray, Whitening | None], Decisions]:
    if metric == "svm":
        from alignkit.meg._decoding_svm import decode_svm

        return lambda x, whitening: decode_svm(x, design, None if whitening is None else whitening.roots)
    if covariance == "pairwise":
        from alignkit.meg._decoding_pairwise import decode_pairwise

        return lambda x, whitening: decode_pairwise(x, design, ridge=ridge)
    from alignkit.meg._decoding import decode_shared

    weighted = metric == "decoding_weighted"
    return lambda x, whitening: decode_shared(
        x, design, None if whitening is None else whitening.roots, weighted=weighted
    )


def _n_decisions(metric: str, design: Design, covariance: str) -> int | None:
    if metric == "decoding_weighted":
        return None
    splits = leave_one_fold_out(design, minimum=2 if covariance == "pairwise" else 1)
    return Tally.of(decisions_by_condition(splits)).n_decisions


def check_trials(metric: str, trials: Trials, cv: str | None) -> None:
    """Raise where trials are not what a metric needs."""
    kind, design = KINDS[metric], trials.design
    check_n_items("data", design.n_conditions, 2)
    if kind.folds and design.n_folds < 2:
        msg = f"{metric} needs folds= (the session or run of each trial) with two folds at least; got {design.n_folds}."
        raise ValueError(msg)
    if not kind.folds and design.fold is not None:
        takers = [repr(name) for name, other in KINDS.items() if other.folds]
        msg = f"folds is only for the metrics {', '.join(takers)}; got metric={metric!r}."
        raise ValueError(msg)
    if metric in ("correlation", "cosine", "correlation_cv", "cosine_cv") and trials.n_channels == 1:
        msg = f"metric={metric!r} is undefined for a single channel; use metric='euclidean' or 'sqeuclidean_cv'."
        raise ValueError(msg)
    if cv == "leave-one-fold-out" and (design.counts == 0).any():
        missing = [f"{design.labels[i]} in fold {design.folds[f]}" for f, i in np.argwhere(design.counts == 0)]
        msg = (
            f"cv='leave-one-fold-out' needs every condition in every fold; missing: {join_names(missing)}. Leave cv= "
            "out, or pass 'fold-pairs' or 'observation-pairs', which do without."
        )
        raise ValueError(msg)


def check_options(metric: object, options: MetricOptions, covariance: object) -> None:
    """Raise where a metric is unknown or does not take an option."""
    check_choice("metric", metric, tuple(KINDS))
    check_choice("covariance", covariance, ("shared", "pairwise"))
    given = {
        "cv": options.cv is not None,
        "normalize": options.normalize,
        "variance_floor": options.variance_floor != 0,
        "covariance": covariance != "shared",
    }
    for name, there in given.items():
        if there and name not in KINDS[str(metric)].takes:
            takers = [repr(other) for other in KINDS if name in KINDS[other].takes]
            msg = f"{name} is only for metric={' or '.join(takers)}; got metric={metric!r}."
            raise ValueError(msg)
    if options.cv is not None:
        check_choice("cv", options.cv, ("leave-one-fold-out", "fold-pairs", "observation-pairs"))
