"""Settings by name: what was published, and what we recommend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alignkit.models._adapter_config import AdapterConfig
from alignkit.train.config import LoopConfig, OptimConfig
from alignkit.train.hba_meg.config import HBAMEGConfig, TermsConfig

#: All blocks of the vision tower of ViT-L/14.
_BLOCKS = 24
#: Of 1,806 images, so many chose the epoch.
_VAL_SHARE = 350 / 1806


def default() -> HBAMEGConfig:
    """Return the recommended settings: the recipe of CLIP-HBA-MEG without its mistakes.

    Dimensions are cosines, so that training starts at what the start gives; nothing comes before its time (no
    smoothing), inference draws nothing, and the epoch is chosen by the RDMs of the validation items.
    """
    return HBAMEGConfig()


def published() -> HBAMEGConfig:
    """Return what the official code does with the four people of THINGS-MEG.

    Of its text side, ``start`` names the run. Epochs are counted in each stage, where the official code counts those of
    both; it drew its batches once, so that few pairs of items were ever seen together, which is not repeated here.
    """
    return _published(
        rank=32,
        terms=TermsConfig(over_all=1.0, size=0.1, generalization=0.15),
        loop={"epochs": 50, "batch_size": 50, "patience": 5},
        weights_epochs=50,
        weights_patience=5,
        val_share=_VAL_SHARE,
    )


def published_person() -> HBAMEGConfig:
    """Return what the official code does with each of the 15 people of Cichy-118, ten of whose 40 epochs are stage 1.

    Of samples of 1 ms the first is kept, and each five that follow are averaged.
    """
    return _published(
        rank=6,
        terms=TermsConfig(over_all=1.0, size=0.15, generalization=0.1),
        loop={"epochs": 30, "batch_size": 40, "patience": 10},
        weights_epochs=10,
        weights_patience=10,  # theirs never acts
        average=5,
    )


#: What ``--preset`` takes.
PRESETS: dict[str, Callable[[], HBAMEGConfig]] = {
    "default": default,
    "published": published,
    "published-person": published_person,
}


def _published(*, rank: int, loop: dict[str, Any], **own: Any) -> HBAMEGConfig:
    """Return what both have: a readout without norms, a window that sees what comes, noise, and a start off CLIP."""
    return HBAMEGConfig(
        readout="linear",
        window="centred",
        reach=3,
        noise="published",
        scale="published",
        preprocess="hba",
        start_image=False,
        adapter=AdapterConfig(
            kind="dora",
            rank=rank,
            alpha=16.0,
            dropout=0.0,
            init="kaiming-both",
            image_blocks=_BLOCKS,
            text_blocks=0,
            train_magnitude=False,
        ),
        weights_lr=3e-3,
        optim=OptimConfig(lr=3e-5, weight_decay=0.01, decay_all=True),
        loop=LoopConfig(monitor="val_loss", mode="min", **loop),
        **own,
    )
