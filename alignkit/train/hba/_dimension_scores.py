"""How well each dimension is predicted, before training and after."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence

import numpy as np

from alignkit._check import join_names
from alignkit._typing import FloatArray
from alignkit.rsa._intervals import percentile_bounds
from alignkit.train.hba._item_bootstrap import resampled_columns, weighted_pearson


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DimensionScore:
    """Pearson's correlation of one dimension with its target over held-out objects."""

    dimension: str
    """Its name."""
    before: float
    """Correlation before training; NaN where the target or the prediction is the same for all objects."""
    before_low: float
    """Lower end of its interval over objects."""
    before_high: float
    """Upper end of its interval."""
    after: float
    """Correlation after training."""
    after_low: float
    """Lower end of its interval over objects."""
    after_high: float
    """Upper end of its interval."""
    difference: float
    """After minus before."""
    difference_low: float
    """Lower end of its paired interval: the same objects were drawn for both."""
    difference_high: float
    """Upper end of that interval."""


def score_dimensions(
    names: Sequence[str],
    before: FloatArray,
    after: FloatArray,
    targets: FloatArray,
    draws: FloatArray,
    /,
    *,
    confidence: float,
) -> tuple[DimensionScore, ...]:
    """Return every dimension's correlation with its target, before and after, with intervals over objects.

    Parameters
    ----------
    names : sequence of str, shape (dimensions,)
        Names of the dimensions.
    before, after, targets : ndarray, shape (objects, dimensions)
        Predictions and truth for held-out objects.
    draws : ndarray, shape (n_bootstrap, objects)
        How often each object is drawn; without resamples intervals are NaN.
    confidence : float
        Level of the intervals.

    Warns
    -----
    RuntimeWarning
        Dimensions that are the same for all objects; their correlations are NaN.
    """
    ones = np.ones(len(targets))
    r = [weighted_pearson(x.T, targets.T, ones) for x in (before, after)]
    samples = [resampled_columns(x, targets, draws) for x in (before, after)]
    ends = [interval(one, confidence) for one in (*samples, samples[1] - samples[0])]
    _warn_of_constant(names, r)
    columns = zip(names, r[0], *ends[0], r[1], *ends[1], r[1] - r[0], *ends[2], strict=True)
    fields = [field.name for field in dataclasses.fields(DimensionScore)]
    return tuple(
        DimensionScore(**dict(zip(fields, (name, *map(float, values)), strict=True))) for name, *values in columns
    )


def mean_correlation(values: FloatArray, targets: FloatArray, draws: FloatArray, /) -> tuple[float, FloatArray]:
    """Return the mean over dimensions of their correlations with the targets, and that of every resample.

    Dimensions that are undefined (constant) are left out; NaN where all are.
    """
    r = weighted_pearson(values.T, targets.T, np.ones(len(targets)))
    samples = resampled_columns(values, targets, draws)
    return float(_mean(r[None])[0]), _mean(samples)


def interval(samples: FloatArray, confidence: float) -> tuple[FloatArray, FloatArray]:
    """Return percentile bounds of resamples, shape (n_bootstrap, k); NaN without resamples."""
    if not len(samples):
        nothing = np.full(samples.shape[1], np.nan)
        return nothing, nothing.copy()
    return percentile_bounds(samples, confidence)


def _mean(r: FloatArray) -> FloatArray:
    defined = ~np.isnan(r)
    with np.errstate(invalid="ignore"):
        return np.where(defined, r, 0.0).sum(axis=1) / defined.sum(axis=1)


def _warn_of_constant(names: Sequence[str], r: Sequence[FloatArray]) -> None:
    flat = [name for name, *values in zip(names, *r, strict=True) if np.isnan(values).any()]
    if flat:
        msg = (
            f"{len(flat)} of {len(names)} dimensions are the same for all held-out objects, in the targets or as they "
            f"are predicted: {join_names(flat)}; their correlations are NaN. Hold out more objects."
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=2)
