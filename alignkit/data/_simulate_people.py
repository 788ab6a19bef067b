"""The people of the simulated lab: what each attends to, how they choose, how often they slip, how long they take."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.data._simulate_streams import Stream, stream
from alignkit.rsa import Triplets, TwoAFC

_OTHERS = np.array([[1, 2], [0, 2], [0, 1]])  # the pair that stays when column c is the odd one out
_CHUNK = 50_000
_PRECISION = 30.0  # of the beta distribution of lapse rates over people


@dataclass(frozen=True, slots=True, eq=False)
class Judges:
    """Simulated participants before the lab's objects.

    Attributes
    ----------
    embedding : ndarray, shape (objects, dims)
        What they see.
    labels : tuple of str
        Names of the objects.
    names : tuple of str
        Names of the people.
    weights : ndarray, shape (people, dims)
        What each cares for.
    lapses, pace : ndarray, shape (people,)
        Share of random answers; slowness, as a shift of log seconds.
    noise : float
        Temperature of everybody's softmax.
    """

    embedding: FloatArray
    labels: tuple[str, ...]
    names: tuple[str, ...]
    weights: FloatArray
    lapses: FloatArray
    pace: FloatArray
    noise: float


def draw_judges(
    embedding: FloatArray,
    labels: tuple[str, ...],
    n: int,
    *,
    noise: float,
    lapse: float,
    individuality: float,
    seed: int,
) -> Judges:
    """Draw people whose weights average 1 over the dimensions; person p is the same in a lab of any size."""
    weights = np.empty((n, embedding.shape[1]))
    lapses, pace = np.full(n, float(lapse)), np.empty(n)
    for p in range(n):
        rng = stream(seed, Stream.PEOPLE, p)
        pace[p] = 0.2 * rng.standard_normal()
        if 0 < lapse < 1:
            lapses[p] = rng.beta(lapse * _PRECISION, (1 - lapse) * _PRECISION)
        own = np.exp(individuality * rng.standard_normal(weights.shape[1]))
        weights[p] = own / own.mean()
    for array in (embedding, weights, lapses, pace):
        array.flags.writeable = False
    names = tuple(f"p{p + 1:03d}" for p in range(n))
    return Judges(embedding, labels, names, weights, lapses, pace, float(noise))


def draw_triples(n: int, items: IntArray, rng: np.random.Generator) -> IntArray:
    """Return ``n`` triples of three different items each, uniform over ordered triples, shape (n, 3)."""
    size = len(items)
    first, second, third = (rng.integers(size - k, size=n) for k in range(3))
    second += second >= first  # skip what is taken: uniform without rejection
    low, high = np.minimum(first, second), np.maximum(first, second)
    third += third >= low
    third += third >= high
    return items[np.stack([first, second, third], axis=1)]


def draw_distinct_triples(n: int, items: IntArray, rng: np.random.Generator) -> IntArray:
    """Return ``n`` triples of which no two hold the same three items, shape (n, 3)."""
    kept = np.empty((0, 3), dtype=np.int64)
    while len(kept) < n:
        drawn = np.concatenate([kept, draw_triples(2 * n, items, rng)])
        _, first = np.unique(np.sort(drawn, axis=1), axis=0, return_index=True)
        kept = drawn[np.sort(first)]
    return kept[:n]


def choice_probabilities(judges: Judges, items: IntArray, person: IntArray) -> FloatArray:
    """Return how likely each row's person picks each column as the odd one out, shape (n, 3)."""
    similarity = np.einsum("ncd,nd->nc", _products(judges.embedding, items), judges.weights[person])
    lapse = judges.lapses[person][:, None]
    return (1 - lapse) * _softmax(similarity, judges.noise) + lapse / 3


def group_probabilities(judges: Judges, items: IntArray) -> FloatArray:
    """Return the same averaged over all people, each with their own weights and lapses, shape (n, 3)."""
    result = np.empty((len(items), 3))
    for start in range(0, len(items), _CHUNK):
        part = items[start : start + _CHUNK]
        similarity = np.swapaxes(_products(judges.embedding, part) @ judges.weights.T, 1, 2)  # (n, people, 3)
        lapse = judges.lapses[:, None]
        chosen = (1 - lapse) * _softmax(similarity, judges.noise) + lapse / 3
        result[start : start + _CHUNK] = chosen.mean(axis=1)
    return result


def pair_choice_probabilities(judges: Judges, items: IntArray) -> FloatArray:
    """Return how likely people find column 1 (left) and 2 (right) more like column 0, shape (n, people, 2)."""
    products = _products(judges.embedding, items)[:, [2, 1]]  # reference with left, reference with right
    similarity = np.swapaxes(products @ judges.weights.T, 1, 2)
    lapse = judges.lapses[:, None]
    return (1 - lapse) * _softmax(similarity, judges.noise) + lapse / 2


def answer(
    judges: Judges,
    items: IntArray,
    person: IntArray,
    rng: np.random.Generator,
    repeat: IntArray | None = None,
) -> Triplets:
    """Return one answer per row, with participant and response time; the odd one out comes last."""
    probability = choice_probabilities(judges, items, person)
    draw = rng.random(len(items))[:, None]
    odd = np.minimum((draw > np.cumsum(probability, axis=1)).sum(axis=1), 2)
    return Triplets.from_columns(
        items,
        odd=odd + 1,
        base=0,
        labels=judges.labels,
        participant=np.array(judges.names)[person],
        response_time=_response_times(probability, judges.pace[person], rng),
        repeat=repeat,
    )


def vote(judges: Judges, items: IntArray, n_votes: int, rng: np.random.Generator) -> TwoAFC:
    """Return the votes of ``n_votes`` different people on each 2AFC trial."""
    right = pair_choice_probabilities(judges, items)[:, :, 1]
    voters = np.argsort(rng.random(right.shape), axis=1)[:, :n_votes]
    chosen = (rng.random(voters.shape) < np.take_along_axis(right, voters, axis=1)).sum(axis=1)
    return TwoAFC(items, np.stack([n_votes - chosen, chosen], axis=1), judges.labels)


def _products(embedding: FloatArray, items: IntArray) -> FloatArray:
    """Return per column and dimension the product of the other two items, shape (n, 3, dims)."""
    pairs = items[:, _OTHERS]
    return embedding[pairs[..., 0]] * embedding[pairs[..., 1]]


def _softmax(similarity: FloatArray, noise: float) -> FloatArray:
    shifted = similarity - similarity.max(axis=-1, keepdims=True)
    # without noise the largest wins outright; equals share
    weight = np.exp(shifted / noise) if noise > 0 else (shifted == 0).astype(np.float64)
    return weight / weight.sum(axis=-1, keepdims=True)


def _response_times(probability: FloatArray, pace: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return seconds: log-normal, slower the more even the person's three options are (entropy), never below .4 s."""
    logs = np.log(probability, out=np.zeros_like(probability), where=probability > 0)
    entropy = -(probability * logs).sum(axis=1) / math.log(3)
    return 0.4 + np.exp(0.9 * entropy + pace + 0.3 * rng.standard_normal(len(probability)))
