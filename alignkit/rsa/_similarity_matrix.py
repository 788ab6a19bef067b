"""Similarities of the pairs inside triplets: from an embedding through a kernel, or from a ready matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import (
    NanPolicy,
    as_float_array,
    as_labels,
    check_choice,
    check_nan_policy,
    is_tensor,
    join_names,
)
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.rsa._align import as_rdm
from alignkit.rsa._condensed import as_host
from alignkit.rsa._container import RDM
from alignkit.rsa._kernels import _triplets_numpy
from alignkit.rsa._namespace import namespace, widen
from alignkit.rsa._nan import items_of_pairs, name_items, report_undefined
from alignkit.rsa._triplets import Triplets, TwoAFC

Kernel = Literal["dot", "cosine", "euclidean", "precomputed"]

#: Up to this many items their square matrix (200 MB) is cheaper than gathering rows triplet by triplet.
MATRIX_LIMIT = 5000
_CLOSE = 1e-6
#: What makes items undefined.
_WHY = {
    "dot": "that are NaN or infinite",
    "cosine": "that are NaN, infinite or all zero",
    "euclidean": "that are NaN or infinite",
    "precomputed": "that are without a similarity",
}


def similarity_matrix(x: object, /, *, kernel: Kernel = "dot", nan_policy: NanPolicy = "propagate") -> FloatArray:
    """Return the similarities of all pairs of items.

    Parameters
    ----------
    x : array_like, shape (items, dims)
        Embedding, one row per item. With ``kernel="precomputed"``: a symmetric similarity matrix, shape
        (items, items), or one :class:`RDM`, whose dissimilarities are taken with the sign turned.
    kernel : {"dot", "cosine", "euclidean", "precomputed"}
        ``dot``: x_i · x_j. ``cosine``: the same after scaling rows to unit length. ``euclidean``: the negative
        distance -||x_i - x_j|| (rooted).
    nan_policy : {"propagate", "omit", "raise"}
        Items with NaN or infinite values, and zero vectors under ``cosine``, have NaN rows and columns, with one
        warning that names them (``propagate``) or none (``omit``), or raise an error.

    Returns
    -------
    ndarray, shape (items, items)

    Raises
    ------
    ValueError
        Not two axes, no rows, numbers whose products leave the range of float64, a precomputed matrix that is not
        square, is asymmetric or holds dissimilarities, or undefined items under ``"raise"``.
    TypeError
        Not real numbers of one dtype.

    Examples
    --------
    >>> similarity_matrix([[1, 0], [1, 1]], kernel="dot")
    array([[1., 1.],
           [1., 2.]])
    """
    check_nan_policy(nan_policy)
    matrix = all_similarities(x, kernel)
    if nan_policy != "omit":
        labels = x.labels if isinstance(x, RDM) else None
        report_undefined(f"items {_WHY[kernel]}", name_items(labels, _undefined_items(matrix, kernel)), nan_policy)
    return matrix


def all_similarities(x: object, kernel: Kernel) -> FloatArray:
    """Return the matrix of similarities; undefined items have NaN rows and columns, without a word."""
    check_choice("kernel", kernel, get_args(Kernel))
    if kernel == "precomputed":
        return _precomputed(x)
    if isinstance(x, RDM):
        msg = f"an RDM holds pairs already; pass kernel='precomputed' instead of {kernel!r}."
        raise ValueError(msg)
    array = _filled(as_float_array("x", x, ndim=2))
    good = np.flatnonzero(~_undefined_rows(array, kernel))
    full = np.full((len(array), len(array)), np.nan)
    if len(good):
        check_range(array[good], kernel)
        full[np.ix_(good, good)] = _matrix(array[good], kernel)
    return full


def _undefined_items(matrix: FloatArray, kernel: Kernel) -> list[int]:
    if kernel != "precomputed":
        return [int(i) for i in np.flatnonzero(np.isnan(np.diagonal(matrix)))]
    # the diagonal of a ready matrix is never used
    missing = np.isnan(matrix[np.triu_indices(len(matrix), k=1)])
    return items_of_pairs(missing, len(matrix)) if missing.any() else []


def check_range(x: AnyArray, kernel: Kernel) -> None:
    """Raise when products of the finite rows of ``x`` overflow, or all of them vanish, in float64."""
    if kernel == "cosine" or 0 in x.shape:
        return
    largest = max(float(x.max()), -float(x.min()))
    limits = np.finfo(np.float64)
    if largest > np.sqrt(limits.max / (8.0 * x.shape[1])):
        msg = f"x holds values as large as {largest:.3g}, whose products overflow; divide x by a constant first."
        raise ValueError(msg)
    if 0.0 < largest < np.sqrt(limits.tiny / limits.eps):
        msg = f"x holds no value above {largest:.3g}, so that all products vanish; multiply x by a constant first."
        raise ValueError(msg)


def triplet_similarities(
    x: object,
    triplets: object,
    /,
    *,
    kernel: Kernel = "dot",
    labels: Iterable[Any] | None = None,
    nan_policy: NanPolicy = "propagate",
) -> FloatArray:
    """Return the three pair similarities of every triplet.

    Parameters
    ----------
    x : array_like or tensor, shape (items, dims)
        Embedding, or what ``kernel="precomputed"`` takes (see :func:`similarity_matrix`).
    triplets : Triplets or array_like of int, shape (n, 3)
        Item numbers, counted from 0.
    kernel : {"dot", "cosine", "euclidean", "precomputed"}
        What makes two items similar.
    labels : sequence of str, optional
        Names of the rows of ``x``. With labelled triplets, rows are then found by name, whatever their order.
    nan_policy : {"propagate", "omit", "raise"}
        Triplets with an undefined similarity are NaN, with one warning (``propagate``), with none unless nothing is
        left (``omit``), or an error.

    Returns
    -------
    ndarray or tensor, shape (n, 3)
        Column k is the similarity of the two items **other than** the one in column k: the larger it is, the more
        item k is the odd one out. Of a tensor, a float64 tensor on its device (on ``"mps"`` float32) with its gradient,
        whose numbers agree to 1e-12.

    Raises
    ------
    ValueError
        Item numbers beyond ``x``, labels that do not fit, a bad matrix, or undefined values under ``"raise"``.

    Examples
    --------
    >>> triplet_similarities([[1, 0], [1, 1], [0, 3]], [[0, 1, 2]])
    array([[3., 0., 1.]])
    """
    found: FloatArray = pairs_of_any(x, as_triplets(triplets), kernel, labels, nan_policy).T
    return found


def pairs_of_any(
    x: Any, triplets: Triplets | TwoAFC, kernel: Kernel, labels: Iterable[Any] | None, nan_policy: NanPolicy
) -> Any:
    """Return what :func:`pair_similarities` returns; of a tensor, a tensor on its device, with its gradient."""
    if is_tensor(x):
        return _pairs_of_tensor(x, triplets, kernel, labels, nan_policy)
    return pair_similarities(x, triplets, kernel, labels, nan_policy)


def _pairs_of_tensor(
    x: Any, triplets: Triplets | TwoAFC, kernel: Kernel, labels: Iterable[Any] | None, nan_policy: NanPolicy
) -> Any:
    from alignkit.rsa._kernels import _triplets_torch as kernels

    check_choice("kernel", kernel, get_args(Kernel))
    check_nan_policy(nan_policy)
    # a tensor has the checks of an array: only the matrix that is asked for whole is looked at whole
    _filled(as_float_array("x", (x[:1] if x.ndim else x).detach().cpu(), ndim=2))
    if kernel == "precomputed":
        _precomputed(x.detach().cpu())
    torch, x = namespace(x), widen(x)
    items = _as_row_numbers(triplets, len(x), labels)
    where = torch.as_tensor(np.ascontiguousarray(items), device=x.device)
    if kernel == "precomputed":
        values = kernels.gather_pairs(x, where)
        _report(as_host(values), None, items, triplets, kernel, nan_policy)
        return values
    undefined = ~x.isfinite().all(1)
    if kernel == "cosine":
        undefined = undefined | ~(x != 0).any(1)
    bad = as_host(undefined)
    safe = torch.where(undefined[:, None], float(kernel == "cosine"), x) if bad.any() else x
    check_range(safe.detach(), kernel)
    used, place = where.unique(return_inverse=True) if len(x) > MATRIX_LIMIT else (None, where)
    if used is None or len(used) <= MATRIX_LIMIT:
        rows = safe if used is None else safe[used]
        values = kernels.gather_pairs(kernels.pair_matrix(rows, kernel), place)
    else:
        values = kernels.gather_rows(safe, where, kernel)
    if bad.any():
        values = torch.where(undefined[where].any(1), torch.nan, values)
        _report(as_host(values), bad, items, triplets, kernel, nan_policy)
    return values


def pair_similarities(
    x: object, triplets: Triplets | TwoAFC, kernel: Kernel, labels: Iterable[Any] | None, nan_policy: NanPolicy
) -> FloatArray:
    """Return what :func:`triplet_similarities` returns, as contiguous rows of an array: shape (3, n)."""
    check_choice("kernel", kernel, get_args(Kernel))
    check_nan_policy(nan_policy)
    if is_tensor(x) and x.device.type != "cpu":  # type: ignore[attr-defined]
        return as_host(_pairs_of_tensor(x, triplets, kernel, labels, nan_policy))
    if isinstance(x, RDM) and labels is None and triplets.labels is not None:
        labels = x.labels
    array = _as_rows(x, kernel)
    items = _as_row_numbers(triplets, len(array), labels)
    array, items = _used_rows(array, items, kernel)
    if kernel == "precomputed":
        values, bad = _triplets_numpy.gather_pairs(array, items), None
    else:
        bad = _undefined_rows(array, kernel)
        as_float_array("x", array[bad])  # infinities of float16 have their own sentence
        safe = np.where(bad[:, None], 0.0 if kernel != "cosine" else 1.0, array) if bad.any() else array
        check_range(safe, kernel)
        if len(safe) <= MATRIX_LIMIT:
            values = _triplets_numpy.gather_pairs(_matrix(as_float_array("x", safe), kernel), items)
        else:
            values = _triplets_numpy.gather_rows(safe, items, kernel)
        if bad.any():
            a, b, c = bad[items].T
            values[:, a | b | c] = np.nan
    _report(values, bad, items, triplets, kernel, nan_policy)
    return values


def as_triplets(triplets: object) -> Triplets:
    """Return ``triplets`` itself, or a container around an (n, 3) array."""
    return triplets if isinstance(triplets, Triplets) else Triplets(triplets)


def _as_rows(x: object, kernel: Kernel) -> AnyArray:
    if kernel == "precomputed" or isinstance(x, RDM):
        return all_similarities(x, kernel)
    if not isinstance(x, np.ndarray) or x.ndim != 2 or len(x) <= MATRIX_LIMIT:
        return _filled(as_float_array("x", x, ndim=2))
    as_float_array("x", x[:1])  # long embeddings keep their dtype until their rows are used
    return x


def _filled(array: FloatArray) -> FloatArray:
    if array.size == 0:
        msg = f"x must hold at least one item and one channel; got shape {array.shape}."
        raise ValueError(msg)
    return array


def _as_row_numbers(triplets: Triplets | TwoAFC, n_rows: int, labels: Iterable[Any] | None) -> IntArray:
    items, names = triplets.items, triplets.labels
    if labels is not None:
        rows = as_labels("labels", labels, n_rows)
        if names is None:
            msg = "labels of x were given but the triplets have none; build them with Triplets(items, labels=...)."
            raise ValueError(msg)
        number = {label: i for i, label in enumerate(rows)}
        lookup = np.array([number.get(label, -1) for label in names])
        missing = np.unique(items[lookup[items] < 0])
        if missing.size:
            msg = (
                f"x has no row for {join_names(names[i] for i in missing)}; "
                "keep the answers it can be scored on with triplets.restrict(labels)."
            )
            raise ValueError(msg)
        return lookup[items]
    if names is not None and len(names) != n_rows:
        msg = (
            f"x has {n_rows} rows, but the triplets name {len(names)} items; pass labels= (the names of x's rows) "
            "or restrict the triplets to them."
        )
        raise ValueError(msg)
    if items.max() >= n_rows:
        msg = (
            f"the triplets use the item number {items.max()}, but x has {n_rows} rows (0 to {n_rows - 1}); "
            "check whether they count from 0 or 1."
        )
        raise ValueError(msg)
    return items


def _used_rows(array: AnyArray, items: IntArray, kernel: Kernel) -> tuple[AnyArray, IntArray]:
    """Keep the rows that occur when there are too many for a matrix: a few thousand of a million fit."""
    if kernel == "precomputed" or len(array) <= MATRIX_LIMIT:
        return array, items
    used = np.zeros(len(array), dtype=bool)
    used[items] = True
    if used.sum() > MATRIX_LIMIT:
        return array, items
    return array[used], (np.cumsum(used) - 1)[items]


def _undefined_rows(array: AnyArray, kernel: Kernel) -> BoolArray:
    # a sum is finite only if every entry is, unless it overflows: only such rows are looked at closely
    with np.errstate(over="ignore", invalid="ignore"):
        bad = ~np.isfinite(array.sum(axis=1, dtype=np.float64))
    bad[bad] = ~np.isfinite(array[bad]).all(axis=1)
    if kernel == "cosine":
        bad |= ~array.any(axis=1)
    return bad


def _matrix(x: FloatArray, kernel: Kernel) -> FloatArray:
    if kernel == "dot":
        return x @ x.T
    if kernel == "cosine":
        unit = _triplets_numpy.unit_rows(x)
        return unit @ unit.T
    return _negative_distances(x)


def _negative_distances(x: FloatArray) -> FloatArray:
    x = x - x.mean(axis=0)  # distances stay, cancellation goes
    gram = x @ x.T
    norms = np.diagonal(gram)
    size = norms[:, None] + norms
    squared = size - 2.0 * gram
    # Near-duplicates lose all their digits in that difference: theirs is taken row by row.
    i, j = np.nonzero(np.triu(squared < _CLOSE * size, k=1))
    for start in range(0, len(i), 4096):
        a, b = i[start : start + 4096], j[start : start + 4096]
        squared[a, b] = squared[b, a] = ((x[a] - x[b]) ** 2).sum(axis=1)
    np.fill_diagonal(squared, 0.0)
    return -np.sqrt(np.maximum(squared, 0.0, out=squared), out=squared)


def _precomputed(x: object) -> FloatArray:
    if isinstance(x, RDM):
        if x.shape:
            msg = f"one RDM is needed, got a stack {dict(zip(x.dims, x.shape, strict=True))}; select or average first."
            raise ValueError(msg)
        return -as_rdm("x", x).squareform()
    matrix = as_float_array("x", x, ndim=2)
    if matrix.shape[0] != matrix.shape[1]:
        msg = f"kernel='precomputed' needs a square (items, items) similarity matrix; got shape {matrix.shape}."
        raise ValueError(msg)
    if np.isinf(matrix).any():
        msg = "the similarity matrix x holds infinities; a similarity is finite, or NaN where it is missing."
        raise ValueError(msg)
    finite = np.abs(matrix[~np.isnan(matrix)])
    tolerance = 1e-6 * (finite.max() if finite.size else 0.0)
    with np.errstate(invalid="ignore"):
        differs = np.abs(matrix - matrix.T) > tolerance
    differs |= np.isnan(matrix) != np.isnan(matrix.T)
    if differs.any():
        i, j = np.argwhere(differs)[0]
        msg = (
            f"the similarity matrix x is not symmetric: entries ({i}, {j}) and ({j}, {i}) differ. "
            "Average it with its transpose first if the two directions are meant to be one."
        )
        raise ValueError(msg)
    if finite.size and finite.max() > 0 and not np.diagonal(matrix).any() and not (matrix < 0).any():
        msg = (
            "x has a zero diagonal and no negative entry: it looks like dissimilarities, but similarities are needed; "
            "pass -x (or 1 - x)."
        )
        raise ValueError(msg)
    return matrix


def _report(
    values: FloatArray,
    bad: BoolArray | None,
    items: IntArray,
    triplets: Triplets | TwoAFC,
    kernel: Kernel,
    nan_policy: NanPolicy,
) -> None:
    if bad is not None and not bad.any():
        return
    needed = values[1:] if isinstance(triplets, TwoAFC) else values  # left and right are never compared
    undefined = np.isnan(needed).any(axis=0)
    if not undefined.any() or (nan_policy == "omit" and not undefined.all()):
        return
    rows = triplets.items[undefined]
    named = np.unique(rows if bad is None else rows[bad[items[undefined]]])
    what = "trials" if isinstance(triplets, TwoAFC) else "triplets"
    reason = f"{undefined.sum()} {what} are undefined, because of items {_WHY[kernel]}"
    report_undefined(reason, name_items(triplets.labels, named), nan_policy, stacklevel=4)
