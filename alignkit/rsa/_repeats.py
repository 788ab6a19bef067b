"""Repeats of a condition: averaged by label, within folds where there are folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_labels, is_tensor, join_names
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._arrays import Array, cast, floats_like, has_double
from alignkit.rsa._namespace import namespace

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def number_by_name(names: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Return each row's number and the distinct names, in order of first appearance."""
    distinct = tuple(dict.fromkeys(names))
    number = {name: i for i, name in enumerate(distinct)}
    return np.array([number[name] for name in names], dtype=np.int64), distinct


def number_rows(name: str, labels: Iterable[Any], n_rows: int) -> tuple[IntArray, tuple[str, ...]]:
    """Return each row's number and the distinct names, checked and normalised, in order of first appearance.

    Names that repeat are read once: thousands of trials have few conditions.
    """
    rows: Any = labels.tolist() if isinstance(labels, np.ndarray) and labels.ndim == 1 else labels
    kinds = set(map(type, rows)) if isinstance(rows, list | tuple) and len(rows) == n_rows else set()
    # of one kind only: 1 and True are equal, but no one name
    if len(kinds) != 1 or not issubclass(next(iter(kinds)), str | int | np.integer):
        return number_by_name(as_labels(name, labels, n_rows, unique=False))
    number = {label: i for i, label in enumerate(dict.fromkeys(rows))}
    codes = np.fromiter(map(number.__getitem__, rows), dtype=np.int64, count=n_rows)
    if "" in number:
        as_labels(name, rows)  # says where
    among, distinct = number_by_name(as_labels(name, list(number), unique=False))
    return among[codes], distinct


def row_names(x: Any) -> list[str] | None:
    """Return the names that a labelled table gives its rows: pandas' index, xarray's coordinate of the rows.

    Numbers are no names: two tables put below each other repeat theirs, and different items would be averaged.
    """
    package = type(x).__module__.partition(".")[0]
    names: list[Any] = []
    if package == "pandas" and getattr(x, "ndim", 0) == 2:
        names = list(x.index)
    elif package == "xarray" and getattr(x, "ndim", 0) >= 2 and x.dims[-2] in x.coords:
        names = x.coords[x.dims[-2]].values.tolist()
    return names if names and all(isinstance(name, str) for name in names) else None


def average_repeats(x: Array, labels: Iterable[Any], *, omit: bool = False) -> tuple[Array, tuple[str, ...]]:
    """Return the mean over rows that share a label, in order of first appearance.

    Parameters
    ----------
    x : ndarray or tensor, shape (..., rows, channels)
    labels : sequence of str, shape (rows,)
    omit : bool
        Leave values that are not finite out of the means of their channel.

    Returns
    -------
    means : ndarray or tensor, shape (..., items, channels)
        float64 where anything was averaged.
    labels : tuple of str, shape (items,)
    """
    codes, distinct = number_rows("labels", labels, x.shape[-2])
    if len(distinct) == x.shape[-2]:
        return x, distinct
    return _group_means(x, codes, len(distinct), omit), distinct


def average_within_folds(
    x: Array, labels: Iterable[Any], folds: Iterable[Any], *, incomplete: bool = False
) -> tuple[Array, tuple[str, ...], IntArray, tuple[str, ...]]:
    """Return the mean of every condition within every fold.

    Parameters
    ----------
    x : ndarray or tensor, shape (..., rows, channels)
    labels, folds : sequence, shape (rows,)
    incomplete : bool
        Whether conditions may be missing from folds; their means there are zero.

    Returns
    -------
    means : ndarray or tensor, shape (..., folds, items, channels)
    labels : tuple of str, shape (items,)
    counts : ndarray of int, shape (folds, items)
        Rows that each mean rests on.
    folds : tuple of str, shape (folds,)

    Raises
    ------
    ValueError
        Fewer than two folds, or a condition that is missing from a fold.
    """
    codes, distinct = number_rows("labels", labels, x.shape[-2])
    fold_codes, fold_names = number_rows("folds", folds, x.shape[-2])
    n_items, n_folds = len(distinct), len(fold_names)
    if n_folds < 2:
        msg = f"folds must name at least two folds (runs, sessions) to cross-validate; got {n_folds}."
        raise ValueError(msg)
    cells = fold_codes * n_items + codes
    counts = np.bincount(cells, minlength=n_folds * n_items).reshape(n_folds, n_items)
    if not incomplete and (counts == 0).any():
        missing = [f"{distinct[i]} in fold {fold_names[f]}" for f, i in np.argwhere(counts == 0)]
        msg = (
            f"every condition must occur in every fold; missing: {join_names(missing)}. Pass cv='fold-pairs' or "
            "cv='observation-pairs', which do without."
        )
        raise ValueError(msg)
    means = _group_means(x, cells, n_folds * n_items)
    return means.reshape(*x.shape[:-2], n_folds, n_items, x.shape[-1]), distinct, counts, fold_names


def _group_means(x: Array, codes: IntArray, n_groups: int, omit: bool = False) -> Array:
    if is_tensor(x):
        return _group_means_of_tensor(x, codes, n_groups, omit)
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=n_groups)
    if len(codes) == n_groups and counts.all():
        return x[..., order, :].astype(np.float64, copy=False)
    from scipy.sparse import csr_array

    # one sparse row of ones per group: each adds up its own rows, in their order
    members = csr_array((np.ones(len(codes)), order, np.concatenate(([0], np.cumsum(counts)))), (n_groups, len(codes)))
    number: Any = np.maximum(counts, 1)[:, None]
    if omit:
        valid = np.isfinite(x)
        x, number = np.where(valid, x, 0.0), _added_up(members, valid)
    # opposite infinities add up to NaN, and so does a channel that no row has: the caller names the items
    with np.errstate(invalid="ignore", over="ignore"):
        sums = _added_up(members, x)
        sums /= number
    return sums


def _added_up(members: csr_array, x: AnyArray) -> FloatArray:
    """Return sums of rows, shape (..., groups, channels)."""
    rows = np.moveaxis(x, -2, 0)
    sums: FloatArray = members @ rows.reshape(len(rows), -1)
    return np.moveaxis(sums.reshape(len(sums), *rows.shape[1:]), 0, -2)


def _group_means_of_tensor(x: Array, codes: IntArray, n_groups: int, omit: bool) -> Array:
    # as a product: adding to places that several rows share has no fixed order on a graphics processor
    torch = namespace(x)
    x = cast(x, "float64") if has_double(x) else x
    members = floats_like(np.arange(n_groups)[:, None] == codes, x)
    valid = torch.isfinite(x)
    sums = members @ torch.where(valid, x, 0.0)
    n_valid = members @ valid.to(x.dtype)
    n_rows = members.sum(axis=-1, keepdims=True)
    lost = (n_valid == 0) & (n_rows > 0) if omit else n_valid < n_rows
    return torch.where(lost, torch.nan, sums / (n_valid if omit else n_rows).clamp(min=1))
