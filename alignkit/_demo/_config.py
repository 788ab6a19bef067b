"""What the demo may be asked for, and what to run on real data after it."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from alignkit._check import check_count

#: What to run on real data; printed and put into the report.
REAL_COMMANDS = (
    "alignkit data list",
    "alignkit extract --model efficientnet-lite0 --images MY_IMAGES --out feats",
    "alignkit score --features feats --dataset things --root DATA_FOLDER --out result.html",
    "alignkit train hba --images MY_IMAGES --root DATA_FOLDER --out my-model",
    "alignkit train hba-meg --images MY_IMAGES --rdms MY_RDMS.zarr --start my-model --out my-dynamic-model",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """Do the whole job on simulated people, offline: draw objects, extract, score, train, report.

    Nothing is downloaded. A second run reuses the images, features and models that are there, and goes on with a
    training that was stopped.

    Examples
    --------
    alignkit demo
    alignkit demo --no-train
    alignkit demo --out my-demo --n-objects 48 --seed 7
    """

    out: Path = Path("alignkit-demo")
    """Folder for images, features, models, results and the report; made when missing."""
    n_objects: int = 96
    """Objects to draw."""
    n_participants: int = 24
    """People to simulate."""
    seed: int = 0
    """Seed of everything that is drawn."""
    train: bool = True
    """Train CLIP-HBA and CLIP-HBA-MEG in the lab as well, up to five minutes on two cores."""
    n_training_objects: int = 4800
    """Objects of the larger lab for that; a quarter of them is held out."""
    training_steps: int = 2400
    """Optimiser steps."""

    def __post_init__(self) -> None:
        check_count("--n-objects", self.n_objects, 16)
        check_count("--n-participants", self.n_participants, 3)
        check_count("--seed", self.seed)
        check_count("--n-training-objects", self.n_training_objects, 64)
        check_count("--training-steps", self.training_steps, 10)


def say(text: str) -> None:
    """Tell how far the demo is."""
    print(text, file=sys.stderr, flush=True)
