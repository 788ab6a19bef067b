"""Random triplets whose choice probabilities come from an embedding."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.align._map_objective import Answers
from alignkit.rsa import choice_probabilities


def draw_triplets(n_items: int, n: int, rng: np.random.Generator) -> IntArray:
    """Return ``n`` triplets of distinct items, shape (n, 3), every one with the same probability."""
    first, second = rng.integers(n_items, size=n), rng.integers(n_items - 1, size=n)
    third = rng.integers(n_items - 2, size=n)
    second += second >= first
    low, high = np.minimum(first, second), np.maximum(first, second)
    third += third >= low
    third += third >= high
    return np.stack([first, second, third], axis=1)


def soft_triplets(embedding: FloatArray, rows: IntArray, n: int, rng: np.random.Generator) -> Answers:
    """Return random triplets among some rows of an embedding, with the softmax of its dot products."""
    items = draw_triplets(len(rows), n, rng)
    return Answers(rows[items], choice_probabilities(embedding[rows], items))
