"""Shared fixtures: real data where it is at hand, capped threads, a headless matplotlib."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # side by side, processes share the processors
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("alignkit", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("alignkit")

ROOT = Path(__file__).resolve().parents[1]
#: Files that take minutes: begun first, so that processes that test side by side end together.
LONGEST = (
    "test_studies.py",
    "test_benchmarks.py",
    "test_demo_training.py",
    "test_demo.py",
    "test_examples.py",
    "test_docs.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the order of files where processes test side by side; xdist puts files of few tests last, however long."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, everything else in its order."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def data_folder() -> Path:
    """Return the folder of real data: ALIGNKIT_DATA, else ../shared/data from the project's root."""
    named = os.environ.get("ALIGNKIT_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Return the client of a cluster of two processes on this machine."""
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(host="127.0.0.1", **settings) as cluster, Client(cluster) as found:
        yield found


@pytest.fixture(scope="session")
def shared_data() -> Callable[..., Path]:
    """Return a function that gives the path of a real data file, or skips with the reason."""

    def find(*parts: str) -> Path:
        path = data_folder().joinpath(*parts)
        if not path.exists():
            pytest.skip(f"real data not at hand: {'/'.join(parts)} (set ALIGNKIT_DATA)")
        return path

    return find


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    """Close what a test has drawn: matplotlib warns of more than 20 open figures, in whichever test comes next."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)


@pytest.fixture
def readonly() -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that makes a read-only copy, so that a write into an argument fails loudly."""

    def freeze(array: np.ndarray) -> np.ndarray:
        frozen = np.array(array)
        frozen.flags.writeable = False
        return frozen

    return freeze
