"""Decoding of all pairs of conditions at once: linear discriminants with one noise covariance for all pairs.

With the noise whitened and equal priors, a discriminant chooses condition i over j where g_i(x) > g_j(x), with
g_c(x) = x . u_c - |u_c|^2 / 2 and u_c the mean of the training trials: all pairs share the products of the test trials
with the means. See `Guggenmos et al. (2018), doi:10.1016/j.neuroimage.2018.02.044`, who whiten and then take an
identity covariance, the same estimator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray
from alignkit.meg._decisions import Decisions, Tally
from alignkit.meg._dispatch import decision_kernels
from alignkit.meg._leave_one_out import (
    Split,
    decisions_by_condition,
    leave_one_fold_out,
    sum_by_condition,
    total_by_condition,
    training_means,
)
from alignkit.meg._trials import Design

#: Gives, for a fold, what whitens trials by the noise of all others: (times or 1, channels, rank).
Roots = Callable[[int], AnyArray]
#: Conditions whose decision values against all others are made at once.
_ROWS = 128


def decode_shared(x: AnyArray, design: Design, roots: Roots | None, /, *, weighted: bool = False) -> Decisions:
    """Decode every pair of conditions at every time, leaving one fold out, with a noise covariance all pairs share.

    Every test trial of i is decided between i and every j; the accuracy of a pair is the mean of the accuracies of its
    two conditions, each over all test trials of the folds where both have training trials. A tie counts one half.

    Parameters
    ----------
    x : ndarray, shape (times, trials, channels)
        float32 or float64; not changed. Decisions do not depend on the precision of the products: see the kernels.
    design : Design
        Condition and fold of every trial; any number of trials of a condition in a fold, also none.
    roots : callable or None
        For a fold, the matrices W, shape (times or 1, channels, rank), such that x @ W has unit noise, estimated from
        the trials of all other folds. None leaves the data as they are: nearest mean.
    weighted : bool
        Return decision values instead of right and wrong: each trial counts with its signed distance from the
        boundary, in standard deviations of the noise, (g_i(x) - g_j(x)) / |u_i - u_j|, averaged as the accuracies are.
        Chance is 0, values may be negative. Guggenmos et al. (2018) weight decisions in this way; without the
        denominator it would be half of the crossnobis distance. Times sqrt(2 n), for n test trials of each condition,
        it is the linear discriminant t of `Nili et al. (2014) <https://doi.org/10.1371/journal.pcbi.1003553>`_ with the
        noise of the training trials. 0 where two training means are equal.

    Returns
    -------
    Decisions
        Counts of half decisions where all pairs have equally many, else (and if weighted) values.

    Raises
    ------
    ValueError
        A design without two folds and two conditions.
    """
    splits = leave_one_fold_out(design)
    tally = Tally.of(decisions_by_condition(splits))
    whitening = whitening_of(roots, splits)
    if weighted:
        out = np.empty((len(x), len(tally.undefined)))

        def weigh(t: int) -> None:
            out[t] = _weighted(x[t], splits, whitening(t), tally)

        each(weigh, range(len(x)))
        return Decisions(out, None, tally.undefined)
    counts = tally.empty(len(x))
    kernel = decision_kernels(float(len(x)) * design.n_trials * design.n_conditions)

    def count(t: int) -> None:
        halves = tally.start()
        for split, test, means in discriminants(x[t], splits, whitening(t)):
            rows, columns = kernel.prepare(test), kernel.prepare(means)
            kernel.count_decisions(rows, split.condition[split.tested], columns, half_norms(means, split), halves)
        counts[t] = tally.finish(halves)

    each(count, range(len(x)))
    return Decisions(counts, tally.n_decisions, tally.undefined)


def whitening_of(roots: Roots | None, splits: list[Split]) -> Callable[[int], Callable[[int], FloatArray | None]]:
    """Return a function of the time, then of the fold, that gives the matrix that whitens, in float64, or None."""
    matrices = {} if roots is None else {split.fold: np.asarray(roots(split.fold)) for split in splits}

    def at(t: int) -> Callable[[int], FloatArray | None]:
        def of(fold: int) -> FloatArray | None:
            if roots is None:
                return None
            matrix = matrices[fold][t if len(matrices[fold]) > 1 else 0]
            return matrix.astype(np.float64, copy=False)

        return of

    return at


def discriminants(
    x: AnyArray, splits: list[Split], whitening: Callable[[int], FloatArray | None]
) -> Iterator[tuple[Split, FloatArray, FloatArray]]:
    """Yield, for every fold held out, its test trials and the training means, whitened, less the grand mean.

    All in float64: how many digits whitening costs depends on the data, and it is a small part of the work.
    """
    n = len(splits[0].training)
    total = total_by_condition(x, splits)
    for split in splits:
        rows = x[split.rows].astype(np.float64)
        means = training_means(total, sum_by_condition(rows, split.condition, n), split)
        test = rows if split.tested.all() else rows[split.tested]
        test -= means[-1]
        matrix = whitening(split.fold)
        if matrix is None:
            yield split, test, means[:-1]
        else:
            yield split, test @ matrix, means[:-1] @ matrix


def half_norms(means: FloatArray, split: Split) -> FloatArray:
    """Return |u_c|^2 / 2 of every mean; NaN where there is no training."""
    norms = 0.5 * np.einsum("ij,ij->i", means, means)
    norms[~split.usable] = np.nan
    return norms


def _weighted(
    x: AnyArray, splits: list[Split], whitening: Callable[[int], FloatArray | None], tally: Tally
) -> FloatArray:
    """Return the decision values of every pair at one time, condensed."""
    n = len(tally.decided)
    sums = np.zeros((n, n))
    for split, test, means in discriminants(x, splits, whitening):
        condition = split.condition[split.tested]
        number = np.bincount(condition, minlength=n)[:, None]
        tested = sum_by_condition(test, condition, n)
        half = half_norms(means, split)
        for start in range(0, n, _ROWS):
            rows = slice(start, start + _ROWS)
            values = tested[rows] @ means.T
            own = np.take_along_axis(values, np.arange(n)[rows, None], axis=1)
            values = own - values - number[rows] * (half[rows, None] - half)
            square = 2.0 * (half[rows, None] + half - means[rows] @ means.T)
            apart = square > 0.0
            np.divide(values, np.sqrt(square, where=apart, out=square), where=apart, out=values)
            values[~apart] = 0.0
            sums[rows] += values
    return tally.balance(sums)
