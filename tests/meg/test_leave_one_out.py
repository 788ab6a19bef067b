"""Splits of a design: what is tested, what trains, and means that never see the fold left out."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg._leave_one_out import (
    decisions_by_condition,
    leave_one_fold_out,
    sum_by_condition,
    total_by_condition,
    training_means,
)
from alignkit.meg._trials import Design


@pytest.fixture
def design(rng) -> Design:
    counts = np.array([[1, 2, 0, 3], [2, 1, 1, 0], [1, 1, 2, 0]])
    fold, condition = (np.repeat(a.ravel(), counts.ravel()) for a in np.indices(counts.shape))
    order = rng.permutation(len(fold))
    return Design(condition[order], tuple("abcd"), fold[order], tuple("xyz"))


@pytest.mark.parametrize("minimum", [1, 2, 3])
def test_splits(design, minimum):
    for k, split in enumerate(leave_one_fold_out(design, minimum=minimum)):
        assert set(split.rows) == set(np.flatnonzero(design.fold == k))
        assert np.all(np.diff(split.condition) >= 0)
        np.testing.assert_array_equal(split.condition, design.condition[split.rows])
        training = [np.sum((design.fold != k) & (design.condition == c)) for c in range(4)]
        np.testing.assert_array_equal(split.training, training)
        np.testing.assert_array_equal(split.usable, np.array(training) >= minimum)
        np.testing.assert_array_equal(split.tested, split.usable[split.condition])


@pytest.mark.parametrize("minimum", [1, 2, 3])
def test_decisions_by_condition(design, minimum):
    found = decisions_by_condition(leave_one_fold_out(design, minimum=minimum))
    for i in range(4):
        for j in set(range(4)) - {i}:
            expected = 0
            for k in range(3):
                training = [np.sum((design.fold != k) & (design.condition == c)) for c in (i, j)]
                if min(training) >= minimum:
                    expected += np.sum((design.fold == k) & (design.condition == i))
            assert found[i, j] == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_means_are_those_of_all_other_folds(rng, design, dtype):
    x = rng.normal(size=(design.n_trials, 3)).astype(dtype)
    splits = leave_one_fold_out(design)
    total = total_by_condition(x, splits)
    for split in splits:
        own = sum_by_condition(x[split.rows], split.condition, 4)
        means = training_means(total, own, split)
        others = design.fold != split.fold
        for c in range(4):
            rows = x[others & (design.condition == c)].astype(np.float64)
            expected = rows.mean(axis=0) - means[-1] if len(rows) else np.zeros(3)
            np.testing.assert_allclose(means[c], expected, atol=1e-14)
        np.testing.assert_allclose(means[:-1][split.usable].mean(axis=0), 0.0, atol=1e-14)


def test_trials_of_the_fold_left_out_do_not_reach_its_means(rng, design):
    x = rng.normal(size=(design.n_trials, 3))
    other = x.copy()
    other[design.fold == 1] += 100
    for rows in (x, other):
        splits = leave_one_fold_out(design)
        own = sum_by_condition(rows[splits[1].rows], splits[1].condition, 4)
        means = training_means(total_by_condition(rows, splits), own, splits[1])
        expected = np.mean(x[(design.fold != 1) & (design.condition == 0)], axis=0)
        np.testing.assert_allclose(means[0] + means[-1], expected, atol=1e-12)
