"""How far people agree on triplets: sums per triplet, for any weight of each person."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.rsa._grouping import group_codes, sum_groups

#: The definitions, in the order of every array here.
DEFINITIONS = {
    "plug-in": "mean over triplets of the share of the most frequent answer (each answer votes for itself)",
    "leave-one-out": "share of answers equal to the majority of the other answers to the triplet, ties shared",
    "leave-one-person-out": "share of answers equal to the majority of the other people's answers, ties shared",
    "half-split": "mean over triplets and random halves of the share of one half equal to the other half's majority",
    "answer-pairs": "mean over triplets of the share of pairs of answers that agree",
    "between-person": "mean over triplets of the share of pairs of answers by different people that agree",
    "within-person": "share of pairs of answers by one person to one triplet that agree, pairs pooled",
}
#: What cannot be known without participants.
NEEDS_PEOPLE = ("leave-one-person-out", "between-person", "within-person")


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """Answers as codes: which triplet, which of its three items, whose.

    ``again`` are the rows of people who answered a triplet more than once, ``cell`` the person-and-triplet pair of
    each such row, and ``cell_triplet`` the triplet of each pair.
    """

    triplet: IntArray
    option: IntArray
    n_triplets: int
    person: IntArray | None
    n_people: int
    again: IntArray
    cell: IntArray
    cell_triplet: IntArray


def code_answers(triplet: IntArray, option: IntArray, participant: AnyArray | None) -> Answers:
    """Number triplets and people from 0, and find who answered a triplet more than once."""
    n_triplets, triplet = group_codes(triplet)
    nothing = np.zeros(0, dtype=np.int64)
    if participant is None:
        return Answers(triplet, option, n_triplets, None, 0, nothing, nothing, nothing)
    n_people, person = group_codes(participant)
    pair = person * n_triplets + triplet
    _, place, count = np.unique(pair, return_inverse=True, return_counts=True)
    again = np.flatnonzero(count[place] > 1)
    cells, cell = np.unique(pair[again], return_inverse=True)
    return Answers(triplet, option, n_triplets, person, n_people, again, cell, cells % n_triplets)


def agreement_sums(
    answers: Answers, weight: FloatArray, halves: tuple[BoolArray, ...] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return numerators and denominators of every definition per triplet; a statistic is the ratio of their sums.

    Parameters
    ----------
    answers : Answers
        The answers.
    weight : ndarray, shape (n,)
        How often each answer's author was drawn. Copies of a person are one person: they are left out together,
        and pairs of copies are no pairs.
    halves : tuple of ndarray of bool, shape (n,), optional
        Random splits to average over; without them the half-split agreement is its exact expectation, for weights 1.

    Returns
    -------
    tuple of two ndarrays, shape (n_triplets, 7)
    """
    m, rows = answers.n_triplets, answers.again
    counts = _counts(answers.triplet, answers.option, weight, m)
    squares = sum_groups(weight**2, answers.triplet, m)
    halved = np.mean([_half_share(answers, weight, half) for half in halves], axis=0) if halves else _exact(counts)
    left_out = counts[:, answers.triplet]
    left_out[answers.option, np.arange(len(weight))] -= weight
    credit = _credit(left_out, answers.option)
    parts = {
        "plug-in": _as_mean(_ratio(counts.max(axis=0), counts.sum(axis=0))),
        "leave-one-out": _pool(answers, credit, weight),
        "half-split": _as_mean(halved),
        "answer-pairs": _as_mean(_pair_share(counts, squares, squares)),
    }
    if answers.person is not None:
        cells = _counts(answers.cell, answers.option[rows], weight[rows], len(answers.cell_triplet))
        one_each = squares - sum_groups(weight[rows] ** 2, answers.triplet[rows], m)
        same_agree = one_each + sum_groups((cells**2).sum(axis=0), answers.cell_triplet, m)
        same = one_each + sum_groups(cells.sum(axis=0) ** 2, answers.cell_triplet, m)
        parts["between-person"] = _as_mean(_pair_share(counts, same_agree, same))
        credit[rows] = _credit(counts[:, answers.triplet[rows]] - cells[:, answers.cell], answers.option[rows])
        parts["leave-one-person-out"] = _pool(answers, credit, weight)
        parts["within-person"] = _within(answers, weight, cells)
    nothing = (np.zeros(m), np.zeros(m))
    columns = [parts.get(name, nothing) for name in DEFINITIONS]
    return np.column_stack([one[0] for one in columns]), np.column_stack([one[1] for one in columns])


