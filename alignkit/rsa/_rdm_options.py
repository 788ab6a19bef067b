"""Which options of :func:`rdm` a metric takes, and their values."""

from __future__ import annotations

import dataclasses
from typing import Any

from alignkit._check import check_choice, check_not_negative, check_positive, shown
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
    _check_values(metric, options)
    return options


def _value(options: MetricOptions, name: str) -> str:
    return "=True" if getattr(options, name, None) is True else ""


def _metrics(names: list[str]) -> str:
    return f"metric={', '.join(map(repr, names))}"


def _check_values(metric: str, options: MetricOptions) -> None:
    if options.cv is not None:
        check_choice("cv", options.cv, _CV)
    if metric == "poisson_cv" and options.cv == "observation-pairs":
        msg = "cv='observation-pairs' is not for poisson_cv: logarithms of single rows are biased; use cv='fold-pairs'."
        raise ValueError(msg)
    check_positive("p", options.p)
    check_not_negative("prior_lambda", _number("prior_lambda", options.prior_lambda))
    check_not_negative("prior_weight", _number("prior_weight", options.prior_weight))
    check_not_negative("variance_floor", _number("variance_floor", options.variance_floor))


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"{name} must be a number; got {shown(value)}."
        raise TypeError(msg)
    return float(value)
