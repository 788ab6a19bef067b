"""Decoding of every pair of conditions by a linear support vector machine: the slow reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._check import check_positive
from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray
from alignkit.meg._decisions import Decisions, Tally
from alignkit.meg._decoding import Roots, whitening_of
from alignkit.meg._leave_one_out import Split, decisions_by_condition, leave_one_fold_out
from alignkit.meg._trials import Design


def decode_svm(
    x: AnyArray,
    design: Design,
    roots: Roots | None = None,
    /,
    *,
    C: float = 1.0,
    progress: bool = False,
) -> Decisions:
    """Decode every pair of conditions at every time, leaving one fold out, by scikit-learn's ``SVC(kernel="linear")``.

    Each pair and fold is a fit of its own, about a millisecond, made from the products of the training trials
    (``kernel="precomputed"``, the same solution): 200 conditions with 12 folds take minutes for each time. Accuracies
    are balanced as those of :func:`decode_shared`. See `Guggenmos et al. (2018)
    <https://doi.org/10.1016/j.neuroimage.2018.02.044>`_ for how little it differs from linear discriminants.

    Parameters
    ----------
    x : ndarray, shape (times, trials, channels)
        float32 or float64; not changed. What ``C`` means depends on the scale of the data: whiten them, or pass
        standardized values, not tesla or volts.
    design : Design
        Condition and fold of every trial.
    roots : callable or None
        As in :func:`decode_shared`.
    C : float
        What a trial on the wrong side of the margin costs.
    progress : bool
        Show a bar with the time left on stderr.

    Returns
    -------
    Decisions
        Counts of half decisions where all pairs have equally many, else values.

    Raises
    ------
    ValueError
        A design without two folds and two conditions, a cost that is not positive.
    """
    from sklearn.svm import SVC
    from tqdm import tqdm

    check_positive("C", C)
    splits = leave_one_fold_out(design)
    tally = Tally.of(decisions_by_condition(splits))
    whitening = whitening_of(roots, splits)
    counts = tally.empty(len(x))
    n = design.n_conditions
    with tqdm(total=len(x) * len(splits) * n * (n - 1) // 2, desc="svm", unit="fit", disable=not progress) as bar:

        def decode(t: int) -> None:
            halves = tally.start()
            for split in splits:
                rows = x[t].astype(np.float64)
                matrix = whitening(t)(split.fold)
                rows = rows if matrix is None else rows @ matrix
                parts = _parts(rows, design, split)
                for i in range(n):
                    for j in range(i + 1, n):
                        if split.usable[i] and split.usable[j]:
                            _decide(SVC(kernel="precomputed", C=C), parts, i, j, halves)
                    bar.update(n - 1 - i)
            counts[t] = tally.finish(halves)

        each(decode, range(len(x)))
    return Decisions(counts, tally.n_decisions, tally.undefined)


def _parts(rows: FloatArray, design: Design, split: Split) -> list[tuple[FloatArray, FloatArray]]:
    """Return the training and the test trials of every condition."""
    held_out = np.asarray(design.fold) == split.fold
    own = [design.condition == c for c in range(design.n_conditions)]
    return [(rows[mask & ~held_out], rows[mask & held_out]) for mask in own]


def _decide(model: Any, parts: list[tuple[FloatArray, FloatArray]], i: int, j: int, halves: AnyArray) -> None:
    """Add what the test trials of two conditions say."""
    train = np.concatenate([parts[i][0], parts[j][0]])
    is_first = np.arange(len(train)) < len(parts[i][0])
    model.fit(train @ train.T, is_first)
    for c, other, sign in ((i, j, 1.0), (j, i, -1.0)):
        if len(parts[c][1]):
            value = sign * model.decision_function(parts[c][1] @ train.T)
            halves[c, other] += 2 * np.count_nonzero(value > 0.0) + np.count_nonzero(value == 0.0)
