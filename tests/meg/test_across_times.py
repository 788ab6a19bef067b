"""Distances between times equal loops over pairs of trials, and those at one time where both are the same."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from alignkit.meg import time_rdms
from alignkit.meg._across_times import distances_across_times, undefined_across_times
from alignkit.meg._trials import Design
from alignkit.meg._whiten import Whitening

BALANCED = np.full((3, 4), 2)
UNBALANCED = np.array([[1, 2, 2, 3], [2, 1, 1, 0], [1, 1, 2, 2]])
ALONE = np.array([[1, 2, 2, 3], [2, 1, 1, 0], [1, 1, 2, 0]])


def design_of(counts, rng) -> Design:
    fold, condition = (np.repeat(a.ravel(), counts.ravel()) for a in np.indices(counts.shape))
    order = rng.permutation(len(fold))
    folds, labels = (tuple(map(str, range(n))) for n in counts.shape)
    return Design(condition[order], labels, fold[order], folds)


def centred(x, design):
    """Take out the mean over conditions of their means, at each time."""
    out = np.empty_like(x)
    for t in range(len(x)):
        out[t] = x[t] - np.mean([x[t, design.condition == c].mean(axis=0) for c in range(design.n_conditions)], axis=0)
    return out


def loop(x, y, design, precision):
    """Mean over pairs of trials from different folds, condition by condition; ``precision(fold, t)`` weighs."""
    n = design.n_conditions
    x, y = centred(x, design), centred(y, design)
    found = np.full((len(x), len(y), n, n), np.nan)
    for t, u in np.ndindex(len(x), len(y)):
        inner = np.full((n, n), np.nan)
        for i, j in np.ndindex(n, n):
            terms = [
                x[t, a] @ precision(design.fold[b], t) @ y[u, b]
                for a in np.flatnonzero(design.condition == i)
                for b in np.flatnonzero(design.condition == j)
                if design.fold[a] != design.fold[b]
            ]
            inner[i, j] = np.mean(terms) if terms else np.nan
        found[t, u] = np.diag(inner)[:, None] + np.diag(inner) - inner - inner.T
    return found[..., *np.triu_indices(n, k=1)]


@pytest.mark.parametrize("counts", [BALANCED, UNBALANCED, ALONE], ids=["balanced", "unbalanced", "alone"])
@pytest.mark.parametrize("noise", ["none", "one", "folds", "times"])
def test_equals_a_loop_over_pairs_of_trials(rng, counts, noise):
    design = design_of(counts, rng)
    x, y = rng.normal(size=(2, design.n_trials, 5)) + 3.0, rng.normal(size=(3, design.n_trials, 5))
    roots = rng.normal(size=(4, 2, 5, 5))
    precisions = roots @ roots.swapaxes(-1, -2)
    sets = {"none": None, "one": precisions[3:, :1], "folds": precisions[:, :1], "times": precisions}[noise]
    whitening = None
    if sets is not None:
        kept = np.full(len(sets), 5)
        whitening = Whitening(sets, 5, kept, (np.arange(5),), np.dtype(float), inverted=True)

    def precision(fold, t):
        if sets is None:
            return np.eye(5)
        return sets[fold if len(sets) > 1 else 0, t if sets.shape[1] > 1 else 0]

    expected = loop(x, y, design, precision)
    found = distances_across_times(x, y, design, whitening, mean=False)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)
    np.testing.assert_array_equal(np.isnan(expected[0, 0]), undefined_across_times(design))
    averaged = distances_across_times(x, y, design, whitening)
    np.testing.assert_allclose(averaged, np.nanmean(expected, axis=-1), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("counts", [BALANCED, UNBALANCED], ids=["balanced", "unbalanced"])
@pytest.mark.parametrize("noise_from", ["training", "all"])
def test_the_diagonal_is_the_distance_at_one_time(rng, counts, noise_from):
    from alignkit.meg import temporal_generalization

    design = design_of(counts, rng)
    x = rng.normal(size=(design.n_trials, 6, 5)) + rng.normal(size=(4, 6, 5))[design.condition]
    options = {"by": design.condition, "folds": design.fold, "times": np.arange(5) / 100, "noise_from": noise_from}
    for metric, noise in (("crossnobis", "epoch"), ("crossnobis", "time"), ("sqeuclidean_cv", None)):
        at_once = time_rdms(x, metric=metric, noise=noise, **options)
        found = temporal_generalization(x, metric=metric, noise=noise, keep_pairs=True, **options)
        own = np.diagonal(found.pairs[0], axis1=0, axis2=1).T
        np.testing.assert_allclose(own, at_once.values, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.diagonal[0], at_once.values.mean(axis=1), rtol=1e-9, atol=1e-12)


def test_noise_has_a_mean_of_zero_everywhere_and_a_turned_pattern_a_negative_distance(rng):
    design = design_of(np.full((4, 3), 5), rng)
    noise = np.array(
        [distances_across_times(*rng.normal(size=(2, 3, design.n_trials, 6)), design, None) for _ in range(200)]
    )
    assert (np.abs(noise.mean(axis=0)) < 4 * noise.std(axis=0) / np.sqrt(200)).all()
    pattern = rng.normal(size=(3, 6))[design.condition]
    x = np.stack([pattern, -pattern])
    found = distances_across_times(x, x, design, None)
    expected = np.mean(
        [
            np.square(pattern[design.condition == i][0] - pattern[design.condition == j][0]).sum()
            for i, j in ((0, 1), (0, 2), (1, 2))
        ]
    )
    np.testing.assert_allclose(found, expected * np.array([[1, -1], [-1, 1]]), rtol=1e-12)


def test_the_same_bits_for_any_number_of_threads_and_nothing_is_changed(rng, readonly):
    design = design_of(UNBALANCED, rng)
    x = readonly(rng.normal(size=(19, design.n_trials, 5)))
    found = []
    for n in (1, 2):
        with threadpool_limits(n):
            found += [
                distances_across_times(x, x, design, None),
                distances_across_times(x, x, design, None, mean=False),
            ]
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[3])
