from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from alignkit.align._soft_triplets import draw_triplets, soft_triplets
from alignkit.rsa import choice_probabilities


def test_every_triplet_of_distinct_items_is_as_probable(rng):
    drawn = draw_triplets(4, 24_000, rng)
    counts = Counter(map(tuple, drawn.tolist()))
    assert len(counts) == 4 * 3 * 2
    assert all(len(set(triplet)) == 3 for triplet in counts)
    assert max(counts.values()) < 1150
    assert min(counts.values()) > 850


def test_probabilities_are_those_of_the_rows_named(rng):
    embedding = rng.random((10, 3))
    rows = np.array([7, 1, 4, 9])
    drawn = soft_triplets(embedding, rows, 50, rng)
    assert set(drawn.items.ravel()) <= set(rows)
    np.testing.assert_allclose(drawn.probabilities, choice_probabilities(embedding, drawn.items), rtol=1e-12)
    assert len(drawn) == 50
    assert drawn.take([0, 1]).probabilities.sum() == pytest.approx(2.0)
