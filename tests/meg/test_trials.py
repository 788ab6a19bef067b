"""Designs count their trials, and trials their numbers."""

from __future__ import annotations

import numpy as np

from alignkit.meg._as_trials import as_trials
from alignkit.meg._trials import Design


def test_counts_of_conditions_in_folds():
    design = Design(np.array([0, 1, 1, 2]), ("a", "b", "c"), np.array([0, 0, 1, 1]), ("1", "2"))
    assert (design.n_trials, design.n_conditions, design.n_folds) == (4, 3, 2)
    np.testing.assert_array_equal(design.counts, [[1, 1, 0], [0, 1, 1]])
    np.testing.assert_array_equal(Design(np.array([2, 2, 0]), ("a", "b", "c")).counts, [[1, 0, 2]])


def test_sizes(rng):
    trials = as_trials(rng.standard_normal((6, 4, 9)).astype(np.float32), by=[1, 2] * 3, times=np.arange(9) / 100)
    assert (trials.n_times, trials.n_channels, trials.n_bytes) == (9, 4, 6 * 4 * 4)
    assert trials.n_bytes == trials.read(0, 1).nbytes
