"""k-means clusters of features, in memory or on disk."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import as_float_array, check_choice, check_count, check_finite, check_not_negative, require
from alignkit._typing import AnyArray, FloatArray
from alignkit.align._clusters import Clusters
from alignkit.align._feature_rows import FeatureRows, as_feature_rows
from alignkit.align._lloyd import BLOCK, Blocks, Fit, dask_blocks, lloyd, numpy_blocks, torch_blocks

Backend = Literal["auto", "sklearn", "numpy", "torch", "dask"]
#: Bytes up to which scikit-learn, which makes copies, does the work.
_SKLEARN = 1 << 28
#: Rows for each cluster that starting centres are chosen among, and at least so many.
_PER_CLUSTER, _FEWEST = 50, 1 << 14


def cluster(
    features: object,
    /,
    *,
    n_clusters: int = 500,
    backend: Backend = "auto",
    layer: str | None = None,
    centres: object = None,
    max_iter: int = 300,
    tol: float = 1e-4,
    seed: int = 0,
) -> Clusters:
    r"""Divide items into clusters by k-means on their features.

    Lloyd's algorithm [1]_ from k-means++ centres [2]_ minimises

    .. math:: \sum_i \min_c \lVert x_i - \mu_c \rVert^2 .

    AligNet [3]_ divides ImageNet into 500 clusters of a teacher's features and draws its triplets by them. Every
    backend takes the same steps from the same centres, so that they differ by roundings alone.

    Parameters
    ----------
    features : Features, path-like, dask array or array_like, shape (items, channels)
        A path of features that ``alignkit extract`` wrote, or of a ``.npy`` array, is read a stretch at a time: it may
        be larger than memory. A dask array of rows stays in its pieces.
    n_clusters : int
        Number of clusters.
    backend : {"auto", "sklearn", "numpy", "torch", "dask"}
        ``"sklearn"`` for what lies in memory several times over; ``"numpy"`` and ``"torch"`` (on a GPU where there is
        one) for any size, a block at a time; ``"dask"`` for the workers of a cluster. ``"auto"`` takes dask for dask
        arrays, else torch where there is a GPU, else scikit-learn up to 256 MiB, else numpy.
    layer : str, optional
        Of features with several.
    centres : array_like, shape (n_clusters, channels), optional
        Where to start, in place of k-means++ on fifty random items for each cluster.
    max_iter : int
        Rounds at most.
    tol : float
        The centres have come to rest when their squared shifts sum to less than this share of the channels' mean
        variance.
    seed : int
        Of the starting centres.

    Returns
    -------
    Clusters

    Raises
    ------
    ValueError
        More clusters than items, NaN or infinite features, a damaged store, or centres that do not fit.
    TypeError
        Features that are not numbers, or counts that are not whole.
    FileNotFoundError
        No such path.
    ImportError
        A backend that is not installed.

    References
    ----------
    .. [1] Lloyd (1982), Least squares quantization in PCM, IEEE Transactions on Information Theory 28, 129-137.
       doi:10.1109/TIT.1982.1056489
    .. [2] Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding, SODA, 1027-1035.
    .. [3] Muttenthaler et al. (2025), Aligning machine and human visual representations across abstraction levels,
       Nature. doi:10.1038/s41586-025-09631-6

    Examples
    --------
    >>> found = cluster([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]], n_clusters=2)
    >>> bool(found.cluster_of[0] == found.cluster_of[1] != found.cluster_of[2] == found.cluster_of[3])
    True
    >>> found.inertia
    1.0
    """
    check_choice("backend", backend, get_args(Backend))
    n_clusters, max_iter = check_count("n_clusters", n_clusters, 1), check_count("max_iter", max_iter, 1)
    tol, seed = check_not_negative("tol", tol), check_count("seed", seed)
    rows, parts = _opened(features, layer)
    if n_clusters > rows.n_items:
        msg = f"n_clusters must be at most the number of items; got {n_clusters} for {rows.n_items}."
        raise ValueError(msg)
    chosen = _chosen(backend, rows, parts)
    mean, variance = _moments(rows) if parts is None else _delayed_moments(rows)
    dtype = np.dtype(np.float64 if rows.dtype == np.float64 else np.float32)
    shift = mean.astype(dtype)
    start = _starts(rows, n_clusters, seed, mean, dtype) if centres is None else _given(centres, rows, n_clusters, mean)
    fit = _fit(chosen, rows, parts, shift, start.astype(dtype), max_iter=max_iter, tol=tol * variance)
    _warn(fit, n_clusters, max_iter)
    return Clusters(
        cluster_of=fit.nearest,
        centres=fit.centres + mean,
        labels=rows.labels,
        inertia=fit.inertia,
        n_iterations=fit.n_iterations,
        converged=fit.converged,
        backend=chosen,
        seed=seed,
        source=rows.name,
        fingerprint=rows.fingerprint(),
    )


def _opened(features: object, layer: str | None) -> tuple[FeatureRows, list[Any] | None]:
    """Return the rows, and the delayed parts of a dask array."""
    if type(features).__module__.partition(".")[0] != "dask":
        return as_feature_rows(features, layer=layer), None
    x: Any = features
    if not hasattr(x, "ndim") or x.ndim != 2 or x.dtype.kind != "f" or not np.isfinite(x.shape).all() or not x.size:
        msg = "a dask array of features must hold floats of a known shape (items, channels)."
        raise ValueError(msg)
    x = x.rechunk({1: -1})
    parts = [part[0] for part in x.to_delayed()]

    def read(start: int, stop: int) -> AnyArray:
        return np.asarray(x[start:stop].compute())

    return FeatureRows("features", None, x.shape[0], x.shape[1], x.dtype, read, x), parts


def _chosen(backend: str, rows: FeatureRows, parts: list[Any] | None) -> str:
    if backend == "auto":
        if parts is not None:
            return "dask"
        if _gpu():
            return "torch"
        return "sklearn" if rows.nbytes <= _SKLEARN else "numpy"
    if backend == "torch":
        require("torch", "train")
    if backend == "dask":
        require("dask", "scale")
    return backend


def _gpu() -> bool:
    import sys
    from importlib.util import find_spec

    # where torch is not loaded yet, /dev tells whether that is worth the seconds
    if "torch" not in sys.modules and (find_spec("torch") is None or not os.path.exists("/dev/nvidiactl")):
        return False
    import torch

    return torch.cuda.is_available()


def _moments(rows: FeatureRows) -> tuple[FloatArray, float]:
    """Return each channel's mean and the mean of their variances, merged from blocks."""
    mean, scatter, n = np.zeros(rows.n_channels), np.zeros(rows.n_channels), 0
    for start, stop in rows.blocks(BLOCK):
        block = rows.read(start, stop).astype(np.float64)
        if not np.isfinite(block).all():
            check_finite(f"features (rows {start:,} to {stop:,})", block)
        own = block.mean(axis=0)
        block -= own
        apart, m = own - mean, stop - start
        scatter += np.einsum("ij,ij->j", block, block) + apart**2 * n * m / (n + m)
        mean += apart * m / (n + m)
        n += m
    return mean, float(scatter.mean() / n)


