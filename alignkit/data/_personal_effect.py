"""How much better a person's own weights predict them than the group's, in a simulated lab of known people."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np

from alignkit.data import _simulate_people as people
from alignkit.data._simulate_objects import draw_embedding, object_labels
from alignkit.data._simulate_people import Judges, draw_judges

_N_OBJECTS, _N_DIMENSIONS, _N_PEOPLE, _N_EACH = 96, 12, 40, 1000
_NOISE, _LAPSE = 0.4, 0.03
#: Weights that vary by more than a factor of exp(3) are no people.
MAX_INDIVIDUALITY = 3.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PersonalEffect:
    """What knowing a person's true weights buys, mean over people and random triplets.

    Attributes
    ----------
    individuality : float
        Standard deviation over people of the logarithm of the weights.
    group, own : float
        Accuracy of the mean weights and of the person's own on the person's answers.
    spread : float
        Variance of the difference of the two hits on one answer.
    nats, nats_spread : float
        Mean and variance of the logarithm of the ratio of the two probabilities of one answer.
    """

    individuality: float
    group: float
    own: float
    spread: float
    nats: float
    nats_spread: float

    @property
    def gain(self) -> float:
        """Accuracy gained."""
        return self.own - self.group


@lru_cache(maxsize=128)
def personal_effect(individuality: float, seed: int) -> PersonalEffect:
    """Return the effect among people whose weights differ this much, from their true choice probabilities."""
    own = _judges(individuality, seed)
    mean = np.broadcast_to(own.weights.mean(axis=0), own.weights.shape)
    rng = np.random.default_rng([seed, _N_EACH])
    person = np.repeat(np.arange(_N_PEOPLE), _N_EACH)
    items = people.draw_triples(len(person), np.arange(_N_OBJECTS), rng)
    p = people.choice_probabilities(own, items, person)
    q = people.choice_probabilities(dataclasses.replace(own, weights=mean), items, person)
    rows = np.arange(len(p))
    mine, theirs = p.argmax(axis=1), q.argmax(axis=1)
    right, wrong = p[rows, mine], p[rows, theirs]
    gain = float((right - wrong).mean())
    ratio = np.log(p / q)
    nats = float((p * ratio).sum(axis=1).mean())
    return PersonalEffect(
        individuality=individuality,
        group=float(wrong.mean()),
        own=float(right.mean()),
        spread=float(((mine != theirs) * (right + wrong)).mean()) - gain**2,
        nats=nats,
        nats_spread=float((p * ratio**2).sum(axis=1).mean()) - nats**2,
    )


def individuality_for(gain: float, seed: int) -> float:
    """Return how much people must differ for their true weights to gain this much accuracy; NaN: they never do."""
    low, high = 0.0, MAX_INDIVIDUALITY
    if personal_effect(high, seed).gain < gain:
        return float("nan")
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if personal_effect(middle, seed).gain < gain else (low, middle)
    return high


def _judges(individuality: float, seed: int) -> Judges:
    embedding = draw_embedding(_N_OBJECTS, _N_DIMENSIONS, seed)
    labels = object_labels(_N_OBJECTS)
    return draw_judges(embedding, labels, _N_PEOPLE, noise=_NOISE, lapse=_LAPSE, individuality=individuality, seed=seed)
