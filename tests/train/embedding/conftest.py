"""Answers drawn from an embedding that is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alignkit.rsa import Triplets, choice_probabilities
from alignkit.train import LoopConfig
from alignkit.train.embedding.config import SPoSEConfig, VICEConfig

N_ITEMS, N_DIMS = 40, 4


@pytest.fixture(scope="session")
def known():
    """Return sparse, non-negative values of 40 items on 4 dimensions."""
    rng = np.random.default_rng(3)
    return rng.gamma(2.0, 0.45, (N_ITEMS, N_DIMS)) * (rng.random((N_ITEMS, N_DIMS)) < 0.4)


@pytest.fixture(scope="session")
def answers(known):
    """Return 16,000 answers drawn from these values."""
    return draw_answers(known, 16_000, 4)


def draw_answers(x, n, seed):
    rng = np.random.default_rng(seed)
    items = rng.permuted(np.tile(np.arange(len(x)), (n, 1)), axis=1)[:, :3]
    odd = (rng.random(n)[:, None] > choice_probabilities(x, items).cumsum(axis=1)).sum(axis=1)
    return Triplets.from_columns(items, odd=odd + 1, base=0, labels=[f"item {i:02d}" for i in range(len(x))])


@pytest.fixture
def settings(answers, tmp_path):
    """Return a function that makes a config of a small run; ``loop`` takes what is other there."""
    answers.save(tmp_path / "answers.npz")

    def make(method="spose", *, loop=None, **own):
        base = {"epochs": 10_000, "max_steps": 300, "batch_size": 2048, "validate_every": 100, "log_every": 50}
        kept = LoopConfig(
            **{**base, **(loop or {})}, monitor="val_cross_entropy", progress=False, device="cpu", checkpoint_every=50
        )
        config = {"spose": SPoSEConfig, "vice": VICEConfig}[method](
            triplets=tmp_path / "answers.npz",
            out=tmp_path / method,
            n_dims=12,
            start_steps=300,
            n_bootstrap=50,
            loop=kept,
        )
        return dataclasses.replace(config, **own)

    return make
