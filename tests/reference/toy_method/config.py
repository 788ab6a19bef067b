"""Settings of the toy method."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from alignkit.train.config import LoopConfig, OptimConfig


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ToyConfig:
    """Fit a small network to random numbers."""

    out: Path = Path("toy")
    """The run's folder."""
    table: Path | None = None
    """An input file."""
    n_samples: int = 20
    """Training samples."""
    pause: float = 0.0
    """Seconds that a batch takes."""
    loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(epochs=6, batch_size=8, progress=False, device="cpu")
    )
    """The loop."""
    optim: OptimConfig = dataclasses.field(default_factory=lambda: OptimConfig(lr=0.01, schedule="cosine", warmup=2))
    """The optimiser."""
