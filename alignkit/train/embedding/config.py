"""Settings of SPoSE and VICE."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from alignkit._check import (
    check_choice,
    check_count,
    check_fraction,
    check_not_negative,
    check_number,
    check_positive,
)
from alignkit.train.config import LoopConfig, OptimConfig

Odd = Literal["first", "second", "third"]
Penalty = Literal["chance", "items"]
Slab = Literal["normal", "laplace"]
Start = Literal["rotated", "random"]
#: What a validation measures; all are better when they are small.
MONITORS = ("val_cross_entropy", "n_dims")
#: Fields that name files and folders; Python callers may write them as text.
_PATHS = ("triplets", "labels", "root", "out")


def _loop() -> LoopConfig:
    return LoopConfig(
        epochs=100_000,
        max_steps=3000,
        batch_size=4096,
        validate_every=150,
        checkpoint_every=300,
        log_every=10,
        monitor="val_cross_entropy",
    )


def _optim() -> OptimConfig:
    return OptimConfig(lr=0.005, weight_decay=0.0, schedule="cosine")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingConfig:
    """What SPoSE and VICE share: the answers, the split, and the loop."""

    triplets: Path | None = None
    """People's odd-one-out answers: .csv or .tsv with the columns first, second and odd; .npz of Triplets.save, whose
    soft labels are learned from where it has them (these have no noise: a tenth of the penalties does for them); .json
    of jsPsych; or numbers (.txt, .npy). By default 146,168 answers about THINGS, where they are at hand."""
    labels: Path | None = None
    """Text file, one item a line, that the numbers of a .txt or .npy file stand for."""
    base: Literal[0, 1] = 0
    """What such numbers count from."""
    odd: Odd = "third"
    """Column of the odd one out in such a file."""
    root: Path | None = None
    """Folder that holds the data sets; by default ALIGNKIT_DATA, else the download cache."""
    out: Path = Path("alignkit-embedding")
    """The run's folder; made when missing."""

    val_share: float = 0.1
    """Share of the triples of items whose answers choose the step that is kept."""
    test_share: float = 0.1
    """Share of the triples of items whose answers are for scoring alone; 0 for none."""
    split_seed: int = 1
    """Seed of that split."""

    n_dims: int = 100
    """Dimensions to begin with; those that the answers do not need are pruned."""
    start: Start = "rotated"
    """Begin at a free embedding of the same answers, rotated until its values are sparse, which finds more dimensions
    of few answers; or at random values, as published."""
    start_penalty: float = 0.65
    """Weight of the free embedding's sum of squares, over the square root of answers times items: it holds down what
    chance brings about, whatever their numbers."""
    start_lr: float = 0.01
    """Its learning rate."""
    start_steps: int = 2000
    """Its optimiser steps."""
    init_mean: float = 0.1
    """Mean of random values to begin with."""
    init_sd: float = 0.1
    """Standard deviation of these."""

    optim: OptimConfig = dataclasses.field(default_factory=_optim)
    """The optimiser."""
    loop: LoopConfig = dataclasses.field(default_factory=_loop)
    """The loop; a sample is an answer."""
    n_bootstrap: int = 1000
    """Resamples for every interval."""

    def __post_init__(self) -> None:
        for name in _PATHS:
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        if self.base not in (0, 1):
            msg = f"base must be 0 or 1 (what the file counts from); got {self.base!r}."
            raise ValueError(msg)
        check_choice("odd", self.odd, get_args(Odd))
        check_choice("start", self.start, get_args(Start))
        check_not_negative("start_penalty", self.start_penalty)
        check_positive("start_lr", self.start_lr)
        check_count("start_steps", self.start_steps, 1)
        check_fraction("val_share", self.val_share)
        if self.test_share:
            check_fraction("test_share", self.test_share)
        if self.val_share + self.test_share >= 1:
            msg = f"val_share {self.val_share:g} and test_share {self.test_share:g} leave nothing to train on."
            raise ValueError(msg)
        check_count("split_seed", self.split_seed)
        check_count("n_dims", self.n_dims, 1)
        check_count("n_bootstrap", self.n_bootstrap)
        check_number("init_mean", self.init_mean)
        check_positive("init_sd", self.init_sd)
        _check_loop(self.loop)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SPoSEConfig(EmbeddingConfig):
    """Learn sparse, non-negative dimensions that explain people's odd-one-out answers (SPoSE).

    Examples
    --------
    alignkit train spose --triplets answers.csv --out my-embedding
    """

    out: Path = Path("alignkit-spose")
    """The run's folder; made when missing."""
    penalty: float = 0.25
    """Weight of the sum of absolute values."""
    penalty_per: Penalty = "chance"
    """What that weight is divided by: the square root of answers times items, as what chance brings about is, so that
    other numbers of answers need no other weight; or, as published (with a weight of .008), the number of items."""
    negative_penalty: float = 0.01
    """Weight of the sum of what is below zero."""
    threshold: float = 0.1
    """Dimensions whose largest value is not above this are pruned."""

    def __post_init__(self) -> None:
        EmbeddingConfig.__post_init__(self)
        check_choice("penalty_per", self.penalty_per, get_args(Penalty))
        for name in ("penalty", "negative_penalty", "threshold"):
            check_not_negative(name, getattr(self, name))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VICEConfig(EmbeddingConfig):
    """Learn a distribution over non-negative dimensions that explain people's odd-one-out answers (VICE).

    Examples
    --------
    alignkit train vice --triplets answers.csv --out my-embedding
    """

    out: Path = Path("alignkit-vice")
    """The run's folder; made when missing."""
    prior: Slab = "normal"
    """Family of both parts of the prior: normal or laplace."""
    spike: float = 0.25
    """Scale of the prior's narrow part."""
    slab: float = 1.0
    """Scale of its wide part."""
    spike_share: float = 0.5
    """Share of the narrow part."""
    init_log_scale: float = -3.0
    """Logarithm of the posterior's standard deviations to begin with."""
    fdr: float = 0.05
    """False discovery rate of values above zero (Benjamini and Hochberg), within a dimension."""
    min_items: int = 5
    """Dimensions with no more items than this above zero are pruned."""
    n_posterior: int = 25
    """Draws that choice probabilities are averaged over."""

    def __post_init__(self) -> None:
        EmbeddingConfig.__post_init__(self)
        check_choice("prior", self.prior, get_args(Slab))
        for name in ("spike", "slab"):
            check_positive(name, getattr(self, name))
        for name in ("spike_share", "fdr"):
            check_fraction(name, getattr(self, name))
        check_number("init_log_scale", self.init_log_scale)
        check_count("min_items", self.min_items)
        check_count("n_posterior", self.n_posterior, 1)


def _check_loop(loop: LoopConfig) -> None:
    if loop.parallel == "fsdp":
        msg = "loop.parallel 'fsdp' would share out one small table; use 'ddp', or one process."
        raise ValueError(msg)
    check_choice("loop.monitor", loop.monitor, MONITORS)
    if loop.mode != "min":
        msg = f"loop.monitor {loop.monitor} is better when it is small; set loop.mode to 'min'."
        raise ValueError(msg)
