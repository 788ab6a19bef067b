"""Held-out answers of each person under their own model, the group's, the shared one and everybody else's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._grouping import triplet_codes
from alignkit.rsa._temperature import assign_folds
from alignkit.train.hba._personal_fit import Fit, People, Prior, fit_people


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """What models predict of answers that they were not fitted to.

    Parameters
    ----------
    own, group, shared, others : ndarray, shape (n,)
        Credit for each answer, between 0 and 1, mean over repeats: of the person's own model, of the group's
        embedding as it is, of the weights that all share, and of other people's models (their mean; NaN without any).
    gain : ndarray, shape (n,)
        Log-likelihood of each answer under the own model minus that under the shared one, in nats.
    matrix : ndarray, shape (people, people)
        Accuracy of each person's model (row) on each person's answers (column).
    """

    own: FloatArray
    group: FloatArray
    shared: FloatArray
    others: FloatArray
    gain: FloatArray
    matrix: FloatArray


def hold_out(
    people: People,
    items: IntArray,
    prior: Prior,
    *,
    n_folds: int,
    n_repeats: int,
    rng: np.random.Generator,
) -> HeldOut:
    """Leave out every fold in turn, fit everybody's model to the others, and score it on what was left out.

    A triplet is in one fold for all people, however often it was answered, and by whom. What all share, and how much
    people differ, is estimated within the folds, too.
    """
    n = len(items)
    n_triplets, code = triplet_codes(items)
    own, group, shared, others, gain = np.zeros((5, n))
    sums = HeldOut(own, group, shared, others, gain, np.zeros((people.n_people, people.n_people)))
    for _ in range(n_repeats):
        folds = assign_folds(code, n_triplets, n_folds, rng)
        for fold in range(n_folds):
            fit = fit_people(people, folds != fold, prior, rng)
            _score(people, fit, folds == fold, sums)
    counts = np.zeros(people.n_people)
    for members, rows in zip(people.members, people.rows, strict=True):
        counts[members] = (rows >= 0).sum(axis=1)
    for values in (sums.own, sums.group, sums.shared, sums.others, sums.gain):
        values /= n_repeats
    sums.matrix[:] /= n_repeats * counts
    return sums


def _score(people: People, fit: Fit, test: BoolArray, sums: HeldOut) -> None:
    """Add the credits of the answers in ``test`` to ``sums``."""
    scales = np.exp(np.vstack([fit.theta[:, :-1], np.zeros(fit.theta.shape[1] - 1), fit.shared[:-1]])).T
    for chunk, members, rows in zip(people.chunks, people.members, people.rows, strict=True):
        own_cost = chunk.costs(fit.theta[members])
        shared_cost = chunk.costs(np.tile(fit.shared, (len(members), 1)))
        for place, person in enumerate(members):
            here = np.flatnonzero((rows[place] >= 0) & test[rows[place]])
            row = rows[place, here]
            # equals are no prediction: the kept pair has to be more alike than both others
            right = (chunk.differences[place, here] @ scales < 0).all(axis=1)
            models = right[:, :-2]
            sums.own[row] += models[:, person]
            sums.group[row] += right[:, -2]
            sums.shared[row] += right[:, -1]
            n_others = people.n_people - 1
            sums.others[row] += (models.sum(axis=1) - models[:, person]) / n_others if n_others else np.nan
            sums.gain[row] += (shared_cost - own_cost)[place, here]
            sums.matrix[:, person] += models.sum(axis=0)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one person's models, each fitted without a fold, predict of everybody's answers in that fold.

    Parameters
    ----------
    right : ndarray of bool, shape (n,)
        Whether each answer is predicted.
    log_p : ndarray, shape (n,)
        Its log-likelihood, in nats.
    """

    right: BoolArray
    log_p: FloatArray


def compare_outcomes(person: IntArray, group: BoolArray, shared: Outcome, own: Mapping[int, Outcome]) -> HeldOut:
    """Return how answers are predicted by each one's own model and by the others'.

    Parameters
    ----------
    person : ndarray of int, shape (n,)
        Who gave each answer.
    group : ndarray of bool, shape (n,)
        Whether the group's embedding as it is predicts it.
    shared : Outcome
        Of the weights that all share.
    own : mapping of int to Outcome
        By person; answers of people without a model are undefined (NaN).
    """
    numbers = sorted(own)
    right = np.array([own[number].right for number in numbers], dtype=np.float64)
    mine, others, gain = (np.full(len(person), np.nan) for _ in range(3))
    matrix = np.empty((len(numbers), len(numbers)))
    for place, number in enumerate(numbers):
        rows = person == number
        mine[rows] = right[place, rows]
        if len(numbers) > 1:
            others[rows] = np.delete(right[:, rows], place, axis=0).mean(axis=0)
        gain[rows] = own[number].log_p[rows] - shared.log_p[rows]
        matrix[:, place] = right[:, rows].mean(axis=1)
    return HeldOut(mine, group.astype(np.float64), shared.right.astype(np.float64), others, gain, matrix)
