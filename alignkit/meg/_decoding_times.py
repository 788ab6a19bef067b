"""Decoders of all pairs trained at one time and tested at another: how long what they use stays the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from alignkit._check import join_names
from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray
from alignkit.meg._decisions import Decisions, Tally
from alignkit.meg._decoding import Roots, half_norms
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


def decode_across_times(
    x_train: AnyArray, x_test: AnyArray, design: Design, roots: Roots | None, /, *, mean: bool = True
) -> FloatArray:
    """Decode every pair of conditions by what was learned at each training time from trials at each test time.

    As :func:`decode_shared`, with training means and whitening of one time and test trials of another, from the fold
    left out: where both times are the same it is :func:`decode_shared`. Temporal generalization after `King & Dehaene
    (2014) <https://doi.org/10.1016/j.tics.2014.01.002>`_.

    Parameters
    ----------
    x_train : ndarray, shape (train times, trials, channels)
        float32 or float64; not changed.
    x_test : ndarray, shape (test times, trials, channels)
        The same trials at other times.
    design : Design
        Condition and fold of every trial.
    roots : callable or None
        For a fold, what whitens by the noise of all others: (train times or 1, channels, rank). None: nothing.
    mean : bool
        Return the mean over the pairs that can be decided; else every pair, n (n - 1) / 2 values for each two times.

    Returns
    -------
    ndarray, shape (train times, test times) or (train times, test times, pairs)
        Accuracies; NaN where no fold can decide. The memory beside it is that of the means of all training times.

    Raises
    ------
    ValueError
        A design without two folds and two conditions; trials or channels that differ between the two.
    """
    if x_train.shape[1:] != x_test.shape[1:]:
        msg = (
            "the data to train and to test on must have the same trials and channels; got shapes "
            f"{join_names([x_train.shape, x_test.shape])}."
        )
        raise ValueError(msg)
    splits = leave_one_fold_out(design)
    tally = Tally.of(decisions_by_condition(splits))
    shape = len(x_train), len(x_test)
    kernel = decision_kernels(float(np.prod(shape)) * design.n_trials * design.n_conditions)
    totals = np.zeros((len(x_train), design.n_conditions, x_train.shape[2]))

    def total(t: int) -> None:
        totals[t] = total_by_condition(x_train[t], splits)

    each(total, range(len(x_train)))
    scores = np.zeros(shape) if mean else np.zeros((*shape, *tally.decided.shape), dtype=tally.dtype)
    weights = _weights(tally)
    for split in splits:
        learned = _Learned(kernel, x_train, totals, split, roots)

        def test(u: int, split: Split = split, learned: _Learned = learned) -> None:
            rows = x_test[u][split.rows[split.tested]].astype(np.float64)
            rows -= learned.centre
            condition = split.condition[split.tested]
            halves = tally.start()
            for t, trials in enumerate(learned.whitened(rows)):
                into = halves if mean else scores[t, u]
                kernel.count_decisions(trials, condition, learned.means[t], learned.half_norms[t], into)
                if mean:
                    scores[t, u] += np.vdot(weights, halves)
                    halves[:] = 0

        each(test, range(len(x_test)))
    if mean:
        return scores if weights.any() else np.full(shape, np.nan)
    rows_of_pairs = [tally.finish(halves) for halves in scores.reshape(-1, *tally.decided.shape)]
    pairs = Decisions(np.array(rows_of_pairs), tally.n_decisions, tally.undefined).values
    return pairs.reshape(*shape, -1)


class _Learned:
    """What is learned from the training trials of one fold, at every training time.

    Everything is taken less ``centre``, the mean over conditions and times: no decision changes, but numbers lose
    fewer digits close to zero.
    """

    def __init__(self, kernel: ModuleType, x: AnyArray, totals: FloatArray, split: Split, roots: Roots | None) -> None:
        self.kernel = kernel
        self.matrices = None if roots is None else np.asarray(roots(split.fold), dtype=np.float64)
        self.half_norms = np.empty(totals.shape[:2])
        own = each(lambda rows: sum_by_condition(rows[split.rows], split.condition, totals.shape[1]), list(x))
        centred = [training_means(total, sums, split) for total, sums in zip(totals, own, strict=True)]
        self.centre = np.mean([means[-1] for means in centred], axis=0)
        self.means = each(lambda t: self._learn(t, centred[t], split), range(len(x)))

    def _learn(self, t: int, means: FloatArray, split: Split) -> Any:
        rows = means[:-1]
        rows[split.usable] += means[-1] - self.centre
        rows = self._whiten(rows, t)
        self.half_norms[t] = half_norms(rows, split)
        return self.kernel.prepare(rows)

    def _whiten(self, rows: FloatArray, t: int) -> FloatArray:
        if self.matrices is None:
            return rows
        return rows @ self.matrices[t if len(self.matrices) > 1 else 0]

    def whitened(self, rows: FloatArray) -> Iterator[Any]:
        """Yield test trials as each training time wants them."""
        if self.matrices is None or len(self.matrices) == 1:
            yield from itertools.repeat(self.kernel.prepare(self._whiten(rows, 0)), len(self.means))
        else:
            for t in range(len(self.means)):
                yield self.kernel.prepare(self._whiten(rows, t))


def _weights(tally: Tally) -> FloatArray:
    """Return what a half decision of i against j adds to the mean over pairs, shape (conditions, conditions)."""
    defined = (tally.decided > 0) & (tally.decided.T > 0)
    np.fill_diagonal(defined, val=False)
    n_pairs = max(1, int(defined.sum()) // 2)
    return np.where(defined, 0.25 / n_pairs, 0.0) / np.maximum(1, tally.decided)
