"""Plain kernel of pairwise discriminants: the oracle of the compiled one, and what both are given.

A pooled covariance R'R/N + l I of N training trials, with R their residuals, has the discriminant
w = d - R'a with (N l I + R R') a = R d and d the difference of the means (Woodbury's identity, up to a factor): all
that is needed are products of trials. Two classes of eleven trials ask for a system of 22 equations, whatever the
number of channels.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the trials of every condition lie: in ``n_slots`` slots, filled from the first on.

    For every fold held out: ``train``, shape (folds, conditions, m), the slots of the training trials, padded with
    ``n_slots``, where everything is zero; ``valid``, shape (folds, m, conditions), 1 for those that are one, else 0;
    ``number`` of them, at least 1; ``test``, shape (folds, conditions, q), the slots of the test trials, padded with
    -1 (the last slot, of zeros, to an index); ``usable`` conditions; ``alike``, whether all conditions have their
    training and test trials in the same slots.
    """

    n_slots: int
    train: IntArray
    valid: FloatArray
    number: FloatArray
    test: IntArray
    usable: BoolArray
    alike: BoolArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Within:
    """Products within conditions, for every fold held out (first axis) and every condition (last axis).

    Of the residuals of the training trials: with each other (``gram``), with their mean (``mean``), with the test
    trials (``test``); of the mean with itself (``norm``) and with the test trials (``test_mean``); ``trace`` of gram.
    """

    gram: FloatArray
    mean: FloatArray
    norm: FloatArray
    trace: FloatArray
    test: FloatArray
    test_mean: FloatArray


def products_within(own: FloatArray, layout: Layout) -> Within:
    """Return the products within conditions from ``own``, all trials with each other, (conditions, slots, slots)."""
    n_folds, n, m = layout.train.shape
    q = layout.test.shape[2]
    full = np.zeros((n, layout.n_slots + 1, layout.n_slots + 1))
    full[:, :-1, :-1] = own
    shapes = (m, m, n), (m, n), (n,), (n,), (m, q, n), (q, n)
    found = Within(*(np.empty((n_folds, *shape)) for shape in shapes))
    each = np.arange(n)
    for k in range(n_folds):
        train, valid, number = layout.train[k].T, layout.valid[k], layout.number[k]
        block = full[each, train[:, None], train]
        rows = block.sum(axis=1) / number
        norm = rows.sum(axis=0) / number
        found.gram[k] = (block - rows[:, None] - rows + norm) * valid[:, None] * valid
        found.mean[k] = (rows - norm) * valid
        found.norm[k] = norm
        found.trace[k] = np.einsum("aan->n", found.gram[k])
        tested = full[each, train[:, None], layout.test[k].T]
        found.test_mean[k] = tested.sum(axis=0) / number
        found.test[k] = (tested - found.test_mean[k]) * valid[:, None]
    return found


def decide_pairs(
    cross: FloatArray, rows: range, columns: range, layout: Layout, within: Within, ridge: float, halves: AnyArray
) -> None:
    """Add to ``halves`` the decisions between conditions ``rows`` and later ones of ``columns``.

    ``cross``, shape (rows * slots, columns * slots), are the products of their trials; ``ridge`` is the share of the
    trace of R R' that goes on the diagonal.
    """
    blocks = cross.reshape(len(rows), layout.n_slots, len(columns), layout.n_slots)
    for i in rows:
        for j in columns:
            if i < j:
                block = np.zeros((layout.n_slots + 1, layout.n_slots + 1))
                block[:-1, :-1] = blocks[i - rows.start, :, j - columns.start]
                for k in np.flatnonzero(layout.usable[:, i] & layout.usable[:, j]):
                    _decide_pair(block, int(k), i, j, layout, within, ridge, halves)


def _decide_pair(
    block: FloatArray, k: int, i: int, j: int, layout: Layout, within: Within, ridge: float, halves: AnyArray
) -> None:
    train_i, train_j = (layout.train[k, c][layout.valid[k, :, c] > 0] for c in (i, j))
    a, b = len(train_i), len(train_j)
    between = block[np.ix_(train_i, train_j)]
    rows, columns, grand = between.mean(axis=1), between.mean(axis=0), between.mean()
    centred = between - rows[:, None] - columns + grand
    system = np.block(
        [[within.gram[k, :a, :a, i], centred], [centred.T, within.gram[k, :b, :b, j]]]
    )  # residuals with residuals
    with_i = np.concatenate([within.mean[k, :a, i], columns - grand])  # residuals with the means
    with_j = np.concatenate([rows - grand, within.mean[k, :b, j]])
    loading = ridge * np.trace(system)
    weights = np.zeros(a + b)
    if loading > 0.0:
        weights = np.linalg.solve(system + loading * np.eye(a + b), with_i - with_j)
    level = weights @ (with_i + with_j) / 2
    norm_i, norm_j = within.norm[k, i], within.norm[k, j]
    for c, other, sign in ((i, j, 1.0), (j, i, -1.0)):
        for s, slot in enumerate(layout.test[k, c]):
            if slot < 0:
                continue
            products = block[slot, train_j] if c == i else block[train_i, slot]
            own = within.test[k, : (a if c == i else b), s, c]
            means = np.array([within.test_mean[k, s, c], products.mean()])
            residuals = [own, products - products.mean()]
            part = weights @ np.concatenate(residuals if c == i else residuals[::-1])
            value = means[0] - means[1] - sign * ((norm_i - norm_j) / 2 + part - level)
            tie = 2.0**-48 * (1.0 + 1.0 / ridge) * (np.abs(means).sum() + (norm_i + norm_j) / 2)
            halves[c, other] += 2 if value > tie else 1 if value >= -tie else 0
