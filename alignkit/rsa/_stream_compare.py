"""RDM-to-RDM comparison of any number of items, a tile at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from alignkit._check import NanPolicy, as_flag, check_choice, check_n_items, check_nan_policy, counted
from alignkit._executor import as_executor
from alignkit._memory import as_bytes
from alignkit._typing import PathLike
from alignkit.rsa._comparison import Comparison
from alignkit.rsa._dispatch import Backend
from alignkit.rsa._matrix_methods import WHITENED
from alignkit.rsa._nan import report_all
from alignkit.rsa._tiles import _moments
from alignkit.rsa._tiles._counting import RankSums, rank_sums
from alignkit.rsa._tiles._feature_tiles import Recipe, TiledMetric
from alignkit.rsa._tiles._kernels import choose
from alignkit.rsa._tiles._progress import pairs_bar
from alignkit.rsa._tiles._sides import as_side, common_grid, in_one_order
from alignkit.rsa._tiles._sums_folder import SumsFolder
from alignkit.rsa._tiles._sums_key import sums_key
from alignkit.rsa._torch_device import torch_device

StreamMethod = Literal["spearman", "rho-a", "pearson", "cosine", "whitened-cosine", "whitened-pearson"]
STREAM_METHODS = ("spearman", "rho-a", "pearson", "cosine", *WHITENED)


def stream_compare(
    a: Any,
    b: Any,
    /,
    *,
    method: StreamMethod = "spearman",
    metric: TiledMetric = "correlation",
    metric_b: TiledMetric | None = None,
    labels_a: Iterable[Any] | None = None,
    labels_b: Iterable[Any] | None = None,
    dtype: Literal["float64", "float32"] = "float64",
    nan_policy: NanPolicy = "propagate",
    memory: int | str = "1 GB",
    client: Any = None,
    backend: Backend = "auto",
    device: str | None = None,
    resume: PathLike | None = None,
    progress: bool = False,
) -> Comparison:
    r"""Compare two RDMs of any number of items without holding, or writing, either.

    Dissimilarities are float32, in tiles, and every tile is made (or read) when its turn comes. Sums are the same bits
    for any number of threads or workers, any memory, and after workers were lost.

    Parameters
    ----------
    a, b : features, TiledRDM, RDM or path
        Two RDMs of the same items: those in a folder (``rdm(features, out=...)``), in memory, or those of features,
        shape (items, channels), which are computed on the way: an array, also memory-mapped, a ``.npy`` file or a Zarr
        array. Named items are matched by name.
    method : {"spearman", "rho-a", "pearson", "cosine", "whitened-cosine", "whitened-pearson"}
        As :func:`compare`. ``"spearman"`` and ``"rho-a"`` are exact: keys of 32 bits are counted, ranks (ties share
        their mean) are read from the counts, and their products are added up in whole numbers, in three passes over
        the tiles; the value is bit for bit that of :func:`compare` on the same float32 dissimilarities. The others
        take one pass, and agree with :func:`compare` to rounding. ``"whitened-cosine"`` of ``"sqeuclidean"`` RDMs is
        linear CKA, which ``similarity(a, b, debiased=False)`` computes from the features without any dissimilarity.
    metric, metric_b : {"correlation", "cosine", "euclidean", "sqeuclidean"}
        Dissimilarity of features; ``metric_b`` that of ``b``, by default the same.
    labels_a, labels_b : sequence of str, shape (items,), optional
        Names of the items of features.
    dtype : {"float64", "float32"}
        Precision of the products of features.
    nan_policy : {"propagate", "omit", "raise"}
        Pairs that are NaN in either: give NaN and warn, leave them out (not for the whitened methods), or raise.
    memory : int or str
        About how much memory to use, in bytes or as ``"500 MB"``; of each worker where there is a ``client``. Half of
        it is for tables of counts.
    client : dask.distributed.Client, optional
        A cluster whose workers do it. What lies in files is read by every worker from the same path.
    backend : {"auto", "numpy", "numba"}
        Which kernels sum and count; ranks are the same.
    device : {None, "auto", "cpu", "cuda", "cuda:1", "mps"}
        Make tiles, sum and count with torch on this device (``"auto"``: the first GPU, else the CPU); ``memory`` is the
        device's as well. Of the same dissimilarities, ranks are the same and other sums agree to 1e-12. Those of
        features have float64 products, which round to another float32 than numpy's once in 1e8 times or so.
        ``"mps"`` makes tiles of features alone, and takes ``dtype="float32"``.
    resume : path, optional
        A folder that sums are kept in, every few seconds, with the tiles that are in them: the same call goes on where
        a killed one stopped, with the same bits, and that of another comparison (other RDMs, method, tile size,
        backend, device or version) is refused. It takes as much disk as the tables of counts, and some 72 bytes a tile,
        or 1 MB for ranks, once it is done; it stays, so that the same call returns at once, until you remove it.
    progress : bool
        Show a bar with pairs per second and the time left.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        Different items, an unknown option, too little memory, RDMs that are not finished, a device that is not there,
        or undefined values under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers, or no client.
    FileExistsError
        ``resume`` holds the start of another comparison, or something else.
    BlockingIOError
        Another process writes to ``resume``.

    See Also
    --------
    compare : the same in memory, for stacks of RDMs and more methods.

    Notes
    -----
    With P pairs, doubled centred ranks are :math:`2R - P - 1`, whole numbers, and
    :math:`\sum(2R-P-1)^2 = (P^3 - P - \sum(t^3-t))/3` over runs of t ties. Pearson sums are taken less a shift near the
    mean, and those of the tiles are added without rounding (Shewchuk, doi:10.1007/PL00009321).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 20))
    >>> y = x + rng.normal(size=x.shape)
    >>> stream_compare(x, y)
    <Comparison spearman = 0.4673, 200 items>
    """
    check_choice("method", method, STREAM_METHODS)
    check_nan_policy(nan_policy)
    n_bytes, shown, there = as_bytes(memory), as_flag("progress", progress), torch_device(device, client)
    first = as_side("a", a, labels_a, Recipe(metric, dtype))
    same = b is a and labels_b is labels_a and metric_b in (None, metric)
    second = first if same else as_side("b", b, labels_b, Recipe(metric_b or metric, dtype))
    check_n_items("a", first.n_items)
    grid = common_grid(first, second)
    orders = in_one_order(first, second)
    x, most_x = first.tiles(grid, n_bytes // 4, orders[0], there)
    y, most_y = (x, most_x) if same else second.tiles(grid, n_bytes // 4, orders[1], there)
    executor, chosen = as_executor(client, min(most_x, most_y)), choose(backend, grid.n_pairs, there)
    ranked = method in ("spearman", "rho-a")
    key = "" if resume is None else sums_key((first, second), orders, grid, method, nan_policy, chosen, there)
    with (
        SumsFolder.opened(resume, key, grid.n_tiles) as kept,
        pairs_bar(grid.n_pairs * (3 if ranked else 1), method, shown=shown) as bar,
    ):
        if ranked:
            omit = nan_policy == "omit"
            on = there if chosen == "torch" else None
            sums: Any = rank_sums(
                x, y, grid, executor, chosen=chosen, memory=n_bytes // 2, omit=omit, bar=bar, kept=kept, device=on
            )
        else:
            shifted, items = method != "cosine", method in WHITENED
            sums = _moments.moment_sums(
                x, y, grid, executor, chosen=chosen, shifted=shifted, items=items, bar=bar, kept=kept
            )
    value = _value(sums, method, nan_policy, grid.n_items)
    unlabelled = first.labels is None or second.labels is None
    return Comparison(
        values=np.array(value),
        n_pairs=np.array(0 if any(sums.missing) and nan_policy != "omit" else sums.n),
        method=method,
        nan_policy=nan_policy,
        dims=(),
        coords={},
        n_items=grid.n_items,
        aligned_by="position" if unlabelled else "label",
        sigma_k="identity" if method in WHITENED else "",
    )


def _value(sums: Any, method: str, nan_policy: NanPolicy, n_items: int) -> float:
    """Return the similarity, after saying why it is NaN where it is."""
    missing = {f"{name} holds NaN": n for name, n in zip("ab", sums.missing, strict=True) if n}
    if missing and nan_policy == "omit" and method in WHITENED:
        msg = f"{method} in tiles needs every pair of items, and {' and '.join(missing)}; drop those items first."
        raise ValueError(msg)
    if missing and nan_policy != "omit":
        reasons = {f"{what} (nan_policy='omit' leaves it out)": [counted(n, "pair")] for what, n in missing.items()}
        report_all(reasons, nan_policy, stacklevel=4)
        return float("nan")
    value = _similarity(sums, method, n_items) if sums.n >= 2 else float("nan")
    if math.isnan(value):
        report_all({f"{method} is undefined for RDMs whose values are all equal or missing": ["a or b"]}, nan_policy)
    return value


def _similarity(sums: Any, method: str, n_items: int) -> float:
    if isinstance(sums, RankSums):
        if method == "rho-a":
            return float(np.float64(sums.crossed) / float((sums.n**3 - sums.n) // 3))
        if not sums.own_a or not sums.own_b:
            return float("nan")
        # as in memory, operation by operation
        scale = np.sqrt(np.float64(sums.own_a) * np.float64(sums.own_b))
        return float(np.clip(np.float64(sums.crossed) / scale, -1.0, 1.0))
    if method in WHITENED:
        return _moments.whitened(sums, n_items, centred=method == "whitened-pearson")
    return _moments.pearson(sums) if method == "pearson" else _moments.cosine(sums)
