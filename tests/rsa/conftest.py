"""THINGS embeddings and human answers, read straight from their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import Triplets


@pytest.fixture(scope="session")
def spose66(shared_data: Callable[..., Path]) -> np.ndarray:
    """SPoSE-66 in uniqueID order, as published."""
    return np.loadtxt(shared_data("things", "spose_embedding_66d_sorted.txt"))


@pytest.fixture(scope="session")
def spose66_files(spose66: np.ndarray, shared_data: Callable[..., Path]) -> np.ndarray:
    """SPoSE-66 in file order, the order of the answers."""
    order = np.loadtxt(shared_data("things", "sortindex.txt"), dtype=int)
    moved = np.empty_like(spose66)
    moved[order] = spose66
    return moved


@pytest.fixture(scope="session")
def things_repeats(shared_data: Callable[..., Path]) -> Triplets:
    """20,000 answers to 1,000 triplets by 325 people."""
    rows = np.loadtxt(shared_data("things", "triplets_repeats.csv"), delimiter="\t", dtype=int)
    return Triplets.from_columns(rows[:, :3], odd=rows[:, 3], base=1, participant=rows[:, 4])


@pytest.fixture(scope="session")
def things_test10(shared_data: Callable[..., Path]) -> Triplets:
    """146,168 answers, the odd one last, counted from 0."""
    return Triplets(np.loadtxt(shared_data("things", "triplets_test10.txt"), dtype=int))


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """Where torch computes."""
    torch = pytest.importorskip("torch")
    name: str = request.param
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return name
