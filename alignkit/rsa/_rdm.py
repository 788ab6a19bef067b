"""Features to representational dissimilarity matrices."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from alignkit._check import NanPolicy, as_float_array, check_choice, check_finite, check_n_items
from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._axes import as_dims
from alignkit.rsa._container import RDM, condensed_rdm
from alignkit.rsa._dissimilarities import METRICS, UNDEFINED, Patterns
from alignkit.rsa._nan import name_items, report_all
from alignkit.rsa._repeats import average_repeats, average_within_folds, row_names

Metric = Literal["correlation", "cosine", "euclidean", "sqeuclidean", "crossnobis"]


def rdm(
    x: object,
    /,
    *,
    metric: Metric = "correlation",
    labels: Iterable[Any] | None = None,
    folds: Iterable[Any] | None = None,
    noise: object = None,
    normalize: bool = False,
    nan_policy: Literal["propagate", "raise"] = "propagate",
    dims: Sequence[str] | None = None,
    coords: Mapping[str, Any] | None = None,
) -> RDM:
    r"""Compute representational dissimilarity matrices from patterns.

    Parameters
    ----------
    x : array_like, shape (..., rows, channels)
        Patterns: one row per item, or several rows per item (repeats, trials) when ``labels`` repeat.
        Leading axes (subjects, time points, layers) are computed in one batch.
    metric : {"correlation", "cosine", "euclidean", "sqeuclidean", "crossnobis"}
        =========== ====================================================================== ==========================
        metric      definition, for rows :math:`x_i` with :math:`p` channels               equals
        =========== ====================================================================== ==========================
        correlation :math:`1 - r(x_i, x_j)`                                               scipy, rsatoolbox, mne-rsa
        cosine      :math:`1 - x_i'x_j / (|x_i||x_j|)`                                     scipy, mne-rsa
        euclidean   :math:`|x_i - x_j|`, rooted                                            scipy, mne-rsa
        sqeuclidean :math:`|x_i - x_j|^2`; divided by p with ``normalize=True``           scipy; rsatoolbox "euclidean"
        crossnobis  :math:`\frac1{Fp}\sum_f (a_{fi}-a_{fj})' P (m_{fi}-m_{fj})`            rsatoolbox "crossnobis"
        =========== ====================================================================== ==========================

        In crossnobis :math:`m_f` are the condition means of fold f and :math:`a_f` those over all rows of the
        other folds (folds may have different numbers of rows). It is unbiased, so that it may be negative;
        nothing is clipped.
    labels : sequence of str, shape (rows,), optional
        Name of each row's item; by default the text index of a pandas table or the text coordinate of an xarray's
        rows. Rows with one name are averaged first; items keep the order of their first appearance. Required for
        crossnobis.
    folds : sequence, shape (rows,), optional
        Independent partition (run, session) of each row; crossnobis only.
    noise : array_like, shape (channels, channels), optional
        Noise **precision** P for crossnobis (the inverse of the noise covariance). By default the identity.
    normalize : bool
        Divide squared distances by the number of channels (sqeuclidean only).
    nan_policy : {"propagate", "raise"}
        What to do about items with NaN or infinite values, and about constant rows (correlation) or zero rows
        (cosine): give NaN and warn once with their names, or raise.
    dims, coords
        Names and coordinates of the leading axes, as in :class:`RDM`.

    Returns
    -------
    RDM
        Condensed dissimilarities, shape (..., pairs), float64.

    Raises
    ------
    ValueError
        An unknown metric, fewer than three items, one channel for correlation or cosine, options that the metric
        does not take, a wrong number of labels or folds, a condition missing from a fold, or (under
        ``nan_policy="raise"``) undefined dissimilarities.
    TypeError
        Values that are not real numbers of one dtype.

    References
    ----------
    Kriegeskorte et al. (2008), doi:10.3389/neuro.06.004.2008. Crossnobis: Walther et al. (2016),
    doi:10.1016/j.neuroimage.2015.12.012.

    Examples
    --------
    >>> rdm([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], metric="euclidean", labels=["a", "b", "c"]).values.round(3)
    array([5.   , 1.   , 4.243])
    """
    check_choice("metric", metric, tuple(METRICS))
    check_choice("nan_policy", nan_policy, ("propagate", "raise"))
    if labels is None:
        labels = row_names(x)
    _check_options(metric, labels=labels, folds=folds, noise=noise, normalize=normalize)
    patterns, names = _as_patterns(x, metric, labels, folds, noise)
    leading = as_dims(dims, patterns.x.ndim - (2 if patterns.counts is None else 3))
    usable, bad = _set_bad_items_aside(patterns)
    values, undefined = METRICS[metric](usable)
    if normalize:
        values = values / patterns.x.shape[-1]
    values = _mark_undefined(values, bad | undefined)
    _report(bad, undefined & ~bad, metric, names, nan_policy)
    provenance = {"normalize": normalize, "noise": "precision" if noise is not None else None}
    return condensed_rdm(values, names, dims=leading, coords=coords, metric=metric, provenance=provenance)


def _check_options(metric: str, **options: Any) -> None:
    crossvalidated = metric == "crossnobis"
    if crossvalidated and (options["labels"] is None or options["folds"] is None):
        msg = "crossnobis needs labels= (the condition of each row) and folds= (its run or session)."
        raise ValueError(msg)
    for name in ("folds", "noise"):
        if options[name] is not None and not crossvalidated:
            msg = f"{name} is only for metric='crossnobis'; got metric={metric!r}."
            raise ValueError(msg)
    if options["normalize"] and metric != "sqeuclidean":
        msg = f"normalize=True is only for metric='sqeuclidean'; got metric={metric!r}."
        raise ValueError(msg)


def _as_patterns(
    x: object, metric: str, labels: Iterable[Any] | None, folds: Iterable[Any] | None, noise: object
) -> tuple[Patterns, tuple[str, ...] | None]:
    array = as_float_array("x", x)
    if array.ndim < 2 or array.size == 0:
        msg = f"x must have shape (..., items, channels) with at least one channel; got {array.shape}."
        raise ValueError(msg)
    if metric in ("correlation", "cosine") and array.shape[-1] == 1:
        msg = f"metric={metric!r} is undefined for a single channel; use 'euclidean'."
        raise ValueError(msg)
    names, counts = None, None
    if folds is not None and labels is not None:
        array, names, counts = average_within_folds(array, labels, folds)
    elif labels is not None:
        array, names = average_repeats(array, labels)
    check_n_items("x", array.shape[-2])
    return Patterns(array, counts, _as_precision(noise, array.shape[-1])), names


def _as_precision(noise: object, n_channels: int) -> FloatArray | None:
    if noise is None:
        return None
    precision = as_float_array("noise", noise, ndim=2)
    if precision.shape != (n_channels, n_channels):
        msg = f"noise must be a ({n_channels}, {n_channels}) precision matrix; got shape {precision.shape}."
        raise ValueError(msg)
    check_finite("noise", precision)
    if np.abs(precision - precision.T).max() > 1e-6 * np.abs(precision).max():
        msg = "noise must be symmetric: it is the inverse of the noise covariance of the channels."
        raise ValueError(msg)
    return precision


def _set_bad_items_aside(patterns: Patterns) -> tuple[Patterns, BoolArray]:
    # A NaN would spread over all items through the column means: such items become copies of a good one first,
    # which leaves the means where the data are.
    x = patterns.x
    bad: BoolArray = np.asarray(~np.isfinite(x).all(axis=-1))
    if not bad.any():
        return patterns, bad
    first_good = np.argmin(bad, axis=-1)[..., None, None]
    filler = np.nan_to_num(np.take_along_axis(x, first_good, axis=-2), posinf=0.0, neginf=0.0)
    return dataclasses.replace(patterns, x=np.where(bad[..., None], filler, x)), bad


def _mark_undefined(values: FloatArray, undefined: BoolArray) -> FloatArray:
    if undefined.ndim == values.ndim + 1:  # crossnobis: (..., folds, items)
        undefined = np.asarray(undefined.any(axis=-2))
    if not undefined.any():
        return values
    rows, columns = np.triu_indices(undefined.shape[-1], k=1)
    return np.where(undefined[..., rows] | undefined[..., columns], np.nan, values)


def _report(
    bad: BoolArray,
    undefined: BoolArray,
    metric: str,
    names: Sequence[str] | None,
    nan_policy: NanPolicy,
) -> None:
    def named(mask: BoolArray) -> list[str]:
        return name_items(names, np.flatnonzero(mask.reshape(-1, mask.shape[-1]).any(axis=0)).tolist())

    reasons = {"items with NaN or infinite values": named(bad)}
    if metric in UNDEFINED:
        reasons[UNDEFINED[metric]] = named(undefined)
    report_all(reasons, nan_policy, stacklevel=4)
