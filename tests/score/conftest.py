"""A small simulated lab, features of its objects, and the folder of real data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from alignkit.data import SimulatedLab, simulate
from alignkit.models import Features
from alignkit.score import ScoreTable, score


@pytest.fixture(scope="session")
def lab() -> SimulatedLab:
    return simulate(24, n_participants=4, n_triplets=900, n_held_out=60, n_repeats=60, rng=1)


@pytest.fixture(scope="session")
def make(lab) -> Callable[..., Features]:
    """Return a function that makes features of the lab's objects: its latents under noise, in shuffled order."""

    def make(name: str = "model", *, noise: float = 0.3, seed: int = 0, **changes: object) -> Features:
        rng = np.random.default_rng(seed)
        x = lab.embedding + noise * rng.normal(size=lab.embedding.shape)
        order = rng.permutation(len(x))
        labels = changes.pop("labels", lab.labels)
        return Features.from_array(x[order], [labels[i] for i in order], name=name, **changes)

    return make


@pytest.fixture(scope="session")
def table(lab, make) -> ScoreTable:
    """Two models on the lab, with intervals good enough to be compared."""
    return score([make("good"), make("bad", noise=2.0, seed=5)], lab, n_bootstrap=2000, n_shuffles=40)


@pytest.fixture(scope="session")
def root(shared_data) -> Path:
    return shared_data("README.md").parent


@pytest.fixture(scope="session")
def quick() -> Callable[..., ScoreTable]:
    """Return ``score`` with few resamples: every line is there, and point estimates need none."""
    return partial(score, n_bootstrap=20, n_shuffles=3)
