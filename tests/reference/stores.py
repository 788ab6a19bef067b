"""A small store of RDMs over time, as tests make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from alignkit.meg import RDMStore

LABELS = ("zebra", "café", "日本", "ant")
TIMES = np.array([-0.1, 0.0, 0.1, 0.2, 0.3])


def create(path: Path, **changes: Any) -> RDMStore:
    """Return a new store of four items and five times, or with other options."""
    options: dict[str, Any] = {"labels": LABELS, "times": TIMES, "metric": "crossnobis", "provenance": {"folds": 4}}
    return RDMStore.create(path, **{**options, **changes})
