"""Settings by name: what was published, and what we recommend."""

from __future__ import annotations

from collections.abc import Callable

from alignkit.models._adapter_config import AdapterConfig
from alignkit.train.config import LoopConfig, OptimConfig
from alignkit.train.hba.config import HBAConfig


def default() -> HBAConfig:
    """Return the recommended settings: the recipe of CLIP-HBA without its mistakes.

    DoRA of rank 32 that starts at the frozen network, the backbone's own preprocessing, rows of THINGS as they should
    be, dropout that acts, and the epoch chosen by the RDM of the validation objects.
    """
    return HBAConfig()


def hba_ccn2024() -> HBAConfig:
    """Return what the first paper on CLIP-HBA describes: LoRA of rank 8 on the published targets."""
    return _published(AdapterConfig(kind="lora", rank=8, alpha=16.0, dropout=0.1))


def hba_2025() -> HBAConfig:
    """Return what the official code does: DoRA of rank 32 that does not start at the frozen network.

    Its dropout never acts (``nn.MultiheadAttention`` does not call the module that holds it), hence none here.
    """
    return _published(AdapterConfig(kind="dora", rank=32, alpha=16.0, dropout=0.0, init="kaiming-both"))


#: What ``--preset`` takes.
PRESETS: dict[str, Callable[[], HBAConfig]] = {
    "default": default,
    "hba-2025": hba_2025,
    "hba-ccn2024": hba_ccn2024,
}


def _published(adapter: AdapterConfig) -> HBAConfig:
    return HBAConfig(
        preprocess="hba",
        order="published",
        adapter=adapter,
        optim=OptimConfig(lr=3e-4, weight_decay=0.01, decay_all=True),
        loop=LoopConfig(epochs=500, batch_size=64, patience=20, monitor="val_loss", mode="min", seed=1),
    )
