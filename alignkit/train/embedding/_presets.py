"""Settings by name: what was published, and what two cores do in minutes."""

from __future__ import annotations

from collections.abc import Callable

from alignkit.train.config import LoopConfig, OptimConfig
from alignkit.train.embedding.config import SPoSEConfig, VICEConfig

#: Steps between validations, where an epoch of batches of 128 has thousands.
_EVERY = 5000


def spose() -> SPoSEConfig:
    """Return the recommended settings of SPoSE."""
    return SPoSEConfig()


def published_spose() -> SPoSEConfig:
    """Return what SPoSE was published with: Adam at a constant rate, batches of 128, 500 passes, a tenth held out."""
    return SPoSEConfig(
        n_dims=90,
        start="random",
        init_sd=0.01,
        penalty=0.008,
        penalty_per="items",
        test_share=0.0,
        optim=OptimConfig(lr=1e-3, weight_decay=0.0),
        loop=_published_loop(500),
    )


def vice() -> VICEConfig:
    """Return the recommended settings of VICE."""
    return VICEConfig()


def published_vice() -> VICEConfig:
    """Return what VICE was published with: Adam at a constant rate, batches of 128, 2,000 passes, a tenth held out.

    Published means begin at a normal distribution around 0, and standard deviations at exp(-1 / its own).
    """
    sd = (2.0 / 100) ** 0.5
    return VICEConfig(
        n_dims=100,
        start="random",
        init_mean=0.0,
        init_sd=sd,
        init_log_scale=-1.0 / sd,
        spike=0.25,
        slab=1.0,
        spike_share=0.5,
        test_share=0.0,
        optim=OptimConfig(lr=1e-3, weight_decay=0.0),
        loop=_published_loop(2000),
    )


def _published_loop(epochs: int) -> LoopConfig:
    return LoopConfig(
        epochs=epochs,
        batch_size=128,
        validate_every=_EVERY,
        checkpoint_every=_EVERY,
        log_every=100,
        monitor="val_cross_entropy",
    )


#: What ``--preset`` takes.
SPOSE_PRESETS: dict[str, Callable[[], SPoSEConfig]] = {"default": spose, "published": published_spose}
VICE_PRESETS: dict[str, Callable[[], VICEConfig]] = {"default": vice, "published": published_vice}