def random_halves(answers: Answers, rng: np.random.Generator) -> BoolArray:
    """Return a mask of about half of each triplet's answers, drawn at random: n // 2 of n, or the rest."""
    order = np.lexsort((rng.random(len(answers.triplet)), answers.triplet))
    size = np.bincount(answers.triplet, minlength=answers.n_triplets)
    place = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    mask = np.empty(len(order), dtype=bool)
    mask[order] = place < np.repeat(size // 2, size)
    return mask


def _counts(group: IntArray, option: IntArray, weight: FloatArray, n_groups: int) -> FloatArray:
    return sum_groups(weight, option * n_groups + group, 3 * n_groups).reshape(3, n_groups)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _pair_share(counts: FloatArray, same_agree: FloatArray, same_all: FloatArray) -> FloatArray:
    """Return the share of agreeing pairs, without the pairs of answers that are one (or one person's)."""
    return _ratio((counts**2).sum(axis=0) - same_agree, counts.sum(axis=0) ** 2 - same_all)


def _as_mean(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what makes a ratio of sums the mean over the triplets where ``values`` is defined."""
    known = ~np.isnan(values)
    return np.where(known, values, 0.0), known.astype(np.float64)


def _majority_share(votes: FloatArray) -> FloatArray:
    """Return 1 / (number of tied leaders) at the leading options, shape (3, n); 0 elsewhere."""
    leads = votes == votes.max(axis=0)
    return leads / leads.sum(axis=0)


def _credit(others: FloatArray, option: IntArray) -> FloatArray:
    """Return what each answer gets from the others' votes, shape (3, n): 1 over the number of tied leaders, or 0.

    Answers without others get NaN.
    """
    a, b, c = others
    top = np.maximum(np.maximum(a, b), c)
    n_leaders = (a == top).astype(np.int8) + (b == top) + (c == top)
    credit = (others[option, np.arange(len(option))] == top) / n_leaders
    credit[top <= 0] = np.nan
    return credit


def _pool(answers: Answers, credit: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    known = ~np.isnan(credit)
    m = answers.n_triplets
    totals = sum_groups(np.where(known, credit, 0.0) * weight, answers.triplet, m)
    return totals, sum_groups(known * weight, answers.triplet, m)


def _half_share(answers: Answers, weight: FloatArray, half: BoolArray) -> FloatArray:
    t, k, m = answers.triplet, answers.option, answers.n_triplets
    one = _counts(t, k, np.where(half, weight, 0.0), m)
    other = _counts(t, k, np.where(half, 0.0, weight), m)
    there = _ratio((_majority_share(one) * other).sum(axis=0), other.sum(axis=0))
    back = _ratio((_majority_share(other) * one).sum(axis=0), one.sum(axis=0))
    return (there + back) / 2


def _within(answers: Answers, weight: FloatArray, cells: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pool the pairs inside cells; a person drawn w times brings w copies of each pair."""
    w = np.zeros(len(answers.cell_triplet))
    w[answers.cell] = weight[answers.again]
    plain = cells / np.where(w > 0, w, 1.0)
    size = plain.sum(axis=0)
    m = answers.n_triplets
    agree = sum_groups(w * (plain * (plain - 1)).sum(axis=0), answers.cell_triplet, m)
    return agree, sum_groups(w * size * (size - 1), answers.cell_triplet, m)


def _exact(counts: FloatArray) -> FloatArray:
    """Return the half-split agreement expected over all splits of each triplet's answers."""
    ordered = np.sort(counts.astype(np.int64), axis=0)[::-1].T
    patterns, code = np.unique(ordered, axis=0, return_inverse=True)
    return np.array([_expected_half(*pattern) for pattern in patterns])[code.reshape(-1)]


def _expected_half(a: int, b: int, c: int) -> float:
    n = int(a + b + c)
    if n < 2:
        return float("nan")
    return sum(_expected_share(np.array([a, b, c]), size) for size in (n // 2, n - n // 2)) / 2


def _expected_share(counts: IntArray, size: int) -> float:
    """Sum over every way to draw ``size`` answers: its probability times what their majority gets of the rest."""
    from scipy.special import gammaln

    def log_choose(n: IntArray | int, k: IntArray | int) -> FloatArray:
        return gammaln(np.add(n, 1)) - gammaln(np.add(k, 1)) - gammaln(np.subtract(n, k) + 1)

    first, second = (grid.ravel() for grid in np.mgrid[: counts[0] + 1, : counts[1] + 1])
    drawn = np.array([first, second, size - first - second])
    drawn = drawn[:, (drawn[2] >= 0) & (drawn[2] <= counts[2])]
    probability = np.exp(log_choose(counts[:, None], drawn).sum(axis=0) - log_choose(int(counts.sum()), size))
    rest = counts[:, None] - drawn
    share = (_majority_share(drawn.astype(np.float64)) * rest).sum(axis=0) / rest.sum(axis=0)
    return float(probability @ share)
