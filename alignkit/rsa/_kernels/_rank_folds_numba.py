"""Ranks within folds of items and within all others, where items count several times, compiled.

RDMs are sorted once; their ranks in a fold follow by adding up weights along that order. Only predictions, and means of
subjects, are sorted anew. Ranks are less their mean, doubled: whole numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._kernels._numba import compiled
from alignkit.rsa._kernels._weighted_ranks_numba import SortedRows, _dot, _place_items, _rank_row, _weigh

#: Of a prediction's largest value, a spread that is nothing but rounding.
_CONSTANT = 1e-14


class TrainedRanks(NamedTuple):
    """Sums over the pairs of all folds but one: (set, fold, ...)."""

    total: FloatArray
    """Number of pairs: (set, fold)."""
    crossed: FloatArray
    """Of the products of values of components and ranks of subjects: (set, fold, component, subject)."""
    ranked: FloatArray
    """The same of their ranks, for those that are asked for: (set, fold, component, subject)."""
    squares: FloatArray
    """Of the squares of ranks, of subjects and then components: (set, fold, subject + component)."""


class FoldRows(NamedTuple):
    """What is judged in every fold: (set, fold, ...)."""

    n_pairs: IntArray
    """Pairs that have a place: (set, fold)."""
    total: FloatArray
    """Number of pairs: (set, fold)."""
    weight: FloatArray
    """How often every pair is there: (set, fold, pair)."""
    components: FloatArray
    """Values: (set, fold, component, pair)."""
    ranks: FloatArray
    """Of subjects: (set, fold, subject, pair)."""


def trained_ranks(
    rows: SortedRows, components: FloatArray, ranked: BoolArray, counts: IntArray, labels: IntArray, n_folds: int
) -> TrainedRanks:
    """Return sums over the pairs of all other folds (of the only one) of every fold.

    Parameters
    ----------
    rows : SortedRows
        Subjects, then components.
    components : ndarray, shape (component, pairs)
        Values, zero where a pair does not count.
    ranked : ndarray of bool, shape (component,)
        Whose ranks are asked for.
    counts, labels : ndarray of int, shape (set, items)
        How often every item was drawn, and its fold; -1 for none.
    n_folds : int
    """
    n_sets, n, n_subjects = len(counts), len(components), len(rows.codes) - len(components)
    found = TrainedRanks(
        np.zeros((n_sets, n_folds)),
        np.zeros((n_sets, n_folds, n, n_subjects)),
        np.zeros((n_sets, n_folds, n, n_subjects)),
        np.zeros((n_sets, n_folds, n_subjects + n)),
    )
    _train(rows.codes, rows.runs, rows.places, rows.valid, components, ranked, counts, labels, *found)
    return found


def fold_rows(rows: SortedRows, components: FloatArray, counts: IntArray, labels: IntArray, n_folds: int) -> FoldRows:
    """Return the values of components and the ranks of subjects over the pairs of every fold; see above."""
    n_sets, n, n_subjects = len(counts), len(components), len(rows.codes) - len(components)
    sizes = (labels[:, None] == np.arange(n_folds)[:, None]).sum(axis=-1)
    most = int((sizes * (sizes - 1) // 2).max())
    found = FoldRows(
        np.zeros((n_sets, n_folds), dtype=np.int64),
        np.zeros((n_sets, n_folds)),
        np.zeros((n_sets, n_folds, most)),
        np.zeros((n_sets, n_folds, n, most)),
        np.zeros((n_sets, n_folds, n_subjects, most)),
    )
    _judge_rows(rows.codes, rows.runs, rows.places, rows.valid, components, counts, labels, *found)
    return found


def compared_sums(
    folds: FoldRows,
    summed: FloatArray,
    sets: IntArray,
    coefficients: FloatArray,
    groups: IntArray,
    *,
    rho_a: bool,
    of_nothing: float,
) -> FloatArray:
    """Return the similarity of weighted sums of rows to each subject, shape (case, sum, fold, subject).

    Parameters
    ----------
    folds : FoldRows
    summed : ndarray, shape (set, fold, row, pair)
        What is summed.
    sets : ndarray of int, shape (case,)
    coefficients : ndarray, shape (case, fold, group, sum, row)
    groups : ndarray of int, shape (case, subject)
        Which sums a subject is compared with; -1: with none.
    rho_a : bool
        Rho-a, else Spearman's correlation.
    of_nothing : float
        Of sums that do not vary, for subjects that do.
    """
    n_cases, n_folds, _, n_sums, _ = coefficients.shape
    found = np.full((n_cases, n_sums, n_folds, groups.shape[1]), np.nan)
    chosen = np.ascontiguousarray(coefficients)
    _compare(*folds[:3], folds.ranks, summed, sets, chosen, groups, rho_a, of_nothing, found)
    return found


@compiled
def _train(codes, runs, places, valid, components, ranked, counts, labels, total, crossed, products, squares):  # type: ignore[no-untyped-def]
    n_subjects = crossed.shape[3]
    for b in range(counts.shape[0]):
        for f in range(total.shape[1]):
            times = _drawn(counts[b], labels[b], f, total.shape[1] > 1)
            m = np.count_nonzero(times)
            most = m * (m - 1) // 2
            weight, ranks = np.empty(most), np.zeros((n_subjects + 1, most + 1))
            values = np.empty(most)
            table = np.zeros((3, times.size), dtype=np.int32)
            _place_items(times, most, table)
            total[b, f] = _weigh(times, valid, weight)
            for k in range(len(codes)):
                s = min(k, n_subjects)
                if k >= n_subjects:
                    _gather(components[k - n_subjects], times, values)
                    for t in range(n_subjects):
                        crossed[b, f, k - n_subjects, t] = _dot(weight, values, ranks[t])
                    if not ranked[k - n_subjects]:
                        continue
                own = runs[places[k, 0] : places[k, 1]]
                _rank_row(codes[k], own, table, np.int64(total[b, f]), ranks[s])
                squares[b, f, k] = _dot(weight, ranks[s], ranks[s])
                if k >= n_subjects:
                    for t in range(n_subjects):
                        products[b, f, k - n_subjects, t] = _dot(weight, ranks[s], ranks[t])


@compiled
def _drawn(counts, labels, f, others):  # type: ignore[no-untyped-def]
    # how often items count that are in fold f, or in any of the others
    times = np.zeros_like(counts)
    for i in range(counts.size):
        if labels[i] >= 0 and (labels[i] == f) != others:
            times[i] = counts[i]
    return times


@compiled
def _gather(row, times, values):  # type: ignore[no-untyped-def]
    k, pair = 0, 0
    for i in range(times.size):
        if times[i] == 0:
            pair += times.size - 1 - i
            continue
        for j in range(i + 1, times.size):
            if times[j]:
                values[k] = row[pair]
                k += 1
            pair += 1


@compiled
def _judge_rows(codes, runs, places, valid, components, counts, labels, n_pairs, total, weight, values, ranks):  # type: ignore[no-untyped-def]
    for b in range(counts.shape[0]):
        for f in range(total.shape[1]):
            times = _drawn(counts[b], labels[b], f, False)
            m = np.count_nonzero(times)
            most = m * (m - 1) // 2
            table, own = np.zeros((3, times.size), dtype=np.int32), np.zeros(most + 1)
            _place_items(times, most, table)
            total[b, f] = _weigh(times, valid, weight[b, f, :most])
            n_pairs[b, f] = most
            for s in range(ranks.shape[2]):
                _rank_row(codes[s], runs[places[s, 0] : places[s, 1]], table, np.int64(total[b, f]), own)
                for p in range(most):
                    ranks[b, f, s, p] = own[p] if weight[b, f, p] > 0.0 else 0.0
            for k in range(values.shape[2]):
                _gather(components[k], times, values[b, f, k])


@compiled
def _compare(n_pairs, totals, weights, ranks, summed, sets, coefficients, groups, rho_a, of_nothing, found):  # type: ignore[no-untyped-def]
    most = ranks.shape[3]
    values, own = np.empty(most), np.empty(most)
    squares = np.empty(ranks.shape[2])
    for c in range(len(sets)):
        b = sets[c]
        for f in range(n_pairs.shape[1]):
            if totals[b, f] < 2.0:
                continue
            weight = weights[b, f, : n_pairs[b, f]]
            for s in range(squares.size):
                squares[s] = _dot(weight, ranks[b, f, s], ranks[b, f, s])
            for g in range(coefficients.shape[2]):
                for m in range(coefficients.shape[3]):
                    coefs = coefficients[c, f, g, m]
                    if np.isnan(coefs).any() or not (groups[c] == g).any():
                        continue
                    varies = _add_up(coefs, summed[b, f], weight, values)
                    _rank_sum(values[: weight.size], weight, totals[b, f], own)
                    nothing = (0.0 if rho_a else of_nothing) if not varies else np.inf
                    cubes = totals[b, f] ** 3 - totals[b, f] if rho_a else 0.0
                    _correlate(weight, own, ranks[b, f], squares, groups[c] == g, nothing, cubes, found[c, m, f])


@compiled
def _correlate(weight, own, ranks, squares, members, nothing, cubes, found):  # type: ignore[no-untyped-def]
    # rho-a where there are cubes; infinity for nothing: there is something
    square = _dot(weight, own, own)
    for s in range(squares.size):
        if not members[s] or (cubes == 0.0 and squares[s] == 0.0):
            continue
        if nothing != np.inf:
            found[s] = nothing
        elif cubes > 0.0:
            found[s] = 3.0 * _dot(weight, own, ranks[s]) / cubes
        elif square > 0.0:
            found[s] = min(max(_dot(weight, own, ranks[s]) / np.sqrt(square * squares[s]), -1.0), 1.0)


@compiled
def _add_up(coefs, rows, weight, values):  # type: ignore[no-untyped-def]
    # sums of rows, and whether they vary over the pairs that are there by more than rounding
    n = weight.size
    values[:n] = 0.0
    for k in range(coefs.size):
        if coefs[k] != 0.0:
            for p in range(n):
                values[p] += coefs[k] * rows[k, p]
    low, high = np.inf, -np.inf
    for p in range(n):
        if weight[p] > 0.0:
            low, high = min(low, values[p]), max(high, values[p])
    return high - low > _CONSTANT * max(abs(low), abs(high))


@compiled
def _rank_sum(values, weight, total, ranks):  # type: ignore[no-untyped-def]
    order = np.argsort(values)
    below, start, n = 0.0, 0, values.size
    while start < n:
        end, at = start, 0.0
        while end < n and values[order[end]] == values[order[start]]:
            at += weight[order[end]]
            end += 1
        for k in range(start, end):
            ranks[order[k]] = 2 * below + at - total
        below += at
        start = end
