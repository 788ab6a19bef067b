"""A small simulated lab, features of its objects, and the folder of real data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reference.meg_sets import movies, write_cichy118, write_result_dsm, write_things_meg

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


@pytest.fixture(scope="session")
def meg(tmp_path_factory) -> SimpleNamespace:
    """Three small data sets in their published layouts, and latents of all of their items."""
    root = tmp_path_factory.mktemp("meg") / "root"
    rng = np.random.default_rng(0)
    names = {
        "things_meg": [f"thing{i:02d}" for i in range(16)],
        "cichy118": [f"stimulus{i:03d}" for i in range(1, 15)],
        "meg_ds1": [f"o{i}.png" for i in range(1, 13)],
    }
    truth = {name: rng.normal(size=(len(items), 8)) for name, items in names.items()}
    times = {
        "things_meg": np.linspace(-0.1, 1.3, 281),
        "cichy118": np.linspace(-0.1, 1.0, 221),
        "meg_ds1": np.linspace(-0.1, 0.6, 71),
    }
    people = {
        name: movies(n, times[name], truth[name], seed=k)
        for k, (name, n) in enumerate({"things_meg": 4, "cichy118": 5, "meg_ds1": 6}.items())
    }
    write_things_meg(root, people["things_meg"], names["things_meg"])
    write_cichy118(root, people["cichy118"], names["cichy118"])
    write_result_dsm(root, "meg_ds1", people["meg_ds1"], names["meg_ds1"])
    labels = [*names["things_meg"], *names["cichy118"], *(f"meg_ds1/stimuli/{name}" for name in names["meg_ds1"])]
    x = np.concatenate(list(truth.values()))
    return SimpleNamespace(root=root, names=names, truth=truth, times=times, people=people, labels=labels, x=x)


@pytest.fixture(scope="session")
def static(meg) -> Callable[..., Features]:
    """Return a function that makes features of all items of the MEG data sets: latents under noise."""

    def make(name: str = "static", noise: float = 0.5, seed: int = 1) -> Features:
        x = meg.x + noise * np.random.default_rng(seed).normal(size=meg.x.shape)
        return Features.from_array(x, meg.labels, name=name)

    return make


@pytest.fixture(scope="session")
def moving(meg) -> Features:
    """Features over time, -100 to 1000 ms in steps of 10: noise, then latents from 50 ms on."""
    rng = np.random.default_rng(5)
    arrays = {}
    for ms in range(-100, 1010, 10):
        share = np.exp(-(((ms - 150) / 100) ** 2)) if ms >= 50 else 0.0
        arrays[f"{ms}ms"] = share * meg.x + (1 - share) * rng.normal(size=meg.x.shape)
    return Features.from_arrays(arrays, meg.labels, name="moving")
