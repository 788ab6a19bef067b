"""The flags of ``alignkit train pi``: those of all arms, and those of the three optimisers and loops."""

from __future__ import annotations

from reference.loop_flags import LOOP

_OPTIM = (
    "lr",
    "weight-decay",
    "decay-all",
    "decay-to-init",
    "beta1",
    "beta2",
    "eps",
    "schedule",
    "warmup",
    "final-lr",
    "clip",
)
#: As FROZEN has it of the other verbs.
PI = {
    "pairs",
    "captions",
    "val-pairs",
    "val-captions",
    "index",
    "check",
    "zero-shot",
    "human",
    "root",
    "out",
    "architecture",
    "loss",
    "init-scale",
    "max-scale",
    "augmentation",
    "n-bootstrap",
    "arms",
    "seeds",
    "judgements",
    "dataset",
    "images",
    "items",
    "min-votes",
    "label-images",
    "n-label-judgements",
    "val-share",
    "split-seed",
    "objective",
    "margin",
    "soft-votes",
    "preset",
    "resume",
    *(f"{stage}optim.{name}" for stage in ("", "first-", "post-hoc-") for name in _OPTIM),
    *(f"{stage}{name}" for stage in ("", "first-", "post-hoc-") for name in LOOP),
}
