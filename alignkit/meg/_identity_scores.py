"""Whether people's own models are told from other people's: scores of a matrix of people by models, and their tests."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._permutations import is_exact, p_values

#: What rounding may make of similarities, which lie between -1 and 1: nearer ones are ties.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, slots=True)
class IdentificationTest:
    """A mean over people, against permutations of who owns which model.

    Parameters
    ----------
    name : str
        ``"rank-1"``, ``"two-way"`` or ``"own - others"``, the former with ``", centred"`` where each model's mean over
        people was taken off.
    value : float
        Mean over people.
    chance : float
        Its mean over all permutations.
    p : float
        Share of permutations with a mean that is as large.
    p_corrected : float
        The same for the largest of all these tests (max-T).
    """

    name: str
    value: float
    chance: float
    p: float
    p_corrected: float


def centred(matrix: FloatArray, /) -> FloatArray:
    """Return a matrix of people by models, less each model's mean over people."""
    return np.asarray(matrix - matrix.mean(axis=0))


def rank_one(matrix: FloatArray, /) -> FloatArray:
    """Return the credit of each cell: 1 where a person is most alike to that model, shared among ties."""
    best = matrix >= matrix.max(axis=1, keepdims=True) - _ROUNDING
    credit = best / np.maximum(best.sum(axis=1, keepdims=True), 1)
    return np.where(np.isnan(matrix).any(axis=1, keepdims=True), np.nan, credit)


def two_way(matrix: FloatArray, /) -> FloatArray:
    """Return, for each cell, the share of other models that a person is less alike to; ties count half."""
    differences = matrix[:, :, None] - matrix[:, None, :]
    wins = (differences > _ROUNDING) + 0.5 * (np.abs(differences) <= _ROUNDING)
    share = (wins.sum(axis=2) - 0.5) / (matrix.shape[1] - 1)  # a model ties with itself
    return np.where(np.isnan(matrix).any(axis=1, keepdims=True), np.nan, share)


def own_minus_others(matrix: FloatArray, /) -> FloatArray:
    """Return each cell less the mean of the others in its row."""
    n = matrix.shape[1]
    return np.asarray((n * matrix - matrix.sum(axis=1, keepdims=True)) / (n - 1))


def judge_owners(matrix: FloatArray, orders: IntArray, /, *, exact: bool) -> tuple[IdentificationTest, ...]:
    """Return what a matrix of people by models, the own ones on its diagonal, says of owners.

    Parameters
    ----------
    matrix : ndarray, shape (people, people)
    orders : ndarray of int, shape (m, people)
        For each permutation, which model everybody owns.
    exact : bool
        Whether these are all permutations, so that they hold the true one.
    """
    scores = {
        "own - others": own_minus_others(matrix),
        "rank-1": rank_one(matrix),
        "rank-1, centred": rank_one(centred(matrix)),
        "two-way": two_way(matrix),
        "two-way, centred": two_way(centred(matrix)),
    }
    stack = np.stack(list(scores.values()))
    people = np.arange(matrix.shape[0])
    values = stack[:, people, people].mean(axis=1)
    null = np.stack([one[people, orders].mean(axis=1) for one in stack], axis=1)
    found = p_values(values, null, "greater", exact=exact, centred=False, quantiles=())
    chance = stack.mean(axis=(1, 2))
    return tuple(
        IdentificationTest(name, float(values[k]), float(chance[k]), float(found.p[k]), float(found.corrected[k]))
        for k, name in enumerate(scores)
    )


def owner_orders(n: int, n_permutations: int, rng: np.random.Generator, /) -> tuple[IntArray, bool]:
    """Return permutations of n owners, one a row, and whether they are all there are."""
    if is_exact(n, n_permutations):
        return np.array(list(itertools.permutations(range(n))), dtype=np.intp), True
    return rng.permuted(np.tile(np.arange(n, dtype=np.intp), (n_permutations, 1)), axis=1), False
