from __future__ import annotations

from pathlib import Path

import pytest

from alignkit._demo._meg_lab import MEGLab
from tests.reference.hba_meg_runs import small_lab


@pytest.fixture(scope="session")
def meg_lab(tmp_path_factory: pytest.TempPathFactory) -> MEGLab:
    """Four simulated people who saw 24 objects in eight sessions, recorded at twelve times."""
    return small_lab(Path(tmp_path_factory.mktemp("meg-lab")))
