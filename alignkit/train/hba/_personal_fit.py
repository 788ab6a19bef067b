"""Own weights of many people: what all share, how much people differ, and each one's posterior maximum."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from alignkit._threads import each
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._temperature import best_temperature
from alignkit.train.hba._personal_kernel import Answers, differences_of, maximise

#: A precision; "people": that of the spread that all people's answers make likeliest; "person": chosen by
#: cross-validation on the person's own answers.
Prior: TypeAlias = float | Literal["people", "person"]

#: Standard deviations of people's log weights that are tried.
SPREADS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.65, 0.9, 1.3)
#: That of people's log scales, and of the shared one around the scale that suits the group's embedding best.
_SCALE_SPREAD, _SHARED_SCALE_SPREAD = 0.5, 1.0
_N_INNER = 4
#: Numbers in the arrays of one chunk of people.
_CHUNK = 1 << 21


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class People:
    """Everybody's answers, those of people with about equally many side by side.

    Parameters
    ----------
    chunks : tuple of Answers
        Padded; the weights say which answers there are.
    members : tuple of ndarray of int, shape (P,)
        Which people are in each chunk.
    rows : tuple of ndarray of int, shape (P, n)
        Which answers, by their rows in the data; -1 for none.
    n_people : int
        In all chunks.
    """

    chunks: tuple[Answers, ...]
    members: tuple[IntArray, ...]
    rows: tuple[IntArray, ...]
    n_people: int

    @classmethod
    def of(cls, embedding: FloatArray, items: IntArray, person: IntArray) -> People:
        """Gather the answers ``items``, shape (n, 3), of each person, numbered from 0."""
        counts = np.bincount(person)
        own = np.split(np.argsort(person, kind="stable"), np.cumsum(counts)[:-1])
        order = np.argsort(counts, kind="stable")
        chunks, members, rows = [], [], []
        for group in _cut(order, counts, 2 * embedding.shape[1]):
            padded = np.full((len(group), counts[group].max()), -1, dtype=np.int64)
            for line, number in zip(padded, group, strict=True):
                line[: counts[number]] = own[number]
            chunks.append(Answers(differences_of(embedding, items[padded]), (padded >= 0).astype(np.float64)))
            members.append(group)
            rows.append(padded)
        return cls(tuple(chunks), tuple(members), tuple(rows), len(counts))

    def only(self, use: BoolArray) -> tuple[Answers, ...]:
        """Return the chunks with those answers alone that a mask over the data's rows allows."""
        return tuple(
            Answers(chunk.differences, chunk.weight * use[rows])
            for chunk, rows in zip(self.chunks, self.rows, strict=True)
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Models of everybody.

    Parameters
    ----------
    theta : ndarray, shape (people, K)
        Log weights, and log scale last.
    shared : ndarray, shape (K,)
        Those of all people together, which the others are held to.
    spread : ndarray, shape (people,)
        Standard deviation of the prior that each was fitted with.
    evidence : ndarray, shape (spreads,)
        Log evidence of each of :data:`SPREADS`, summed over people; NaN where it was not asked for.
    """

    theta: FloatArray
    shared: FloatArray
    spread: FloatArray
    evidence: FloatArray


def fit_people(people: People, use: BoolArray, prior: Prior, rng: np.random.Generator) -> Fit:
    """Fit everybody's weights to the answers that ``use`` allows.

    Parameters
    ----------
    people : People
    use : ndarray of bool, shape (n,)
        Answers to fit to.
    prior : float or {"people", "person"}
    rng : Generator
        Of the inner folds of ``"person"``.
    """
    chunks = people.only(use)
    shared = fit_shared(chunks, use_start=people.n_people < 2)
    spreads = SPREADS if isinstance(prior, str) else (prior**-0.5,)
    paths = each(lambda chunk: _path([chunk], shared, spreads), chunks)
    theta, evidence = _gather(people, [one[0] for one in paths]), _gather(people, [one[1] for one in paths])
    total = evidence.sum(axis=1)
    if prior == "person":
        best = _best_of_each(people, use, shared, rng)
    else:
        best = np.full(people.n_people, int(np.argmax(total)))
    everyone = np.arange(people.n_people)
    known = total if isinstance(prior, str) else np.full(len(SPREADS), np.nan)
    return Fit(theta[best, everyone], shared, np.array(spreads)[best], known)


def fit_shared(chunks: Sequence[Answers], *, use_start: bool = False) -> FloatArray:
    """Return the log weights and the log scale of all answers together, whoever gave them, shape (K,).

    With ``use_start`` the group's embedding is kept as it is, and the scale alone is fitted: of one person's answers
    nothing tells what is common.
    """
    pooled = [_pool(chunk) for chunk in chunks]
    dims = pooled[0].differences.shape[-1]
    start = np.zeros(dims + 1)
    gaps = [part.differences[part.weight > 0].sum(axis=-1) for part in pooled]
    joined = np.concatenate(gaps)
    if len(joined):
        start[-1] = -np.log(best_temperature(np.vstack([joined.T, np.zeros(len(joined))]))[0])
    if use_start or not len(joined):
        return start
    theta, evidence = _path(pooled, start, SPREADS, scale_spread=_SHARED_SCALE_SPREAD)
    return np.asarray(theta[int(np.argmax(evidence[:, 0])), 0])


def _path(
    parts: Sequence[Answers], centre: FloatArray, spreads: Sequence[float], *, scale_spread: float = _SCALE_SPREAD
) -> tuple[FloatArray, FloatArray]:
    """Return estimates, shape (spreads, P, K), and log evidence, shape (spreads, P); each starts from the one before."""
    theta = np.tile(centre, (len(parts[0].weight), 1))
    found = []
    for spread in spreads:
        precision = np.full(len(centre), spread**-2)
        precision[-1] = scale_spread**-2
        estimate = maximise(parts, theta, centre, precision)
        theta = estimate.theta
        found.append(estimate)
    return np.stack([one.theta for one in found]), np.stack([one.evidence for one in found])


def _best_of_each(people: People, use: BoolArray, shared: FloatArray, rng: np.random.Generator) -> IntArray:
    """Return which spread predicts a person's own answers best when each is left out in turn, shape (people,)."""
    inner = rng.permutation(np.arange(len(use)) % _N_INNER)
    cost = np.zeros((len(SPREADS), people.n_people))
    for fold in range(_N_INNER):
        train, test = people.only(use & (inner != fold)), people.only(use & (inner == fold))
        thetas = each(lambda chunk: _path([chunk], shared, SPREADS)[0], train)
        costs = [np.stack([part.cost(one) for one in theta]) for part, theta in zip(test, thetas, strict=True)]
        cost += _gather(people, costs)
    return np.asarray(cost.argmin(axis=0))


def _gather(people: People, values: Sequence[FloatArray]) -> FloatArray:
    """Return per-chunk values of shape (spreads, P, ...) in the order of the people, shape (spreads, people, ...)."""
    result = np.empty((len(values[0]), people.n_people, *values[0].shape[2:]))
    for members, part in zip(people.members, values, strict=True):
        result[:, members] = part
    return result


def _pool(chunk: Answers) -> Answers:
    shape = chunk.differences.shape
    return Answers(chunk.differences.reshape(1, -1, *shape[2:]), chunk.weight.reshape(1, -1))


def _cut(order: IntArray, counts: IntArray, width: int) -> list[IntArray]:
    """Cut people, fewest answers first, into groups whose padded arrays are small enough."""
    groups: list[IntArray] = []
    start = 0
    for stop in range(1, len(order) + 1):
        full = stop == len(order) or (stop + 1 - start) * counts[order[min(stop, len(order) - 1)]] * width > _CHUNK
        if full:
            groups.append(order[start:stop])
            start = stop
    return groups
