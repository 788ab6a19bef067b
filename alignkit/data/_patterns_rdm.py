"""From brain patterns to RDMs: folds, noise and regions put where :func:`alignkit.rsa.rdm` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice
from alignkit.rsa import RDM, NoisePrecision, noise_precision, rdm
from alignkit.rsa._metrics import METRICS, Metric
from alignkit.rsa._shrinkage import Shrinkage

if TYPE_CHECKING:
    from alignkit.data._patterns import Patterns

_METHOD: Shrinkage = "shrinkage_eye"


def patterns_rdm(patterns: Patterns, metric: Metric, noise: object, options: dict[str, Any]) -> RDM:
    """Return the RDM of one region, or a stack with one per region."""
    check_choice("metric", metric, tuple(METRICS))
    if not patterns.regions:
        return _rdm(patterns, metric, noise, options)
    if noise is not None and not isinstance(noise, str) and len(patterns.regions) > 1:
        msg = "noise is of one region's voxels; choose a region first: patterns.region(name).rdm(noise=...)."
        raise ValueError(msg)
    each = [_rdm(patterns.region(name), metric, noise, options) for name in patterns.regions]
    provenance = {**each[0].provenance, "noise": [one.provenance.get("noise") for one in each]}
    weights = [weight for one in each for weight in one.provenance.get("shrinkage", [])]
    return RDM(
        np.stack([one.values for one in each]),
        each[0].labels,
        dims=("roi",),
        coords={"roi": list(patterns.regions)},
        metric=each[0].metric,
        provenance=provenance | ({"shrinkage": weights} if weights else {}),
    )


def _rdm(patterns: Patterns, metric: Metric, noise: object, options: dict[str, Any]) -> RDM:
    takes = METRICS[metric].takes
    if isinstance(noise, str) and noise == "auto":
        noise = _METHOD if patterns.residuals is not None and "noise" in takes else None
    if isinstance(noise, str):
        noise = patterns_precision(patterns, noise, False)  # type: ignore[arg-type]
    folds = {"folds": patterns.folds} if "folds" in takes else {}
    return rdm(patterns.values, metric=metric, labels=patterns.labels, noise=noise, **{**folds, **options})


def patterns_precision(patterns: Patterns, method: Shrinkage, per_run: bool) -> NoisePrecision:
    """Return the noise precision of all residuals, or of those of each run."""
    if patterns.residuals is None:
        msg = "these patterns have no residuals to estimate the noise from; pass noise=None, or a precision matrix."
        raise ValueError(msg)
    if len(patterns.regions) == 1:
        patterns = patterns.region(next(iter(patterns.regions)))
    if patterns.regions:
        msg = "there are several regions; choose one first: patterns.region(name)."
        raise ValueError(msg)
    if not per_run:
        return noise_precision(patterns.residuals, method=method, dof=sum(patterns.dof.values()))
    runs = dict.fromkeys(patterns.residual_folds)
    dof = [patterns.dof[run] for run in runs]
    return noise_precision(patterns.residuals, method=method, dof=dof, folds=patterns.residual_folds)
