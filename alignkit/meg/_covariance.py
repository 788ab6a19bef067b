"""Covariance of the noise at one time, for all trials and for those outside each fold, without a pass per fold.

With ``e`` the trials less the mean of their condition over all folds, ``E_l`` the second moments of ``e`` in fold l and
``s_ck`` the sum of ``e`` of condition c in fold k, the mean of ``e`` of that condition outside fold k is
``-s_ck / N_ck`` (N_ck trials outside). So the scatter of the residuals from training means is the sum of ``E_l`` over
l other than k, less the sum over c of ``s_ck s_ck' / N_ck``: two products for all folds together. What Ledoit and Wolf
need besides, the fourth moments, follows from the products of each trial with the ``s_ck`` of its condition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from alignkit._check import join_names
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.meg._trials import Design

#: The largest weight of equal variances in data of reduced rank.
_NEARLY_ALL = 1 - 1e-9

#: Trials (or cells) that are gathered at once.
_TOGETHER = 256


class NoNoiseError(ValueError):
    """No trial differs from the mean of its condition."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ResidualPlan:
    """Where the trials of each fold and condition are, found once and used at every time.

    Trials are sorted by fold, then by condition; a cell is a condition in a fold. A set of trials is what lies outside
    one fold; the last set is all trials, and the only one without folds. ``groups`` are conditions of equally many
    trials: their rows, shape (conditions, trials), and their cells, shape (conditions, folds), in which the number of
    cells stands for none. ``share``, shape (trials, folds), is 1 / N_ck of a trial's condition, or 0 where fold k has
    none of it.
    """

    order: IntArray
    condition: IntArray
    means: Any
    folds: tuple[slice, ...]
    cells: Any
    cells_of: tuple[slice, ...]
    cell_share: FloatArray
    even: tuple[float | None, ...]
    groups: tuple[tuple[IntArray, IntArray], ...]
    share: FloatArray
    outside: BoolArray
    n_rows: IntArray
    dof: IntArray

    @classmethod
    def of(cls, design: Design, *, by_fold: bool) -> Self:
        """Return the plan for one covariance outside each fold and one of all trials, or for the last alone.

        Raises
        ------
        ValueError
            Fewer than two trials of every condition, so that no residual is left.
        """
        fold = design.fold if by_fold and design.fold is not None else np.zeros_like(design.condition)
        n_folds = design.n_folds if by_fold and design.fold is not None else 1
        order = np.lexsort((design.condition, fold))
        condition, fold = design.condition[order], fold[order]
        counts = np.zeros((n_folds, design.n_conditions), dtype=np.int64)
        np.add.at(counts, (fold, condition), 1)
        total = counts.sum(axis=0)
        others = total - counts
        n_rows = np.append(others.sum(axis=1), total.sum()) if n_folds > 1 else total.sum(keepdims=True)
        used = np.append((others > 0).sum(axis=1), (total > 0).sum()) if n_folds > 1 else (total > 0).sum(keepdims=True)
        _check_dof(n_rows - used, design.folds)
        shares = np.where((counts > 0) & (others > 0), 1.0 / np.maximum(others, 1), 0.0)
        cell_of = _cell_numbers(counts)
        filled = counts > 0
        return cls(
            order=order,
            condition=condition,
            means=_adding(condition, design.n_conditions, 1.0 / np.maximum(total, 1)),
            folds=_slices(counts.sum(axis=1)),
            cells=None if counts.max() == 1 else _adding(cell_of[fold, condition], int(filled.sum()), None),
            cells_of=_slices(filled.sum(axis=1)),
            cell_share=shares[filled],
            even=tuple(_even(counts[k], shares[k]) for k in range(n_folds)),
            groups=_groups(condition, total, cell_of) if n_folds > 1 else (),
            share=shares[:, condition].T,
            outside=fold[:, None] != np.arange(n_folds),
            n_rows=n_rows,
            dof=n_rows - used,
        )

    @property
    def n_sets(self) -> int:
        """Number of sets of trials: one outside each fold, and all."""
        return len(self.n_rows)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Covariances:
    """Covariance of each set of trials, shape (sets, channels, channels), and the weights of the target, (sets,)."""

    matrices: FloatArray
    weights: FloatArray


