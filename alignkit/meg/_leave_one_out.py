"""Leave-one-fold-out: which trials are tested, what the training trials of each condition add up to."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._check import counted, join_names
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.meg._trials import Design


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One fold held out.

    ``rows`` are the trials of the fold, ordered by condition, ``condition`` those conditions, ``tested`` marks the
    rows whose condition can be tested; ``training`` counts the trials of every condition in all other folds, and
    ``usable`` marks the conditions that have enough of them.
    """

    fold: int
    rows: IntArray
    condition: IntArray
    tested: BoolArray
    training: IntArray
    usable: BoolArray


def leave_one_fold_out(design: Design, *, minimum: int = 1) -> list[Split]:
    """Return the splits of a design, one for every fold; a condition is usable with ``minimum`` training trials.

    Raises
    ------
    ValueError
        No folds, fewer than two, or fewer than two conditions.
    """
    if design.fold is None:
        msg = "decoding needs folds to leave out; the trials have none (name their column with folds=)."
        raise ValueError(msg)
    if design.n_folds < 2 or design.n_conditions < 2:
        what = counted(design.n_folds, "fold") + f" ({join_names(design.folds)})"
        if design.n_folds >= 2:
            what = counted(design.n_conditions, "condition") + f" ({join_names(design.labels)})"
        msg = f"decoding needs at least two folds and two conditions; got {what}."
        raise ValueError(msg)
    order = np.argsort(design.condition, kind="stable")
    counts = design.counts
    splits = []
    for fold in range(design.n_folds):
        rows = order[design.fold[order] == fold]
        training = counts.sum(axis=0) - counts[fold]
        usable = training >= minimum
        condition = design.condition[rows]
        splits.append(Split(fold, rows, condition, usable[condition], training, usable))
    return splits


def decisions_by_condition(splits: list[Split]) -> IntArray:
    """Return how many test trials of condition i are decided between i and j, shape (conditions, conditions).

    A trial of i counts wherever both have enough training trials. The diagonal is of no use.
    """
    usable = np.array([split.usable for split in splits], dtype=np.float64)
    n = usable.shape[1]
    tested = np.array([np.bincount(split.condition[split.tested], minlength=n) for split in splits], dtype=np.float64)
    decisions: IntArray = (tested.T @ usable).astype(np.int64)
    return decisions


def sum_by_condition(rows: AnyArray, condition: IntArray, n_conditions: int) -> FloatArray:
    """Return the sums, shape (conditions, channels), of ``rows`` ordered by condition; zero where there are none."""
    sums = np.zeros((n_conditions, rows.shape[1]))
    first = np.flatnonzero(np.diff(condition, prepend=-1))
    if len(first) == len(rows):
        sums[condition] = rows
    else:
        sums[condition[first]] = np.add.reduceat(rows, first, axis=0, dtype=np.float64)
    return sums


def total_by_condition(x: AnyArray, splits: list[Split]) -> FloatArray:
    """Return the sums of all trials of every condition; ``x`` has shape (trials, channels)."""
    total = np.zeros((len(splits[0].training), x.shape[1]))
    for split in splits:
        total += sum_by_condition(x[split.rows], split.condition, len(total))
    return total


def training_means(total: FloatArray, own: FloatArray, split: Split) -> FloatArray:
    """Return the means of the training trials less their grand mean, and that mean in the last row.

    ``own`` are the sums of the trials held out. No decision changes when everything moves, but numbers lose fewer
    digits close to zero. Rows of conditions without training are zero.
    """
    means = np.zeros((len(total) + 1, total.shape[1]))
    usable = split.usable
    if usable.all():
        np.subtract(total, own, out=means[:-1])
        means[:-1] /= split.training[:, None]
    else:
        means[:-1][usable] = (total[usable] - own[usable]) / split.training[usable, None]
    grand = means[:-1].sum(axis=0) / max(1, int(usable.sum()))
    means[:-1][usable] -= grand
    means[-1] = grand
    return means
