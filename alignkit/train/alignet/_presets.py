"""Settings by name: what was released, and what a laptop does in an hour."""

from __future__ import annotations

from collections.abc import Callable

from alignkit.models._adapter_config import AdapterConfig
from alignkit.train.alignet.config import AligNetConfig
from alignkit.train.config import LoopConfig, OptimConfig


def alignet_released() -> AligNetConfig:
    """Return the released student's settings.

    SigLIP B/16, all weights and a new head of 1,024 channels; the Jensen-Shannon divergence with student similarities
    divided by 100; Adam with decoupled decay of 1 to the initial weights; 100,000 steps of 512 triplets, warm-up 5,000,
    rate 3e-5 down a cosine; images squashed to 224 pixels, values from 0 to 1, no augmentation. The released file
    itself names the triplets of the untransformed teacher; here the arm is what ``triplets`` and ``arm`` say.
    """
    return AligNetConfig(
        backbone="open_clip:ViT-B-16-SigLIP/webli",
        img_size=224,
        preprocess="alignet",
        head=1024,
        objective="jsd",
        student_temperature=100.0,
        adapter=AdapterConfig(kind="full", image_blocks=1000),
        optim=OptimConfig(lr=3e-5, weight_decay=0.0, decay_to_init=1.0, schedule="cosine", warmup=5000),
        loop=LoopConfig(
            epochs=1000,
            max_steps=100_000,
            batch_size=512,
            validate_every=5000,
            checkpoint_every=10_000,
            keep_last=3,
            monitor="val_loss",
            log_every=50,
        ),
        cache=False,
    )


def alignet_small() -> AligNetConfig:
    """Return settings for an hour on a laptop: what lies below the last block is computed once and kept on disk.

    LoRA in the last block and a head that begins at centred features, with the temperature that suits them; the first
    100,000 triplets, once. ``adapter.kind`` "none" trains the head alone, for networks without blocks, in minutes.
    """
    return AligNetConfig(
        head=512,
        centre=True,
        student_temperature=0.0,
        n_triplets=100_000,
        adapter=AdapterConfig(
            kind="lora", rank=16, alpha=16.0, dropout=0.0, image_blocks=1, projections=("q", "k", "v", "out")
        ),
        optim=OptimConfig(lr=1e-3, weight_decay=0.0, decay_to_init=0.1, schedule="cosine", warmup=20),
        loop=LoopConfig(epochs=1, batch_size=256, validate_every=50, monitor="val_loss"),
        cache_dtype="float16",
    )


#: What ``--preset`` takes.
PRESETS: dict[str, Callable[[], AligNetConfig]] = {
    "alignet-released": alignet_released,
    "alignet-small": alignet_small,
}