def covariances_at(
    x: AnyArray, plan: ResidualPlan, *, shrinkage: str | float, rank: int, types: Sequence[IntArray], dtype: Any = None
) -> Covariances:
    r"""Return the noise covariance of every set of trials at one time.

    The scatter of the residuals over the degrees of freedom (trials less conditions), shrunk towards equal variance of
    all channels within each type of sensor.

    Parameters
    ----------
    x : ndarray, shape (trials, channels)
        At one time.
    plan : ResidualPlan
    shrinkage : {"ledoit-wolf", "none"} or float
        ``"ledoit-wolf"`` takes the weight that scikit-learn's ``LedoitWolf(assume_centered=True)`` gives the residuals,
        in units in which every type of sensor has the same mean variance; within the subspace of the data where
        ``rank`` is less than the channels.
    rank : int
        Independent channels.
    types : sequence of ndarray of int
        Positions of the channels of each type.
    dtype : dtype, optional
        Precision of the products, which are summed over folds in float64; by default that of ``x``.

    Returns
    -------
    Covariances

    Raises
    ------
    NoNoiseError
        No trial differs from the mean of its condition, in all channels of a type.
    """
    e = _residuals(x, plan, x.dtype if dtype is None else dtype)
    sums = e if plan.cells is None else (plan.cells @ e).astype(e.dtype, copy=False)
    scatter = _scatter(e, sums, plan)
    level = np.stack([np.einsum("kii->ki", scatter)[:, of].mean(axis=1) for of in types], axis=1)
    level /= plan.dof[:, None]
    if not (level > 0).all():
        msg = "the noise is zero: no trial differs from the mean of its condition; use noise=None."
        raise NoNoiseError(msg)
    weights = np.zeros(plan.n_sets)
    scale = np.empty((plan.n_sets, x.shape[1]))
    for i, of in enumerate(types):
        scale[:, of] = np.sqrt(level[:, i, None])
    if shrinkage == "ledoit-wolf":
        fourth = _fourth_moments(e, sums, plan, types, level)
        weights = _ledoit_wolf(scatter, scale, fourth, plan, rank)
    elif not isinstance(shrinkage, str):
        weights[:] = shrinkage
    if rank < x.shape[1]:  # equal variances alone would hide which directions the data do not have
        weights = np.minimum(weights, _NEARLY_ALL)
    diagonal = np.einsum("kii->ki", scatter)
    trace = (diagonal / scale**2).sum(axis=1) / plan.dof
    scatter *= ((1.0 - weights) / plan.dof)[:, None, None]
    diagonal += (weights * trace / rank)[:, None] * scale**2
    return Covariances(scatter, weights)


def _residuals(x: AnyArray, plan: ResidualPlan, dtype: Any) -> AnyArray:
    """Return the trials less the means of their conditions, in the order of the plan."""
    e = np.empty(x.shape, dtype=dtype)
    blocks = [slice(start, start + _TOGETHER) for start in range(0, len(e), _TOGETHER)]
    for rows in blocks:
        e[rows] = x[plan.order[rows]]
    means = (plan.means @ e).astype(dtype, copy=False)
    for rows in blocks:
        e[rows] -= means[plan.condition[rows]]
    return e


def _check_dof(dof: IntArray, folds: tuple[str, ...]) -> None:
    if (dof > 0).all():
        return
    few = [name for name, left in zip(folds, dof, strict=False) if left <= 0]
    where = f" outside the fold(s) {join_names(few)}" if dof[-1] > 0 else ""
    msg = (
        f"the noise cannot be estimated: no condition has two trials{where}. Pass noise=None, or a noise covariance "
        "that was measured elsewhere."
    )
    raise ValueError(msg)


def _slices(lengths: IntArray) -> tuple[slice, ...]:
    ends = np.cumsum(lengths)
    return tuple(slice(int(end - n), int(end)) for end, n in zip(ends, lengths, strict=True))


def _cell_numbers(counts: IntArray) -> IntArray:
    """Return the number of each cell among those that hold trials, shape (folds, conditions); their count for none."""
    filled = counts > 0
    numbers = np.cumsum(filled).reshape(counts.shape) - 1
    return np.where(filled, numbers, filled.sum())


def _adding(codes: IntArray, n: int, weights: FloatArray | None) -> Any:
    """Return a sparse matrix that adds up, times ``weights``, the rows of each code."""
    from scipy.sparse import csr_array

    order = np.argsort(codes, kind="stable")
    ends = np.concatenate(([0], np.cumsum(np.bincount(codes, minlength=n))))
    data = np.ones(len(codes)) if weights is None else weights[codes[order]]
    return csr_array((data, order, ends), (n, len(codes)))


def _even(counts: IntArray, share: FloatArray) -> float | None:
    """Return 1 / N_ck where the fold has one trial of each condition and N_ck is the same for all; else None."""
    found = np.unique(share[counts > 0])
    return float(found[0]) if counts.max() == 1 and len(found) == 1 else None


