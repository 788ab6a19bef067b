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
_SCALE_SPREAD, _SHARED_SCALE_SPREAD = 0.3, 1.0
_N_INNER = 4
#: Wider priors that are tried beyond the best so far.
_PATIENCE = 2
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
    """

    theta: FloatArray
    shared: FloatArray
    spread: FloatArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Path:
    """Estimates under ever wider priors: of each one, the log weights of every group of people, and the evidence.

    Parameters
    ----------
    theta : list of list of ndarray, shape (P, K)
        By spread and group.
    evidence : list of float
        Summed over people.
    """

    theta: list[list[FloatArray]]
    evidence: list[float]

    @property
    def best(self) -> int:
        """Number of the spread that makes the answers likeliest."""
        return int(np.argmax(self.evidence))


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
    shared = fit_shared(chunks, keep=people.n_people < 2)
    spreads = SPREADS if isinstance(prior, str) else (prior**-0.5,)
    path = _follow([[chunk] for chunk in chunks], shared, spreads, whole=prior == "person")
    theta = np.stack([_gather(people, one) for one in path.theta])
    alone = prior == "person"
    best = _best_of_each(people, use, shared, rng) if alone else np.full(people.n_people, path.best)
    return Fit(theta[best, np.arange(people.n_people)], shared, np.array(spreads)[best])


def fit_shared(chunks: Sequence[Answers], *, keep: bool = False) -> FloatArray:
    """Return the log weights and the log scale of all answers together, whoever gave them, shape (K,).

    With ``keep`` the group's weights stay as they are, and the scale alone is fitted: one person's answers do not
    tell what people have in common.
    """
    pooled = [_pool(chunk) for chunk in chunks]
    start = np.zeros(pooled[0].differences.shape[-1] + 1)
    gaps = np.concatenate([part.differences[part.weight > 0].sum(axis=-1) for part in pooled])
    if len(gaps):
        start[-1] = -np.log(best_temperature(np.vstack([gaps.T, np.zeros(len(gaps))]))[0])
    if keep or not len(gaps):
        return start
    path = _follow([pooled], start, SPREADS, scale_spread=_SHARED_SCALE_SPREAD)
    return np.asarray(path.theta[path.best][0][0])


def _follow(
    groups: Sequence[Sequence[Answers]],
    centre: FloatArray,
    spreads: Sequence[float],
    *,
    scale_spread: float = _SCALE_SPREAD,
    whole: bool = False,
) -> _Path:
    """Fit groups of people under ever wider priors, until the evidence has fallen twice, unless ``whole``."""
    path = _Path([], [])
    theta = [np.tile(centre, (len(parts[0].weight), 1)) for parts in groups]
    for spread in spreads:
        precision = np.full(len(centre), spread**-2)
        precision[-1] = scale_spread**-2
        found = each(
            lambda k, theta=theta, precision=precision: maximise(groups[k], theta[k], centre, precision),  # type: ignore[misc]
            range(len(groups)),
        )
        theta = [one.theta for one in found]
        path.theta.append(theta)
        path.evidence.append(float(sum(one.evidence.sum() for one in found)))
        if not whole and len(path.evidence) - path.best > _PATIENCE:
            break
    return path


def _best_of_each(people: People, use: BoolArray, shared: FloatArray, rng: np.random.Generator) -> IntArray:
    """Return which spread predicts a person's own answers best when each is left out in turn, shape (people,)."""
    inner = rng.permutation(np.arange(len(use)) % _N_INNER)
    cost = np.zeros((len(SPREADS), people.n_people))
    for fold in range(_N_INNER):
        train, test = people.only(use & (inner != fold)), people.only(use & (inner == fold))
        path = _follow([[part] for part in train], shared, SPREADS, whole=True)
        for k, thetas in enumerate(path.theta):
            cost[k] += _gather(people, [part.cost(theta) for part, theta in zip(test, thetas, strict=True)])
    return np.asarray(cost.argmin(axis=0))


def _gather(people: People, values: Sequence[FloatArray]) -> FloatArray:
    """Return per-chunk values of shape (P, ...) in the order of the people, shape (people, ...)."""
    result = np.empty((people.n_people, *values[0].shape[1:]))
    for members, part in zip(people.members, values, strict=True):
        result[members] = part
    return result


def _pool(chunk: Answers) -> Answers:
    """Return the answers as those of one person."""
    shape = chunk.differences.shape
    return Answers(chunk.differences.reshape(1, -1, *shape[2:]), chunk.weight.reshape(1, -1))


def _cut(order: IntArray, counts: IntArray, width: int) -> list[IntArray]:
    """Cut people, fewest answers first, into groups whose padded arrays are small enough."""
    groups: list[IntArray] = []
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or (stop + 1 - start) * counts[order[stop]] * width > _CHUNK:
            groups.append(order[start:stop])
            start = stop
    return groups
