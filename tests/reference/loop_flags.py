"""The flags of the training loop, which all verbs that train have."""

from __future__ import annotations

#: As FROZEN has it of whole verbs.
LOOP = (
    "loop.epochs",
    "loop.max-steps",
    "loop.batch-size",
    "loop.accumulate",
    "loop.accumulation",
    "loop.drop-last",
    "loop.precision",
    "loop.ema",
    "loop.validate-every",
    "loop.checkpoint-every",
    "loop.keep-last",
    "loop.keep-epochs",
    "loop.patience",
    "loop.monitor",
    "loop.mode",
    "loop.log-every",
    "loop.tensorboard",
    "loop.wandb",
    "loop.seed",
    "loop.device",
    "loop.parallel",
    "loop.gradient-checkpointing",
    "loop.compile",
    "loop.progress",
)
