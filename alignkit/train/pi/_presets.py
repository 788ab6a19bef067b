"""Settings by name: those of Perceptual Initialization for each architecture, as read from its authors' code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from alignkit.train.config import LoopConfig
from alignkit.train.pi.config import ContrastiveConfig, PerceptualConfig, published_optim

#: Pairs of an optimiser step, over all GPUs and parts.
_PAIRS = 36_864
#: Judgements of one.
_JUDGEMENTS = 768


def vit_b32() -> ContrastiveConfig:
    """Return the article's settings of stage 2, for ViT-B/32.

    Batches of 36,864 pairs in 6 parts, whose negatives come from one part alone (``accumulation="plain"``); the cosine
    ends at the last optimiser step, which theirs missed.
    """
    return _stage_2("ViT-B-32", epochs=32, warmup=2500, parts=6)


def vit_b16() -> ContrastiveConfig:
    """Return the settings of stage 2 for ViT-B/16."""
    return _stage_2("ViT-B-16", epochs=64, warmup=2500, parts=6)


def vit_l14() -> ContrastiveConfig:
    """Return the settings of stage 2 for ViT-L/14."""
    return _stage_2("ViT-L-14", epochs=32, warmup=10_000, parts=48)


def rn50() -> ContrastiveConfig:
    """Return the settings of stage 2 for ResNet-50."""
    return _stage_2("RN50", epochs=32, warmup=2500, parts=6)


#: What ``--preset`` takes.
PRESETS: dict[str, Callable[[], ContrastiveConfig]] = {
    "default": ContrastiveConfig,
    "rn50": rn50,
    "vit-b-16": vit_b16,
    "vit-b-32": vit_b32,
    "vit-l-14": vit_l14,
}


def stage_1(architecture: str = "ViT-B-32", /) -> PerceptualConfig:
    """Return the published settings of stage 1: 32 epochs of batches of 768 judgements, warm-up 150 steps, bfloat16.

    For ViT-L/14 the published batch is 192 (32 on each of 6 GPUs).
    """
    batch = 192 if architecture == "ViT-L-14" else _JUDGEMENTS
    return PerceptualConfig(
        architecture=architecture,
        optim=published_optim(warmup=150),
        loop=LoopConfig(
            epochs=32, batch_size=batch, precision="bf16", monitor="val_accuracy", mode="last", keep_last=3, seed=42
        ),
    )


def post_hoc(architecture: str = "ViT-B-32", /) -> PerceptualConfig:
    """Return the published settings of the fine-tuning that Perceptual Initialization is compared with.

    Queries, keys and values alone, Adam with a rate of 1e-5, 64 epochs of batches of 96. ``start`` is to be given.
    """
    first = stage_1(architecture)
    optim = dataclasses.replace(first.optim, lr=1e-5, weight_decay=0.0, beta2=0.999)
    loop = dataclasses.replace(first.loop, epochs=64, batch_size=96)
    return dataclasses.replace(first, optim=optim, loop=loop)


def _stage_2(architecture: str, *, epochs: int, warmup: int, parts: int) -> ContrastiveConfig:
    return ContrastiveConfig(
        architecture=architecture,
        init_scale=100.0,
        augmentation="pi",
        optim=published_optim(warmup=warmup),
        loop=LoopConfig(
            epochs=epochs,
            batch_size=_PAIRS,
            accumulate=parts,
            accumulation="plain",
            drop_last=True,
            precision="bf16",
            monitor="zero_shot",
            mode="last",
            keep_epochs=1,
            seed=42,
        ),
    )
