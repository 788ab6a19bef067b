"""Decoding of every pair of conditions with a covariance of its own: the estimator of the published THINGS-MEG RDMs."""

from __future__ import annotations

from importlib import import_module
from itertools import combinations_with_replacement
from types import ModuleType

import numpy as np

from alignkit._check import check_positive
from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray
from alignkit.meg._decisions import Decisions, Tally
from alignkit.meg._kernels._pairwise_numpy import Layout, products_within
from alignkit.meg._leave_one_out import Split, decisions_by_condition, leave_one_fold_out
from alignkit.meg._trials import Design

#: Trials whose products are made at once; a block of 768 by 768 float64 takes 4.5 MiB.
_TRIALS = 768
#: Ordered pairs, folds and times for which the compiled kernel is not worth loading.
_FEW = 20_000
#: Seconds that one system of 22 equations takes on one core of a 2020s server, building included.
_SECONDS = 1.7e-6


def decode_pairwise(x: AnyArray, design: Design, /, *, ridge: float = 0.01) -> Decisions:
    """Decode every pair of conditions at every time, leaving one fold out, by discriminants of the pair's own noise.

    For each pair and fold: the covariance of the training trials of the two conditions around their own means (the
    products of the residuals over the number of trials), plus ``ridge`` times its mean diagonal on the diagonal; a
    linear discriminant with equal priors; the balanced accuracy of :func:`decode_shared`. With equally many trials of
    each this is the linear discriminant of `CoSMoMVPA (Oosterhof et al. 2016)
    <https://doi.org/10.3389/fninf.2016.00027>`_ that the RDMs of `THINGS-MEG (Hebart et al. 2023)
    <https://doi.org/10.7554/eLife.82580>`_ were made with, save that a tie counts one half instead of for the first
    of the two. Products of trials are all it needs: one system of as many equations as there are training trials of
    the pair, however many channels.

    Parameters
    ----------
    x : ndarray, shape (times, trials, channels)
        float32 or float64; not changed.
    design : Design
        Condition and fold of every trial. A fold serves a pair whose conditions have two training trials each.
    ridge : float
        Share of the mean variance that is added to the variances.

    Returns
    -------
    Decisions
        Counts of half decisions where all pairs have equally many, else values.

    Raises
    ------
    ValueError
        A design without two folds and two conditions, a ridge that is not positive.
    """
    check_positive("ridge", ridge)
    splits = leave_one_fold_out(design, minimum=2)
    tally = Tally.of(decisions_by_condition(splits))
    slots, layout = lay_out(design, splits)
    kernel = _kernel(len(x) * len(splits) * design.n_conditions**2)
    share = ridge / x.shape[2]
    step = max(1, _TRIALS // layout.n_slots)
    blocks = [range(s, min(s + step, design.n_conditions)) for s in range(0, design.n_conditions, step)]
    counts = tally.empty(len(x))
    for t in range(len(x)):
        trials = _in_slots(x[t], slots)
        within = products_within(trials @ trials.transpose(0, 2, 1), layout)
        halves = tally.start()

        def decide(
            pair: tuple[range, range], trials: FloatArray = trials, within: object = within, halves: AnyArray = halves
        ) -> None:
            rows, columns = pair
            left, right = (trials[part.start : part.stop].reshape(-1, trials.shape[2]) for part in pair)
            kernel.decide_pairs(left @ right.T, rows, columns, layout, within, share, halves)

        each(decide, list(combinations_with_replacement(blocks, 2)))
        counts[t] = tally.finish(halves)
    return Decisions(counts, tally.n_decisions, tally.undefined)


def pairwise_seconds(design: Design, n_times: int) -> float:
    """Return about how many seconds of one core :func:`decode_pairwise` takes, to warn before hours begin."""
    counts = design.counts
    training = np.sort(counts.sum(axis=0) - counts, axis=1)[:, -2:].sum(axis=1) / 22.0
    pairs = design.n_conditions * (design.n_conditions - 1) / 2
    return float(n_times * pairs * _SECONDS * np.sum(training**2 * (1.0 + training) / 2.0))


def lay_out(design: Design, splits: list[Split]) -> tuple[AnyArray, Layout]:
    """Return which trial lies in which slot of its condition (-1: none), and where training and test trials lie."""
    n, n_folds = design.n_conditions, len(splits)
    fold = np.asarray(design.fold)
    order = np.lexsort((fold, design.condition))
    sizes = np.bincount(design.condition, minlength=n)
    slots = np.full((n, int(sizes.max())), -1)
    filled = np.arange(slots.shape[1]) < sizes[:, None]
    slots[filled] = order
    folds = np.full(slots.shape, -1)
    folds[filled] = fold[order]
    n_slots = slots.shape[1]
    training = [filled & (folds != k) for k in range(n_folds)]
    tested = [filled & (folds == k) for k in range(n_folds)]
    m, q = (max(1, int(max(marks.sum(axis=1).max() for marks in each_fold))) for each_fold in (training, tested))
    train, test = _positions(training, m, n_slots), _positions(tested, q, -1)
    layout = Layout(
        n_slots=n_slots,
        train=train,
        valid=(train < n_slots).transpose(0, 2, 1).astype(np.float64),
        number=np.array([np.maximum(1, split.training) for split in splits], dtype=np.float64),
        test=test,
        usable=np.array([split.usable for split in splits]),
        alike=(train == train[:, :1]).all(axis=(1, 2)) & (test == test[:, :1]).all(axis=(1, 2)),
    )
    return slots, layout


def _positions(marks: list[AnyArray], width: int, pad: int) -> AnyArray:
    """Return the positions of the marked slots in each row, moved to the front."""
    found = np.full((len(marks), len(marks[0]), width), pad)
    for k, mark in enumerate(marks):
        found[k][np.arange(width) < mark.sum(axis=1)[:, None]] = np.nonzero(mark)[1]
    return found


def _in_slots(x: AnyArray, slots: AnyArray) -> FloatArray:
    """Return the trials in their slots, less the mean of all, shape (conditions, slots, channels); else zeros."""
    rows = x.astype(np.float64)
    rows -= rows.mean(axis=0)
    trials = rows[slots]
    trials[slots < 0] = 0.0
    return trials


def _kernel(work: float) -> ModuleType:
    name = "_pairwise_numpy" if work < _FEW else "_pairwise_numba"
    return import_module(f"alignkit.meg._kernels.{name}")