def _delayed_moments(rows: FeatureRows) -> tuple[FloatArray, float]:
    library = require("dask", "scale")
    x: Any = rows.array
    mean, variance = library.compute(x.mean(axis=0, dtype=np.float64), x.var(axis=0, dtype=np.float64))
    check_finite("the mean of features", mean)
    return mean, float(variance.mean())


def _starts(rows: FeatureRows, k: int, seed: int, mean: FloatArray, dtype: np.dtype[Any]) -> FloatArray:
    from sklearn.cluster import kmeans_plusplus

    rng = np.random.default_rng(seed)
    n = min(rows.n_items, max(_FEWEST, _PER_CLUSTER * k))
    chosen = np.sort(rng.choice(rows.n_items, n, replace=False))
    sample = rows.take(chosen).astype(dtype, copy=False) - mean.astype(dtype)
    centres: FloatArray = kmeans_plusplus(sample, k, random_state=int(rng.integers(2**31)))[0]
    return centres


def _given(centres: object, rows: FeatureRows, k: int, mean: FloatArray) -> FloatArray:
    array = as_float_array("centres", centres)
    if array.shape != (k, rows.n_channels):
        msg = f"centres must have shape ({k}, {rows.n_channels}); got {array.shape}."
        raise ValueError(msg)
    check_finite("centres", array)
    return array - mean


def _fit(
    backend: str,
    rows: FeatureRows,
    parts: list[Any] | None,
    shift: AnyArray,
    start: AnyArray,
    *,
    max_iter: int,
    tol: float,
) -> Fit:
    """Run k-means on rows without their mean, which would take digits from the distances."""

    def read(first: int, stop: int) -> AnyArray:
        return _shifted(rows.read(first, stop), shift)

    if backend == "sklearn":
        return _fit_sklearn(read(0, rows.n_items), start, max_iter, tol)
    if backend == "numpy":
        blocks = numpy_blocks(rows.n_items, read)
    elif backend == "torch":
        blocks = torch_blocks(rows.n_items, read, "cuda" if _gpu() else "cpu")
    else:
        blocks = _delayed(rows, parts, shift, read)
    return lloyd(blocks, start, max_iter=max_iter, tol=tol)


def _delayed(
    rows: FeatureRows, parts: list[Any] | None, shift: AnyArray, read: Callable[[int, int], AnyArray]
) -> Blocks:
    library = require("dask", "scale")
    if parts is None:
        delayed = [library.delayed(read, pure=False)(start, stop) for start, stop in rows.blocks(BLOCK)]
    else:
        delayed = [library.delayed(_shifted)(part, shift) for part in parts]
    return dask_blocks(delayed, rows.n_items, lambda i: read(i, i + 1)[0])


def _shifted(block: AnyArray, shift: AnyArray) -> AnyArray:
    return block.astype(shift.dtype, copy=False) - shift


def _fit_sklearn(x: AnyArray, start: AnyArray, max_iter: int, tol: float) -> Fit:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    # its tolerance is a share of the variance, which has gone into ours
    spread = float(x.var(axis=0, dtype=np.float64).mean())
    model = KMeans(
        len(start), init=start, n_init=1, max_iter=max_iter, tol=tol / spread if spread else 0.0, algorithm="lloyd"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in our words below
        model.fit(x)
    n_iterations = int(model.n_iter_)
    return Fit(
        model.labels_.astype(np.int64),
        np.asarray(model.cluster_centers_, dtype=np.float64),
        float(model.inertia_),
        n_iterations,
        n_iterations < max_iter,
    )


def _warn(fit: Fit, n_clusters: int, max_iter: int) -> None:
    filled = len(np.unique(fit.nearest))
    if filled < n_clusters:
        msg = (
            f"only {filled} of {n_clusters} clusters hold items: there are no more different items than that; ask for "
            "fewer (n_clusters=)."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
    elif not fit.converged:
        msg = f"k-means had not come to rest after {max_iter} rounds; raise max_iter=, or tol=."
        warnings.warn(msg, UserWarning, stacklevel=3)
