"""Repeats of a condition: averaged by label, within folds where there are folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from alignkit._check import as_labels, join_names
from alignkit._typing import FloatArray, IntArray


def number_by_name(names: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Return each row's number and the distinct names, in order of first appearance."""
    distinct = tuple(dict.fromkeys(names))
    number = {name: i for i, name in enumerate(distinct)}
    return np.array([number[name] for name in names], dtype=np.int64), distinct


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


def average_repeats(x: FloatArray, labels: Iterable[Any]) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the mean over rows that share a label, in order of first appearance.

    Parameters
    ----------
    x : ndarray, shape (..., rows, channels)
    labels : sequence of str, shape (rows,)

    Returns
    -------
    means : ndarray, shape (..., items, channels)
    labels : tuple of str, shape (items,)
    """
    names = as_labels("labels", labels, x.shape[-2], unique=False)
    codes, distinct = number_by_name(names)
    if len(distinct) == len(names):
        return x, distinct
    return _group_means(x, codes, len(distinct)), distinct


def average_within_folds(
    x: FloatArray, labels: Iterable[Any], folds: Iterable[Any]
) -> tuple[FloatArray, tuple[str, ...], IntArray]:
    """Return the mean of every condition within every fold.

    Parameters
    ----------
    x : ndarray, shape (..., rows, channels)
    labels, folds : sequence, shape (rows,)

    Returns
    -------
    means : ndarray, shape (..., folds, items, channels)
    labels : tuple of str, shape (items,)
    counts : ndarray of int, shape (folds, items)
        Rows that each mean rests on.

    Raises
    ------
    ValueError
        Fewer than two folds, or a condition that is missing from a fold.
    """
    n = x.shape[-2]
    names = as_labels("labels", labels, n, unique=False)
    codes, distinct = number_by_name(names)
    fold_codes, fold_names = number_by_name(as_labels("folds", folds, n, unique=False))
    n_items, n_folds = len(distinct), len(fold_names)
    if n_folds < 2:
        msg = f"folds must name at least two folds (runs, sessions) to cross-validate; got {n_folds}."
        raise ValueError(msg)
    cells = fold_codes * n_items + codes
    counts = np.bincount(cells, minlength=n_folds * n_items).reshape(n_folds, n_items)
    if (counts == 0).any():
        missing = [f"{distinct[i]} in fold {fold_names[f]}" for f, i in np.argwhere(counts == 0)]
        msg = f"every condition must occur in every fold; missing: {join_names(missing)}."
        raise ValueError(msg)
    means = _group_means(x, cells, n_folds * n_items)
    return means.reshape(*x.shape[:-2], n_folds, n_items, x.shape[-1]), distinct, counts


def _group_means(x: FloatArray, codes: IntArray, n_groups: int) -> FloatArray:
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=n_groups)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    # opposite infinities add up to NaN: the caller names the items
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.add.reduceat(x[..., order, :], starts, axis=-2)
    return sums / counts[:, None]
