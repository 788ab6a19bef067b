from __future__ import annotations

from pathlib import Path

import pytest

from alignkit.data import SimulatedLab, simulate
from alignkit.train.hba._data import HBAData


@pytest.fixture(scope="session")
def lab() -> SimulatedLab:
    return simulate(40, n_participants=4, image_size=32, n_triplets=3000, n_held_out=200, images_per_object=2, rng=5)


@pytest.fixture(scope="session")
def lab_data(lab: SimulatedLab, tmp_path_factory: pytest.TempPathFactory) -> HBAData:
    """Forty simulated objects with two pictures each."""
    return HBAData.from_lab(lab, Path(tmp_path_factory.mktemp("lab")))
