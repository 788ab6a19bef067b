from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa._inference import _forms
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._linear_resamples import LinearResamples
from alignkit.rsa._inference._task import task_of
from alignkit.rsa._inference._whitened_resamples import WhitenedResamples
from alignkit.rsa._inference._written_out import written_out

METHODS = ["pearson", "cosine", "whitened-pearson", "whitened-cosine"]


def task_for(method, rng, n=20, **options):
    pairs = n * (n - 1) // 2
    rows = 50 + rng.normal(size=pairs) + rng.normal(size=(8, pairs))
    rows[7] = rng.random(pairs) < 0.3
    return task_of(rows[:5], rows[5:], method, **options)


def engine_of(task):
    return (WhitenedResamples if task.method.startswith("whitened") else LinearResamples).of(task)


def written(task, counts, weights):
    found = [written_out(task, own, weights[:, b]) for b, own in enumerate(counts)]
    return np.array([f[0] for f in found]), np.stack([f[1] for f in found], axis=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pooling", ["rank", "raw", "rsatoolbox"])
@pytest.mark.parametrize("n_kept", [0, 1 << 25])
def test_the_forms_alone_give_what_resamples_written_out_do(method, pooling, n_kept, rng, monkeypatch):
    monkeypatch.setattr("alignkit.rsa._inference._whitened_resamples._KEPT", n_kept)
    task = task_for(method, rng, pooling=pooling)
    counts, weights = draw_counts(20, 30, rng), np.ones((2, 30, 5))
    weights[1] = draw_counts(5, 30, rng)
    wanted = written(task, counts, weights)
    monkeypatch.setattr(_forms, "written_out", lambda *_: pytest.fail("a resample was written out"))
    for own, other in zip(engine_of(task)(counts, weights), wanted, strict=True):
        np.testing.assert_allclose(own, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_models_that_are_constant_in_many_resamples_cost_nothing(method, rng, monkeypatch):
    # one close pair of items: without both of them nothing varies, which is told without writing resamples out
    task = task_for(method, rng)
    task.models[1] = 0.0
    task.models[1, 3] = 0.7
    task.models[2] = 3.0 if method.endswith("pearson") else 0.0
    counts, weights = draw_counts(20, 60, rng), np.ones((1, 60, 5))
    monkeypatch.setattr(_forms, "written_out", lambda *_: pytest.fail("a resample was written out"))
    similarities, bounds = engine_of(task)(counts, weights)
    without = (counts[:, 0] == 0) | (counts[:, 4] == 0)
    np.testing.assert_array_equal(np.isnan(similarities[:, :, 1]), np.repeat(without[:, None], 5, axis=1))
    assert np.isnan(similarities[:, :, 2]).all()
    assert np.isfinite(similarities[:, :, 0]).all()
    assert np.isfinite(bounds).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_rounding_has_reached_is_written_out(method, rng):
    # one far item hides the others: without it, sums around the common mean are differences of large numbers
    n = 9
    task = task_for(method, rng, n=n)
    far = np.zeros((n, n))
    far[0] = far[:, 0] = 1e9
    task.data[:2] += far[np.triu_indices(n, k=1)]
    # two opposite subjects: what they add up to is nothing but rounding
    task.data[3] = 100 - task.data[4]
    counts = draw_counts(n, 25, rng)
    weights = np.ones((1, 25, 5))
    weights[0, 5:10] = [0, 0, 0, 1, 1]
    for own, other in zip(engine_of(task)(counts, weights), written(task, counts, weights), strict=True):
        np.testing.assert_allclose(own, other, rtol=0, atol=1e-9)
