"""Features to representational dissimilarity matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from alignkit._check import as_float_array, check_choice, check_n_items
from alignkit._typing import BoolArray, FloatArray
from alignkit.rsa._container import RDM
from alignkit.rsa._nan import name_items, report_undefined
from alignkit.rsa._repeats import average_repeats, average_within_folds

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
        ========== ====================================================================== ==========================
        metric     definition, for rows :math:`x_i` with :math:`p` channels               equals
        ========== ====================================================================== ==========================
        correlation :math:`1 - r(x_i, x_j)`                                               scipy, rsatoolbox, mne-rsa
        cosine     :math:`1 - x_i'x_j / (|x_i||x_j|)`                                     scipy, mne-rsa
        euclidean  :math:`|x_i - x_j|`, rooted                                            scipy, mne-rsa
        sqeuclidean :math:`|x_i - x_j|^2`; divided by p with ``normalize=True``           scipy; rsatoolbox "euclidean"
        crossnobis :math:`\frac1{Fp}\sum_f (a_{fi}-a_{fj})' P (m_{fi}-m_{fj})`            rsatoolbox "crossnobis"
        ========== ====================================================================== ==========================

        In crossnobis :math:`m_f` are the means of fold f and :math:`a_f` the mean over the other folds. It is
        unbiased, so that it may be negative; nothing is clipped.
    labels : sequence of str, shape (rows,), optional
        Name of each row's item. Rows with one name are averaged first; items keep the order of their first
        appearance. Required for crossnobis.
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
    check_choice("metric", metric, tuple(_KERNELS))
    check_choice("nan_policy", nan_policy, ("propagate", "raise"))
    _check_options(metric, labels=labels, folds=folds, noise=noise, normalize=normalize)
    patterns, names = _as_patterns(x, metric, labels, folds)
    usable, bad = _split_bad_items(patterns)
    values, undefined = _KERNELS[metric](usable, _as_precision(noise, patterns.shape[-1]))
    if normalize:
        values = values / patterns.shape[-1]
    values = _mark_undefined(values, bad | undefined)
    _report(bad, undefined & ~bad, metric, names, nan_policy)
    provenance = {"normalize": normalize, "noise": "precision" if noise is not None else None}
    return RDM(values, names, dims=dims, coords=coords, metric=metric, provenance=provenance)


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
    x: object, metric: str, labels: Iterable[Any] | None, folds: Iterable[Any] | None
) -> tuple[FloatArray, tuple[str, ...] | None]:
    array = as_float_array("x", x)
    if array.ndim < 2 or array.shape[-1] == 0:
        msg = f"x must have shape (..., items, channels) with at least one channel; got {array.shape}."
        raise ValueError(msg)
    if metric in ("correlation", "cosine") and array.shape[-1] == 1:
        msg = f"metric={metric!r} is undefined for a single channel; use 'euclidean'."
        raise ValueError(msg)
    names: tuple[str, ...] | None = None
    if folds is not None and labels is not None:
        array, names = average_within_folds(array, labels, folds)
    elif labels is not None:
        array, names = average_repeats(array, labels)
    check_n_items("x", array.shape[-2])
    return array, names


def _as_precision(noise: object, n_channels: int) -> FloatArray | None:
    if noise is None:
        return None
    precision = as_float_array("noise", noise, ndim=2)
    if precision.shape != (n_channels, n_channels) or not np.allclose(precision, precision.T):
        msg = f"noise must be a symmetric ({n_channels}, {n_channels}) precision matrix; got shape {precision.shape}."
        raise ValueError(msg)
    return precision


def _split_bad_items(patterns: FloatArray) -> tuple[FloatArray, BoolArray]:
    # A NaN would spread over all items through the column means: such items are set aside first.
    finite = np.isfinite(patterns)
    bad: BoolArray = np.asarray(~finite.all(axis=-1))
    if bad.any():
        patterns = np.where(bad[..., None], 0.0, patterns)
    return patterns, bad


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
    reasons = {
        "items with NaN or infinite values": bad,
        "items with constant patterns, whose correlation is undefined"
        if metric == "correlation"
        else "items with all-zero patterns, whose cosine is undefined": undefined,
    }
    for reason, mask in reasons.items():
        which = np.flatnonzero(mask.reshape(-1, mask.shape[-1]).any(axis=0))
        report_undefined(reason, name_items(names, which.tolist()), nan_policy, stacklevel=4)


def _upper(square: FloatArray) -> FloatArray:
    rows, columns = np.triu_indices(square.shape[-1], k=1)
    return square[..., rows, columns]


def _angular(x: FloatArray, undefined: BoolArray) -> tuple[FloatArray, BoolArray]:
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    unit = np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)
    values = 1.0 - _upper(unit @ np.swapaxes(unit, -1, -2))
    # rounding alone can leave [0, 2]
    return np.clip(values, 0.0, 2.0), undefined


def _correlation(x: FloatArray, _: FloatArray | None) -> tuple[FloatArray, BoolArray]:
    constant: BoolArray = np.asarray(x.max(axis=-1) == x.min(axis=-1))
    centred = np.where(constant[..., None], 0.0, x - x.mean(axis=-1, keepdims=True))
    return _angular(centred, constant)


def _cosine(x: FloatArray, _: FloatArray | None) -> tuple[FloatArray, BoolArray]:
    return _angular(x, np.asarray(~x.any(axis=-1)))


def _sqeuclidean(x: FloatArray, _: FloatArray | None) -> tuple[FloatArray, BoolArray]:
    # Distances do not change when columns are centred, but the Gram matrix loses far fewer digits.
    x = x - x.mean(axis=-2, keepdims=True)
    squares = np.einsum("...ik,...ik->...i", x, x)
    scale = squares[..., :, None] + squares[..., None, :]
    values = scale - 2.0 * (x @ np.swapaxes(x, -1, -2))
    values, scale = _upper(values), _upper(scale)
    # Nearly equal rows lose their digits in that difference: take those pairs directly.
    close = np.argwhere(values < 1e-6 * scale)
    if len(close):
        rows, columns = np.triu_indices(x.shape[-2], k=1)
        *leading, pair = close.T
        difference = x[(*leading, rows[pair])] - x[(*leading, columns[pair])]
        values[tuple(close.T)] = np.einsum("ik,ik->i", difference, difference)
    return values, np.zeros(x.shape[:-1], dtype=bool)


def _euclidean(x: FloatArray, noise: FloatArray | None) -> tuple[FloatArray, BoolArray]:
    values, undefined = _sqeuclidean(x, noise)
    return np.sqrt(values), undefined


def _crossnobis(x: FloatArray, precision: FloatArray | None) -> tuple[FloatArray, BoolArray]:
    x = x - x.mean(axis=-2, keepdims=True)
    n_folds, n_channels = x.shape[-3], x.shape[-1]
    others = (x.sum(axis=-3, keepdims=True) - x) / (n_folds - 1)
    weighted = others if precision is None else others @ precision
    kernel = (weighted @ np.swapaxes(x, -1, -2)).mean(axis=-3) / n_channels
    own = np.diagonal(kernel, axis1=-2, axis2=-1)
    distances = own[..., :, None] + own[..., None, :] - kernel - np.swapaxes(kernel, -1, -2)
    return _upper(distances), np.zeros(x.shape[:-1], dtype=bool)


_KERNELS: dict[str, Callable[[FloatArray, FloatArray | None], tuple[FloatArray, BoolArray]]] = {
    "correlation": _correlation,
    "cosine": _cosine,
    "euclidean": _euclidean,
    "sqeuclidean": _sqeuclidean,
    "crossnobis": _crossnobis,
}
