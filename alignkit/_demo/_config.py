"""What the demo may be asked for, and what to run on real data after it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alignkit._check import check_count

#: What to run on real data, names in capitals being the user's own; printed and put into the report.
REAL_COMMANDS = (
    "alignkit data list",
    "alignkit extract --model efficientnet-lite0 --images MY_IMAGES --out feats",
    "alignkit score --features feats --dataset things --root DATA_FOLDER --out result.html",
    "alignkit align fit feats --triplets MY_ANSWERS.csv --out teacher",
    "alignkit train hba --images MY_IMAGES --root DATA_FOLDER --out my-model",
    "alignkit train hba --subject all --start my-model --triplets MY_ANSWERS.csv --out my-people",
    "alignkit train hba-meg --images MY_IMAGES --rdms MY_RDMS.zarr --start my-model --out my-dynamic-model",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """Do the whole job on simulated people, offline, in a few minutes: draw objects, extract, score, train, report.

    A model is scored against people and brains; a network is trained to see as these people do (CLIP-HBA), and a
    pretrained one gets a transform fitted to their answers; both are scored again on objects that nothing was fitted
    to. Then come models of single people, and a network that unfolds in time as people's M/EEG does. Nothing is
    downloaded. Ctrl-C is safe: what is done is kept, and the same command goes on with it, to the same results.

    Examples
    --------
    alignkit demo
    alignkit demo --quick
    alignkit demo --out my-demo --n-objects 48 --seed 7 --no-train
    """

    out: Path = Path("alignkit-demo")
    """Folder for images, features, models, results and the report; made when missing."""
    quick: bool = False
    """The same story in under a minute: so few objects, people and steps that its figures say little."""
    n_objects: int | None = None
    """Objects to draw, and again as many new ones to score what was trained; by default 96, quick: 20."""
    n_participants: int | None = None
    """People to simulate; by default 24, quick: 6."""
    seed: int = 0
    """Seed of everything that is drawn."""
    train: bool = True
    """Train in the lab as well, some five minutes on two cores."""
    n_training_objects: int | None = None
    """Objects of the larger lab for that, a quarter of them held out; by default 4800, quick: 240."""
    training_steps: int | None = None
    """Optimiser steps; by default 1800, quick: 60."""

    def __post_init__(self) -> None:
        for name, least in (("n_objects", 16), ("n_participants", 3), ("n_training_objects", 64)):
            if getattr(self, name) is not None:
                check_count(f"--{name.replace('_', '-')}", getattr(self, name), least)
        if self.training_steps is not None:
            check_count("--training-steps", self.training_steps, 10)
        check_count("--seed", self.seed)

    def plan(self) -> DemoPlan:
        """Return what is to be done, with a number for everything."""
        asked = {name: getattr(self, name) for name in _COUNTS if getattr(self, name) is not None}
        sizes: Mapping[str, Any] = {**(_QUICK if self.quick else {}), **asked}
        return DemoPlan(out=self.out, seed=self.seed, train=self.train, quick=self.quick, **sizes)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """Sizes of everything that the demo does."""

    out: Path = Path("alignkit-demo")
    """Folder for all of it."""
    seed: int = 0
    """Of everything that is drawn."""
    train: bool = True
    """Whether to train."""
    quick: bool = False
    """Whether it is the short version, whose models have folders of their own."""
    n_objects: int = 96
    """Objects to score on, before training and, others, after."""
    n_participants: int = 24
    """People."""
    n_training_objects: int = 4800
    """Objects of the lab for training, a quarter of them held out."""
    training_steps: int = 1800
    """Optimiser steps."""
    n_answers: int = 20_000
    """Answers about objects held out that training is judged by."""
    n_own: int = 2_000
    """Answers of each person, for models of their own."""
    views_again: int = 2
    """Pictures of each object that is scored after training."""
    n_taught: int = 24_000
    """Answers that the teacher transform is fitted to."""
    views: int = 3
    """Pictures of each object to train on."""
    views_held_out: int = 8
    """Pictures of each that is held out: predictions are means over these."""
    n_recorded: int = 12
    """People whose M/EEG is recorded, at most."""
    n_shown: int = 160
    """Objects that they see, at most."""
    n_times: int = 71
    """Samples of a trial, 100 a second."""
    unfolding_epochs: int = 30
    """Epochs of the model that unfolds in time."""
    n_bootstrap: int = 1000
    """Resamples behind every interval."""


_COUNTS = ("n_objects", "n_participants", "n_training_objects", "training_steps")
_QUICK: Mapping[str, Any] = {
    "n_objects": 20,
    "n_participants": 6,
    "n_training_objects": 240,
    "training_steps": 60,
    "n_answers": 4_000,
    "n_own": 300,
    "views_again": 1,
    "n_taught": 4_000,
    "views": 2,
    "views_held_out": 2,
    "n_recorded": 4,
    "n_shown": 40,
    "n_times": 46,
    "unfolding_epochs": 2,
    "n_bootstrap": 100,
}


def say(text: str) -> None:
    """Tell how far the demo is."""
    print(text, file=sys.stderr, flush=True)
