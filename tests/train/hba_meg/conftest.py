from __future__ import annotations

from pathlib import Path

import pytest

from alignkit._demo._meg_lab import MEGLab, make_meg_lab
from alignkit.data import simulate


@pytest.fixture(scope="session")
def meg_lab(tmp_path_factory: pytest.TempPathFactory) -> MEGLab:
    """Four simulated people who saw 24 objects in eight sessions, recorded at twelve times."""
    few = {"n_triplets": 500, "n_held_out": 200, "n_repeats": 20, "n_two_afc": 20, "n_scanned": 1}
    lab = simulate(24, n_participants=4, image_size=32, rng=5, **few)
    folder = Path(tmp_path_factory.mktemp("meg-lab"))
    small = {"n_subjects": 4, "n_sessions": 8, "n_channels": 16, "n_times": 12, "sfreq": 25.0, "peak_s": 0.18}
    return make_meg_lab(folder, lab, **small, snr=0.1)
