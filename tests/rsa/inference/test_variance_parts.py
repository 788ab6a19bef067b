from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import dual_variance
from alignkit.rsa._inference._resampled import Resampled
from alignkit.rsa._inference._variance_parts import variance_parts


def resampled(rng, **variances) -> dict[str, Resampled]:
    """Return scores of two models whose variances over resamples are exactly the given ones."""
    found = {}
    for name, variance in variances.items():
        scores = rng.normal(size=(50, 2))
        scores = (scores - scores.mean(axis=0)) / scores.std(axis=0, ddof=1) * np.sqrt(variance)
        nothing = np.full(50, np.nan)
        found[name] = Resampled(scores, nothing, nothing)
    return found


def test_parts_add_up_to_the_dual_variance(rng):
    v = {"subjects": np.array([0.02, 0.03]), "items": np.array([0.01, 0.02]), "both": np.array([0.035, 0.07])}
    parts = variance_parts(resampled(rng, **v), np.eye(2), 5, 11)
    single = 5 / 4 * 11 / 10 * np.array([0.005, 0.02])
    assert parts.single == pytest.approx(single * 55)
    assert parts.subjects == pytest.approx((5 / 4 * v["subjects"] - single) * 5)
    assert parts.items == pytest.approx(np.maximum(0, 11 / 10 * v["items"] - single) * 11)
    expected = dual_variance(v["both"], v["subjects"], v["items"], n_subjects=5, n_items=11)
    assert parts.variance(5, 11, new_items=True)[0] == pytest.approx(expected[0])
    assert parts.variance(10, 22, new_items=False) == pytest.approx(parts.subjects / 10 + parts.single / 220)


def test_known_parts_come_back(rng):
    # scores of subjects and items that add up: means of a crossed table, bootstrapped by hand
    a, b, c, n_subjects, n_items = 0.5, 2.0, 8.0, 12, 30
    found = []
    for _ in range(60):
        table = (
            rng.normal(size=(n_subjects, 1)) * np.sqrt(a)
            + rng.normal(size=n_items) * np.sqrt(b)
            + rng.normal(size=(n_subjects, n_items)) * np.sqrt(c)
        )
        s = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size=400) / n_subjects
        i = rng.multinomial(n_items, np.full(n_items, 1 / n_items), size=400) / n_items
        nothing = np.full(400, np.nan)
        scores = {
            "subjects": s @ table.mean(axis=1),
            "items": i @ table.mean(axis=0),
            "both": np.einsum("bs,si,bi->b", s, table, i),
        }
        parts = variance_parts(
            {name: Resampled(x[:, None], nothing, nothing) for name, x in scores.items()},
            np.eye(1),
            n_subjects,
            n_items,
        )
        found.append([parts.subjects[0], parts.items[0], parts.single[0]])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(mean - [a, b, c]) < 4 * error + 0.1).all(), (mean, error)
