"""Which options of :func:`rdm` a metric takes, and their values."""

from __future__ import annotations

import dataclasses
from typing import Any

from alignkit._check import check_choice, check_not_negative, check_positive
from alignkit.rsa._metrics import METRICS
from alignkit.rsa._patterns import MetricOptions

_CV = ("leave-one-fold-out", "fold-pairs", "observation-pairs")
#: What the metric cannot be computed from, by option.
_NEEDS_NOISE = ("mahalanobis", "sqmahalanobis")


def as_options(
    metric: str, options: MetricOptions, *, labels: object, folds: object, noise: object, nan_policy: str
) -> MetricOptions:
    """Return the options, or raise where the metric does not take one, lacks one, or one is out of range."""
    kind = METRICS[metric]
    given = {"folds": folds is not None, "noise": noise is not None}
    for field in dataclasses.fields(MetricOptions):
        given[field.name] = getattr(options, field.name) != field.default
    for name, there in given.items():
        if there and name not in kind.takes:
            takers = [other for other in METRICS if name in METRICS[other].takes]
            msg = f"{name}{_value(options, name)} is only for {_metrics(takers)}; got metric={metric!r}."
            raise ValueError(msg)
    if kind.crossvalidated and (labels is None or folds is None):
        msg = f"{metric} needs labels= (the condition of each row) and folds= (its run or session)."
        raise ValueError(msg)
    if metric in _NEEDS_NOISE and noise is None:
        other = metric.replace("mahalanobis", "euclidean")
        msg = f"{metric} needs noise= (the precision of the channels); without it use metric={other!r}."
        raise ValueError(msg)
    if nan_policy == "omit" and kind.omit is None:
        takers = [other for other in METRICS if METRICS[other].omit is not None]
        msg = f"nan_policy='omit' is only for {_metrics(takers)}, not for metric={metric!r}."
        raise ValueError(msg)
    return _checked(metric, options)


def _value(options: MetricOptions, name: str) -> str:
    return "=True" if getattr(options, name, None) is True else ""


def _metrics(names: list[str]) -> str:
    """Return the names as the command line can repeat them: without Python's quotes."""
    return f"metric={names[0]!r}" if len(names) == 1 else f"the metrics {', '.join(names[:-1])} and {names[-1]}"


def _checked(metric: str, options: MetricOptions) -> MetricOptions:
    if options.cv is not None:
        check_choice("cv", options.cv, _CV)
    if metric == "poisson_cv" and options.cv == "observation-pairs":
        msg = "cv='observation-pairs' is not for poisson_cv: logarithms of single rows are biased; use cv='fold-pairs'."
        raise ValueError(msg)
    names = ("prior_lambda", "prior_weight", "variance_floor")
    numbers: dict[str, Any] = {name: check_not_negative(name, getattr(options, name)) for name in names}
    return dataclasses.replace(options, p=check_positive("p", options.p), **numbers)
