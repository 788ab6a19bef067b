"""Intervals over items and triplets: each resample written out, and the spread that shared items make."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._random import spawn
from alignkit.rsa._intervals import cluster_intervals
from alignkit.rsa._item_intervals import item_intervals


@pytest.fixture(scope="module")
def answers():
    rng = np.random.default_rng(0)
    items = rng.permuted(np.tile(np.arange(20), (300, 1)), axis=1)[:, :3]
    values = rng.random((300, 2))
    return values, items, rng.integers(0, 40, 300)


def written_out(values, items, groups, n_bootstrap, seed):
    """Every resample as a plain loop over answers."""
    numbers = sorted(set(items.ravel().tolist()))
    n_groups = groups.max() + 1
    samples = []
    # a group's items are those of its last answer: in use they are the same three for all of its answers
    last = {int(g): items[i] for i, g in enumerate(groups)}
    for rng in spawn(np.random.default_rng(seed), n_bootstrap):
        drawn = np.bincount(rng.integers(0, len(numbers), len(numbers)), minlength=len(numbers))
        picked = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
        total, size = np.zeros(values.shape[1]), 0.0
        for value, group in zip(values, groups, strict=True):
            weight = picked[group] * np.prod([drawn[numbers.index(item)] for item in last[int(group)]])
            total += weight * value
            size += weight
        samples.append(total / size)
    return np.quantile(samples, [0.025, 0.975], axis=0)


def test_resamples_written_out(answers):
    values, items, groups = answers
    _, groups = np.unique(groups, return_inverse=True)
    low, high = item_intervals(values, items, groups, n_bootstrap=30, confidence=0.95, rng=np.random.default_rng(4))
    expected = written_out(values, items, groups, 30, 4)
    np.testing.assert_allclose([low, high], expected)


def test_answers_on_their_own(answers):
    values, items, _ = answers
    each = np.arange(len(values))
    options = {"n_bootstrap": 20, "confidence": 0.95}
    first = item_intervals(values, items, each, rng=np.random.default_rng(1), **options)
    second = item_intervals(values, items, rng=np.random.default_rng(1), **options)
    np.testing.assert_array_equal(first, second)


def test_effects_of_items_widen_the_interval(answers):
    _, items, _ = answers
    of_items = np.random.default_rng(1).normal(size=20)[items].sum(axis=1)[:, None]
    options = {"n_bootstrap": 400, "confidence": 0.95, "rng": np.random.default_rng(0)}
    low, high = item_intervals(of_items, items, **options)
    plain_low, plain_high = cluster_intervals(of_items, np.ones_like(of_items), **options)
    assert (high - low)[0] > 1.5 * (plain_high - plain_low)[0]


def test_no_resamples_no_interval(answers):
    values, items, groups = answers
    low, high = item_intervals(values, items, groups, n_bootstrap=0, confidence=0.95, rng=np.random.default_rng(0))
    assert np.isnan([low, high]).all()
