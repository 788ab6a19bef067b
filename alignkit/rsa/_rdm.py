"""Features to representational dissimilarity matrices."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_nan_policy
from alignkit._typing import PathLike
from alignkit.rsa._arrays import Array
from alignkit.rsa._axes import as_dims
from alignkit.rsa._container import RDM, condensed_rdm
from alignkit.rsa._metrics import METRICS, compute
from alignkit.rsa._metrics import Metric as Metric
from alignkit.rsa._namespace import namespace
from alignkit.rsa._noise import NoiseKind, as_noise
from alignkit.rsa._patterns import CrossValidation, MetricOptions, Patterns, Undefined, mark
from alignkit.rsa._rdm_options import as_options
from alignkit.rsa._read_patterns import leading_axes, read_patterns, unwrap
from alignkit.rsa._report_values import report_values
from alignkit.rsa._tiled_rdm import TiledRDM
from alignkit.rsa._tiles._feature_tiles import TiledMetric
from alignkit.rsa._tiles._rdm_in_tiles import check_without_out, tiled_recipe


@overload
def rdm(
    x: object,
    /,
    *,
    metric: Metric = "correlation",
    labels: Iterable[Any] | None = None,
    folds: Iterable[Any] | None = None,
    cv: CrossValidation | None = None,
    noise: object = None,
    noise_kind: NoiseKind = "precision",
    normalize: bool = False,
    p: float = 2.0,
    prior_lambda: float = 1.0,
    prior_weight: float = 0.1,
    variance_floor: float = 0.0,
    dtype: Literal["float64", "float32"] | None = None,
    nan_policy: NanPolicy = "propagate",
    dims: Sequence[str] | None = None,
    coords: Mapping[str, Any] | None = None,
    out: None = None,
) -> RDM: ...
@overload
def rdm(
    x: object,
    /,
    *,
    out: PathLike,
    metric: TiledMetric = "correlation",
    labels: Iterable[Any] | None = None,
    normalize: bool = False,
    dtype: Literal["float64", "float32"] | None = None,
    nan_policy: NanPolicy = "propagate",
    memory: int | str = "1 GB",
    client: Any = None,
    device: str | None = None,
    progress: bool = False,
) -> TiledRDM: ...
def rdm(
    x: object,
    /,
    *,
    metric: Metric = "correlation",
    labels: Iterable[Any] | None = None,
    folds: Iterable[Any] | None = None,
    cv: CrossValidation | None = None,
    noise: object = None,
    noise_kind: NoiseKind = "precision",
    normalize: bool = False,
    p: float = 2.0,
    prior_lambda: float = 1.0,
    prior_weight: float = 0.1,
    variance_floor: float = 0.0,
    dtype: Literal["float64", "float32"] | None = None,
    nan_policy: NanPolicy = "propagate",
    dims: Sequence[str] | None = None,
    coords: Mapping[str, Any] | None = None,
    out: PathLike | None = None,
    memory: int | str = "1 GB",
    client: Any = None,
    device: str | None = None,
    progress: bool = False,
) -> RDM | TiledRDM:
    r"""Compute representational dissimilarity matrices from patterns.

    Parameters
    ----------
    x : array_like, shape (..., rows, channels)
        Patterns: one row per item, or several rows per item (repeats, trials) when ``labels`` repeat.
        Leading axes (subjects, time points, layers) are computed in one batch. Features of one layer are taken with
        their labels. A torch tensor gives an RDM of tensors on its device, with their gradient for all metrics but
        scipy's, which are computed in numpy.
    metric : str
        With rows :math:`x_i` of :math:`p` channels, and P the noise precision (by default the identity):

        ============== =================================================================== ========================
        metric         definition                                                          equals
        ============== =================================================================== ========================
        correlation    :math:`1 - r(x_i, x_j)`                                             scipy, rsatoolbox,
                                                                                           mne-rsa
        cosine         :math:`1 - x_i'x_j / (|x_i||x_j|)`                                  scipy, mne-rsa
        euclidean      :math:`|x_i - x_j|`, rooted                                         scipy, mne-rsa
        sqeuclidean    :math:`|x_i - x_j|^2`                                               scipy; with normalize
                                                                                           rsatoolbox "euclidean"
        mahalanobis    :math:`\sqrt{(x_i-x_j)' P (x_i-x_j)}`                               scipy with ``VI=P``
        sqmahalanobis  :math:`(x_i-x_j)' P (x_i-x_j)`                                      its square; with normalize
                                                                                           rsatoolbox "mahalanobis"
        poisson        :math:`\frac1p(r_i-r_j)'(\log r_i-\log r_j)` of the rates           rsatoolbox
                       :math:`r = (x+\lambda w)/(1+w)`, prior_lambda and prior_weight
        crossnobis     :math:`\frac1p(x_i-x_j)_f'P(x_i-x_j)_g`, mean over f and g          rsatoolbox; mne-rsa's times
                                                                                           1/p, without its root
        sqeuclidean_cv p times crossnobis without noise; with normalize, crossnobis        mne-rsa > 1.0, unrooted
        correlation_cv :math:`1-c_{ij}/\sqrt{c_{ii}c_{jj}}`, where :math:`c_{ij}` is the   with two folds Guggenmos et
                       covariance of :math:`x_{if}` and :math:`x_{jg}`, mean over f, g     al. (2018), unregularised
        cosine_cv      the same without taking out each row's mean
        poisson_cv     as poisson, :math:`r_i-r_j` of fold f with the logarithms of        mean of rsatoolbox's folds
                       fold g, mean over f and g                                           (it returns the last one)
        ============== =================================================================== ========================

        Others are scipy's ``pdist`` of that name, equal to it: braycurtis, canberra, chebyshev, cityblock, hamming,
        jensenshannon, minkowski (``p``), seuclidean (variances of the items at hand), and, of rows read as
        presence (not zero) or absence: dice, jaccard, rogerstanimoto, russellrao, sokalsneath, yule.
        Cross-validated metrics may be negative; nothing is clipped or rooted.
    labels : sequence of str, shape (rows,), optional
        Name of each row's item; by default the text index of a pandas table or the text coordinate of an xarray's
        rows. Rows with one name are averaged first; items keep the order of their first appearance. Required for
        cross-validated metrics.
    folds : sequence, shape (rows,), optional
        Independent partition (run, session) of each row; cross-validated metrics only.
    cv : {"leave-one-fold-out", "fold-pairs", "observation-pairs"}, optional
        What f and g run over. All agree when every item has equally many rows in every fold.

        - ``"leave-one-fold-out"``, the default: a fold and the mean over all rows of the others; every item in every
          fold. Equals rsatoolbox ``calc_rdm`` and mne-rsa.
        - ``"fold-pairs"``, the default with noise per fold: every two folds that hold both items, each as much;
          what is added to a whole fold cancels. Noise per fold: :math:`P = ((\Sigma_f + \Sigma_g)/2)^{-1}`, as
          rsatoolbox.
        - ``"observation-pairs"``: every two rows from different folds, for each of the products
          :math:`x_i'Px_i`, :math:`x_j'Px_j` and :math:`x_i'Px_j` by itself. Equals rsatoolbox
          ``calc_rdm_unbalanced`` of patterns less the mean over items of all their rows: in unbalanced designs the
          value depends on the origin, and a large offset would drown it. Not for poisson_cv.

        The last two do without items in some folds; those that never meet give NaN.
    noise : array_like, shape (channels, channels) or (folds, channels, channels), NoisePrecision, optional
        Noise of the channels, for mahalanobis, sqmahalanobis and crossnobis; see :func:`noise_precision`. One per
        fold (crossnobis): a list or stack in the order in which ``folds`` first names them, or a dict by fold.
    noise_kind : {"precision", "covariance"}
        What the matrices of ``noise`` are.
    normalize : bool
        Divide by the number of channels (sqeuclidean, sqmahalanobis, sqeuclidean_cv).
    p : float
        Exponent of minkowski.
    prior_lambda, prior_weight : float
        Mean rate and weight of the prior of poisson and poisson_cv. Defaults are rsatoolbox's.
    variance_floor : float
        For correlation_cv and cosine_cv: :math:`c_{ii}` is at least this part of the mean over folds of the
        variance within them, which is not cross-validated. 0: not regularised, and NaN where :math:`c_{ii} \le 0`.
    dtype : {"float64", "float32"}, optional
        Precision of the products and the values; by default float64, and that of a tensor. With float32 the
        provenance holds ``float32_error``, the largest absolute difference to float64 over the pairs of 46 items;
        discrete patterns, whose dissimilarities tie, are computed in float64 first.
    nan_policy : {"propagate", "omit", "raise"}
        What to do about items with NaN or infinite values, and about dissimilarities that are undefined (constant
        rows, all-zero rows): give NaN and warn once with the names, or raise. ``"omit"`` (correlation, cosine,
        euclidean, sqeuclidean) computes each pair over the channels that both items have; squared distances are
        multiplied by :math:`p / n_{ij}`, the number of channels over those used, as scikit-learn's
        ``nan_euclidean_distances``. Repeats are averaged channel by channel. The range of :math:`n_{ij}` is kept
        as ``n_channels_used``.
    dims : sequence of str, optional
    coords : mapping of str to array_like, optional
        Names and coordinates of the leading axes, as in :class:`RDM`; by default those of an xarray.
    out : path, optional
        A folder whose name ends in ``.zarr``, into which the RDM is written in tiles: more items than fit into memory
        (100,000 take 20 GB of disk). For the metrics correlation, cosine, euclidean and sqeuclidean of one row per
        item; ``x`` may be a memory-mapped array, the path of a ``.npy`` file or of a Zarr array, or have a method
        ``read`` and a ``shape``. Values are float32; products are float64 unless ``dtype="float32"``. The same call
        continues what a killed one left, and refuses other features (by their SHA-256) or options.
    memory : int or str
        With ``out``: about how much memory to use, in bytes or as ``"500 MB"``.
    client : dask.distributed.Client, optional
        With ``out``: a cluster whose workers compute the tiles, which this process writes. Features in a file are read
        by every worker from the same path.
    device : {None, "auto", "cpu", "cuda", "cuda:1", "mps"}
        With ``out``: multiply with torch on this device (``"auto"``: the first GPU, else the CPU), by default with
        numpy. Products have the same precision; once in 1e8 times or so a dissimilarity is the float32 beside numpy's.
        ``"mps"`` takes ``dtype="float32"``. What one kind of device has begun, another does not go on with. Without
        ``out``, pass ``x`` as a tensor that lies there.
    progress : bool
        With ``out``: show a bar with pairs per second and the time left.

    Returns
    -------
    RDM, or TiledRDM with ``out``
        Condensed dissimilarities, shape (..., pairs).

    Raises
    ------
    ValueError
        An unknown metric, fewer than two items, one channel for correlation or cosine, options that the metric
        does not take, a wrong number of labels or folds, a condition missing from a fold, noise that is no
        precision or covariance, or (under ``nan_policy="raise"``) undefined dissimilarities.
    TypeError
        Values that are not real numbers of one dtype.
    FileExistsError
        ``out`` holds another computation, or something else.
    BlockingIOError
        Another process writes to ``out``.

    References
    ----------
    Kriegeskorte et al. (2008), doi:10.3389/neuro.06.004.2008. Crossnobis: Walther et al. (2016),
    doi:10.1016/j.neuroimage.2015.12.012. Cross-validated correlation: Guggenmos et al. (2018),
    doi:10.1016/j.neuroimage.2018.02.044, who average the ratios of folds; here the covariances are averaged first.
    Poisson: Schuett et al. (2023), doi:10.7554/eLife.82566.

    Examples
    --------
    >>> rdm([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], metric="euclidean", labels=["a", "b", "c"]).values.round(3)
    array([5.   , 1.   , 4.243])
    """
    check_choice("metric", metric, tuple(METRICS))
    check_nan_policy(nan_policy)
    if out is not None:
        from alignkit.rsa._tiles._write_tiles import write_tiles

        unused = {"folds": folds, "cv": cv, "noise": noise, "dims": dims, "coords": coords}
        recipe = tiled_recipe(metric, dtype, nan_policy, unused, normalize=normalize)
        scale: dict[str, Any] = {"memory": memory, "client": client, "device": device, "progress": progress}
        return write_tiles(x, out, recipe, labels=labels, nan_policy=nan_policy, **scale)
    check_without_out(memory, client, device, progress)
    dims, coords = leading_axes(x, dims, coords)
    x, labels = unwrap(x, labels)
    options = as_options(
        metric,
        MetricOptions(cv, normalize, p, prior_lambda, prior_weight, variance_floor),
        labels=labels,
        folds=folds,
        noise=noise,
        nan_policy=nan_policy,
    )
    omit = nan_policy == "omit"
    patterns, names = read_patterns(x, metric, labels, folds, options, dtype=dtype, omit=omit)
    patterns = _with_noise(patterns, noise, noise_kind)
    leading = as_dims(dims, patterns.x.ndim - (2 if patterns.folds is None else 3))
    patterns, bad = (patterns, None) if omit else _set_bad_items_aside(patterns)
    values, undefined, extra = compute(metric, patterns, omit=omit)
    if normalize:
        values = values / patterns.n_channels
    undefined = _all_undefined(bad, undefined)
    for one in undefined:
        values = mark(values, one)
    report_values(undefined, patterns.n_items, names, nan_policy, stacklevel=3)
    provenance = _provenance(metric, patterns) | extra
    return condensed_rdm(values, names, dims=leading, coords=coords, metric=metric, provenance=provenance)


def _with_noise(patterns: Patterns, noise: object, kind: str) -> Patterns:
    folds = None if patterns.folds is None else patterns.folds.names
    found = as_noise(noise, kind, patterns.n_channels, folds)
    cv = patterns.options.cv
    if patterns.folds is not None and cv is None:
        by_fold = found is not None and found.covariances is not None
        cv = "fold-pairs" if by_fold else "leave-one-fold-out"
    elif found is not None and found.covariances is not None and cv == "leave-one-fold-out":
        msg = "noise per fold is for cv='fold-pairs' or cv='observation-pairs', which name two folds at a time."
        raise ValueError(msg)
    return dataclasses.replace(patterns, noise=found, options=dataclasses.replace(patterns.options, cv=cv))


def _set_bad_items_aside(patterns: Patterns) -> tuple[Patterns, Array]:
    # A NaN would spread over all items through the column means: such items become copies of a good one first,
    # which leaves the means where the data are.
    x, xp = patterns.x, namespace(patterns.x)
    bad = ~xp.isfinite(x).all(axis=-1)
    patterns = dataclasses.replace(patterns, bad=bad)
    of_item = bad if patterns.folds is None else bad.any(axis=-2)
    if not bad.any():
        return patterns, None
    good = (~bad).astype(np.int8) if xp is np else (~bad).int()
    first_good = xp.argmax(good, axis=-1)[..., None, None]
    take = np.take_along_axis if xp is np else xp.take_along_dim
    filler = xp.nan_to_num(take(x, xp.broadcast_to(first_good, (*first_good.shape[:-1], x.shape[-1])), -2))
    return dataclasses.replace(patterns, x=xp.where(bad[..., None], _finite(filler), x)), of_item


def _finite(x: Array) -> Array:
    xp = namespace(x)
    return xp.where(abs(x) < xp.finfo(x.dtype).max, x, 0.0)


def _all_undefined(bad: Array, undefined: Sequence[Undefined]) -> list[Undefined]:
    """Return what is undefined, that of ``bad`` items first."""
    return list(undefined) if bad is None else [Undefined("items with NaN or infinite values", bad), *undefined]


def _provenance(metric: str, patterns: Patterns) -> dict[str, Any]:
    options, takes = patterns.options, METRICS[metric].takes
    found: dict[str, Any] = {
        "normalize": options.normalize,
        "noise": None if patterns.noise is None else patterns.noise.kind,
    }
    if patterns.noise is not None and patterns.noise.shrinkage:
        found["shrinkage"] = list(patterns.noise.shrinkage)
    if patterns.folds is not None:
        found |= {"cv": options.cv, "n_folds": len(patterns.folds.names)}
    names = ("p", "prior_lambda", "prior_weight", "variance_floor")
    return found | {name: getattr(options, name) for name in names if name in takes}
