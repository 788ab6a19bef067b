"""RDMs of people simulated from patterns, so that subjects, items and single measurements vary as in experiments."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

#: Dimensions of what people share, half of which each of two models knows, and of what is a subject's own.
SHARED, OWN = 4, 4
#: Channels beyond those, which hold noise alone.
SPARE = 8
#: How differently subjects weigh what they share, how much is their own, and the noise of a measurement.
WEIGHING, PRIVATE, NOISE = 0.6, 1.0, 1.0
#: What is drawn, each by a stream of its own.
_ITEMS, _SUBJECTS, _MEASUREMENTS = range(3)
MODELS = ("half", "other half", "unrelated")


@dataclasses.dataclass(frozen=True)
class Items:
    """Items as they are: ``shared``, shape (items, SHARED), what nobody sees, and RDMs of both."""

    shared: Any
    hidden: Any

    @property
    def models(self) -> Any:
        """RDMs of the models, shape (model, pairs): of each half of what is shared, and of what nobody sees."""
        half = SHARED // 2
        return np.stack([distances(x) for x in (self.shared[:, :half], self.shared[:, half:], self.hidden)])

    @property
    def truth(self) -> Any:
        """The RDM of all that is shared, which is that of the mean subject but for a constant."""
        return distances(self.shared)


def draw_items(seed: int, where: tuple[int, ...], n_items: int) -> Items:
    """Return items; ``where`` says which."""
    rng = np.random.default_rng([seed, _ITEMS, *where])
    return Items(rng.normal(size=(n_items, SHARED)), rng.normal(size=(n_items, SHARED // 2)))


def draw_subjects(seed: int, where: tuple[int, ...], n_subjects: int, *, twins: bool = False) -> Any:
    """Return how subjects weigh what they share, shape (subject, SHARED, SHARED); ``where`` says which they are.

    Every other subject is the ``twin`` of the one before, with both halves exchanged: together, such subjects hold
    neither half dearer, so that the models of the halves score the same over new items.
    """
    rng = np.random.default_rng([seed, _SUBJECTS, *where])
    weighing = np.eye(SHARED) + WEIGHING * rng.normal(size=(n_subjects, SHARED, SHARED)) / np.sqrt(SHARED)
    if twins:
        exchanged = np.roll(np.arange(SHARED), SHARED // 2)
        weighing[1::2] = weighing[: n_subjects - n_subjects % 2 : 2][:, exchanged[:, None], exchanged]
    return weighing


def measure(seed: int, where: tuple[int, ...], items: Items, subjects: Any, *, share: float = 1.0) -> Any:
    """Return the subjects' RDMs, shape (subject, pairs): of what they share, what is their own, and noise.

    Without a ``share`` subjects have nothing in common with each other, nor with any model.
    """
    rng = np.random.default_rng([seed, _MEASUREMENTS, *where])
    n_subjects, n_items = len(subjects), len(items.shared)
    patterns = NOISE * rng.normal(size=(n_subjects, n_items, SHARED + OWN + SPARE))
    patterns[..., :SHARED] += share * (items.shared @ subjects)
    patterns[..., SHARED : SHARED + OWN] += PRIVATE * rng.normal(size=(n_subjects, n_items, OWN))
    return distances(patterns)


def distances(patterns: Any) -> Any:
    """Return squared Euclidean distances, shape (..., pairs), of patterns, shape (..., items, channels)."""
    products = patterns @ patterns.swapaxes(-1, -2)
    own = np.diagonal(products, axis1=-2, axis2=-1)
    square = own[..., :, None] + own[..., None, :] - 2 * products
    return square[..., *np.triu_indices(patterns.shape[-2], k=1)]
