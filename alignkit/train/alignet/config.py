"""Settings of AligNet's student: the network that learns from triplets with a teacher's similarities."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from alignkit._check import (
    check_choice,
    check_count,
    check_fraction,
    check_img_size,
    check_not_negative,
    check_positive,
)
from alignkit.models._adapter_config import AdapterConfig
from alignkit.train.config import LoopConfig, OptimConfig

Objective = Literal["jsd", "kl", "cross-entropy"]
Arm = Literal["aligned", "untransformed", "shuffled"]

#: Fields that name files and folders; Python callers may write them as text.
_PATHS = (
    "images",
    "triplets",
    "val_triplets",
    "items",
    "held_out",
    "answers",
    "probe",
    "root",
    "out",
    "weights",
    "cache_folder",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AligNetConfig:
    """Train a network so that its similarities of three images give a teacher's choice of the odd one out.

    Examples
    --------
    >>> config = AligNetConfig(images="photos", triplets="triplets.zarr", backbone="vit.safetensors")
    >>> config.objective, config.student_temperature, config.optim.decay_to_init
    ('jsd', 100.0, 1.0)
    """

    images: Path | None = None
    """Folder of images, searched with its subfolders; by default the photos of THINGS where they are at hand."""
    triplets: Path | None = None
    """What to learn: triplets of these images with the teacher's similarities, from `alignkit align triplets` or in the
    published layout (.npz)."""
    val_triplets: Path | None = None
    """Triplets of images that are not trained on, to choose the weights by; by default those among `val-share`."""
    arm: Arm | None = None
    """What the similarities are: of the aligned teacher; untransformed (control), of the teacher as it was before; or
    shuffled (control), with images exchanged at random. By default what the file says, else aligned."""
    n_triplets: int | None = None
    """Use only the first so many triplets of the file; by default all."""
    val_share: float = 0.2
    """Share of the images (of the items, where it is known what images show) that the weights are chosen on: triplets
    among these alone are validated, those among the others alone are trained."""
    split_seed: int = 1
    """Seed of that split, and of the shuffled arm."""
    items: Path | None = None
    """Table (.csv or .tsv) with the columns file and item: what each image shows; by default its name says so."""
    held_out: Path | None = None
    """Text file, one item a line, of items that are neither trained nor chosen on, to be scored on."""
    answers: Path | None = None
    """People's odd-one-out answers about items, to be scored on; by default those of THINGS. Formats as for HBA."""
    probe: Path | None = None
    """Folder of other images with a subfolder per class: how well classes can be told apart, before and after."""
    n_probe: int = 1000
    """Images of `probe` that are used, about equally many of each class."""
    root: Path | None = None
    """Folder that holds the data sets; by default ALIGNKIT_DATA, else the download cache."""
    out: Path = Path("alignkit-alignet")
    """The run's folder; made when missing."""

    backbone: str = "open_clip:ViT-B-16-SigLIP/webli"
    """What is trained: any image model of `alignkit models list`, a file of weights, or module:factory."""
    weights: Path | None = None
    """A local file with the backbone's weights, in place of a download."""
    layer: str | None = None
    """Layer whose output is the embedding (name, or block number from 0); by default the backbone's own."""
    img_size: int | None = None
    """Input size in pixels, where it is not the backbone's own."""
    preprocess: Literal["own", "clip", "hba", "imagenet", "alignet"] = "own"
    """Preprocessing of images: the backbone's own, or another's."""

    head: int = 1024
    """Channels of a linear layer on top, whose dot products are the similarities; 0: none, those of the embedding."""
    centre: bool = False
    """Let the head begin with the mean embedding of training images taken off."""
    objective: Objective = "jsd"
    """Made small: jsd, the Jensen-Shannon divergence of the student's and the teacher's choice probabilities (as
    released); kl, the teacher's from the student's; or the cross-entropy of the pair that the teacher keeps."""
    teacher_temperature: float = 1.0
    """What the teacher's similarities are divided by before the softmax."""
    student_temperature: float = 100.0
    """What the student's are divided by; 0: what suits the untrained student best, found before training."""

    adapter: AdapterConfig = dataclasses.field(default_factory=lambda: AdapterConfig(kind="full", image_blocks=1000))
    """What is trained besides the head: full (of all blocks, or of the last ones), lora or dora, or none."""
    optim: OptimConfig = dataclasses.field(
        default_factory=lambda: OptimConfig(lr=3e-5, weight_decay=0.0, decay_to_init=1.0, schedule="cosine")
    )
    """The optimiser."""
    loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(epochs=1, batch_size=512, validate_every=200, monitor="val_loss")
    )
    """The loop; a sample is a triplet."""
    cache: bool = True
    """Run the frozen part once per image and read its output from disk from then on: the same numbers, faster."""
    cache_dtype: Literal["float32", "float16"] = "float32"
    """How that output is kept: float16 takes half of the disk and rounds."""
    cache_folder: Path | None = None
    """Where that output is kept, which runs may share; by default in the run's folder."""
    n_bootstrap: int = 1000
    """Resamples for every interval."""

    def __post_init__(self) -> None:
        for name in _PATHS:
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        if self.arm is not None:
            check_choice("arm", self.arm, get_args(Arm))
        check_choice("objective", self.objective, get_args(Objective))
        check_choice("preprocess", self.preprocess, ("own", "clip", "hba", "imagenet", "alignet"))
        check_choice("cache_dtype", self.cache_dtype, ("float32", "float16"))
        if self.n_triplets is not None:
            check_count("n_triplets", self.n_triplets, 1)
        check_count("head", self.head)
        check_fraction("val_share", self.val_share)
        check_positive("teacher_temperature", self.teacher_temperature)
        check_not_negative("student_temperature", self.student_temperature)
        check_count("split_seed", self.split_seed)
        check_count("n_bootstrap", self.n_bootstrap)
        check_count("n_probe", self.n_probe, 1)
        if self.img_size is not None:
            check_img_size(self.img_size)
        _check_parts(self)


def _check_parts(config: AligNetConfig) -> None:
    if not config.head and (config.adapter.kind == "none" or not config.adapter.image_blocks):
        msg = "nothing would train: there is no head, and nothing in the backbone (adapter.kind 'none'); set either."
        raise ValueError(msg)
    if not config.head and config.centre:
        msg = "centre is about where the head begins, and there is none; set head, or leave centre out."
        raise ValueError(msg)
    if config.loop.monitor.startswith("test_"):
        msg = f"loop.monitor may not be {config.loop.monitor}: no weights are chosen by held-out items; take val_loss."
        raise ValueError(msg)
