"""Settings that all training methods share."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from alignkit._check import (
    check_choice,
    check_count,
    check_fraction,
    check_not_negative,
    check_positive,
    check_probability,
)

Schedule = Literal["constant", "cosine", "linear"]
Precision = Literal["fp32", "bf16", "fp16"]
Parallel = Literal["auto", "none", "ddp", "fsdp"]
Mode = Literal["max", "min", "last"]
Accumulation = Literal["exact", "plain"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """AdamW and its learning rate, which is a pure function of the optimiser step."""

    lr: float = 3e-4
    """Learning rate after the warm-up."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    decay_all: bool = False
    """Decay biases, norms, scales and other vectors too (torch's own default); otherwise matrices alone."""
    decay_to_init: float = 0.0
    """Decoupled decay of all that trains towards the weights that training began with: every step takes the learning
    rate times this share of the way back."""
    beta1: float = 0.9
    """Decay of the mean of gradients."""
    beta2: float = 0.999
    """Decay of the mean of squared gradients."""
    eps: float = 1e-8
    """AdamW's epsilon."""
    schedule: Schedule = "constant"
    """After the warm-up: constant, or down to `final-lr` at the last step along a cosine or a line."""
    warmup: int = 0
    """Optimiser steps in which the rate rises linearly from 0."""
    final_lr: float = 0.0
    """Rate at the last step, as a share of `lr`."""
    clip: float | None = None
    """Largest norm of the gradient over all parameters; by default no limit."""

    def __post_init__(self) -> None:
        check_positive("lr", self.lr)
        check_not_negative("weight_decay", self.weight_decay)
        check_not_negative("decay_to_init", self.decay_to_init)
        check_fraction("beta1", self.beta1)
        check_fraction("beta2", self.beta2)
        check_positive("eps", self.eps)
        check_choice("schedule", self.schedule, get_args(Schedule))
        check_count("warmup", self.warmup)
        check_probability("final_lr", self.final_lr)
        if self.clip is not None:
            check_positive("clip", self.clip)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How long and how to train, what to keep, and what to watch."""

    epochs: int = 50
    """Passes over the training data, at most."""
    max_steps: int | None = None
    """Optimiser steps, at most; by default what `epochs` says."""
    batch_size: int = 64
    """Samples of one optimiser step, over all processes and accumulation steps."""
    accumulate: int = 1
    """Parts in which every process computes its share of a batch."""
    accumulation: Accumulation = "exact"
    """exact: the gradient of the whole batch's loss, by a second forward pass; plain: the mean of the parts' losses, by
    one forward pass, so that losses that compare samples see those of one part only (of all processes)."""
    drop_last: bool = False
    """Leave out what does not fill the last batch of an epoch; otherwise that batch is smaller."""
    precision: Precision = "fp32"
    """Of the forward pass, by autocast; weights, losses and the optimiser stay float32."""
    ema: float | None = None
    """Decay of an average of the weights, which is validated and exported in their place; by default none."""
    validate_every: int | None = None
    """Optimiser steps between validations; by default one epoch."""
    checkpoint_every: int | None = None
    """Optimiser steps between checkpoints; by default at every validation."""
    keep_last: int = 2
    """Newest checkpoints to keep, besides the best one."""
    keep_epochs: int | None = None
    """Export the model for good after every so many epochs, into epochs/0001 ... of the run's folder (0000: untrained):
    for curves over samples seen; by default none."""
    patience: int | None = None
    """Validations without a better `monitor` after which to stop; by default never."""
    monitor: str = "loss"
    """Validation metric that the best checkpoint has."""
    mode: Mode = "min"
    """Whether that metric is better when it is small or large; last: the newest weights are kept, whatever it is."""
    log_every: int = 1
    """Optimiser steps between lines in metrics.jsonl."""
    tensorboard: bool = False
    """Also log for TensorBoard (into the run's folder)."""
    wandb: str | None = None
    """Also log to this Weights & Biases project."""
    seed: int = 0
    """Of the order of samples, dropout and new weights."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1 ..."""
    parallel: Parallel = "auto"
    """Under torchrun: ddp (auto) or fsdp."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them."""
    compile: bool = False
    """Let torch.compile translate the module first."""
    progress: bool = True
    """Show a bar with loss, metric, samples per second and the time left."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "keep_last", "log_every"):
            check_count(name, getattr(self, name), 1)
        for name in ("max_steps", "validate_every", "checkpoint_every", "keep_epochs", "patience"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), 1)
        check_count("seed", self.seed)
        if self.ema is not None:
            check_fraction("ema", self.ema)
        choices = {"precision": Precision, "mode": Mode, "parallel": Parallel, "accumulation": Accumulation}
        for name, allowed in choices.items():
            check_choice(name, getattr(self, name), get_args(allowed))