def _groups(condition: IntArray, total: IntArray, cell_of: IntArray) -> tuple[tuple[IntArray, IntArray], ...]:
    order = np.argsort(condition, kind="stable")
    start = np.cumsum(total) - total
    groups = []
    for n in np.unique(total[total > 1]).tolist():
        of = np.flatnonzero(total == n)
        groups.append((order[start[of, None] + np.arange(n)], cell_of[:, of].T))
    return tuple(groups)


def _scatter(e: AnyArray, sums: AnyArray, plan: ResidualPlan) -> FloatArray:
    """Return the scatter of the residuals of every set, shape (sets, channels, channels)."""
    moments = np.stack([e[of].T @ e[of] for of in plan.folds]).astype(np.float64)
    if plan.n_sets == 1:
        return moments
    scatter = np.zeros((plan.n_sets, *moments.shape[1:]))
    for k in range(len(moments)):
        np.add(scatter[k], moments[k], out=scatter[k + 1])
    # from both ends: a fold that is large is never added to be subtracted again
    after = np.zeros(moments.shape[1:])
    for k in range(len(moments) - 1, -1, -1):
        scatter[k] += after
        after += moments[k]
        even = plan.even[k]
        if even is None:
            cells = sums[plan.cells_of[k]]
            rows = cells * np.sqrt(plan.cell_share[plan.cells_of[k], None]).astype(cells.dtype)
            scatter[k] -= rows.T @ rows
        else:
            scatter[k] -= even * moments[k]
    return scatter


def _fourth_moments(
    e: AnyArray, sums: AnyArray, plan: ResidualPlan, types: Sequence[IntArray], level: FloatArray
) -> FloatArray:
    """Return the sum over residuals of their squared lengths, squared, for every set; shape (sets,)."""
    own = np.zeros(len(e))
    lengths = np.zeros(plan.share.shape)
    for i, of in enumerate(types):
        part = slice(None) if len(types) == 1 else of
        squares, products, of_sums = _products(e[:, part], sums[:, part], plan)
        own += squares / level[-1, i]
        if plan.n_sets > 1:
            lengths += (squares[:, None] + plan.share * (2 * products + plan.share * of_sums)) / level[:-1, i]
    every = (own * own).sum(keepdims=True)
    return every if plan.n_sets == 1 else np.append((lengths * lengths * plan.outside).sum(axis=0), every)


def _products(e: AnyArray, sums: AnyArray, plan: ResidualPlan) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return each trial's squared length, and with the sums of its condition in each fold: products, squares."""
    squares = np.einsum("ij,ij->i", e, e).astype(np.float64)
    products = np.zeros(plan.share.shape)
    of_sums = np.zeros(plan.share.shape)
    if plan.n_sets == 1:
        return squares, products, of_sums
    lengths = np.append(np.einsum("ij,ij->i", sums, sums), 0.0)
    for rows, cells in _pieces(plan.groups):
        there = cells < len(sums)
        others = sums[np.where(there, cells, 0)]
        products[rows] = (e[rows] @ others.swapaxes(-1, -2)) * there[:, None]
        of_sums[rows] = lengths[cells][:, None, :]
    return squares, products, of_sums


def _pieces(groups: tuple[tuple[IntArray, IntArray], ...]) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield a few conditions at a time: what is gathered of them stays in the cache."""
    for rows, cells in groups:
        step = max(1, _TOGETHER // max(rows.shape[1], cells.shape[1]))
        for start in range(0, len(rows), step):
            yield rows[start : start + step], cells[start : start + step]


def _ledoit_wolf(
    scatter: FloatArray, scale: FloatArray, fourth: FloatArray, plan: ResidualPlan, rank: int
) -> FloatArray:
    """Return the weight of the identity in each set's covariance, in units of ``scale``, shape (sets, channels)."""
    n = plan.n_rows.astype(np.float64)
    size, trace = np.empty(len(n)), np.empty(len(n))
    for k, (matrix, unit) in enumerate(zip(scatter, scale, strict=True)):
        scaled = matrix / (n[k] * unit[:, None] * unit)
        size[k], trace[k] = np.vdot(scaled, scaled), np.trace(scaled)
    distance = size - trace**2 / rank
    error = (fourth / n - size) / n
    ratio = np.divide(error, distance, out=np.ones_like(error), where=distance > 0)
    return np.clip(np.where(distance > 0, ratio, 0.0), 0.0, 1.0)
