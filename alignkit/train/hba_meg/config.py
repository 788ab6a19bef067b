"""Settings of CLIP-HBA-MEG."""

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
from alignkit.train.config import LoopConfig, Mode, OptimConfig

Window = Literal["causal", "centred"]
Readout = Literal["cosine", "linear"]
Noise = Literal["off", "mean", "published"]
Scale = Literal["minmax", "published"]
Metric = Literal["correlation", "sqeuclidean"]
#: Whether a metric of validation is better when it is large or small.
MODES: dict[str, Mode] = {"val_loss": "min", "val_spearman": "max"}

#: Fields that name files and folders; Python callers may write them as text.
_PATHS = ("images", "items", "root", "out", "rdm_labels", "weights", "prompts", "start", "held_out", "triplets")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TermsConfig:
    """What is made small, as weights of four terms, each divided by its value before training where `relative`."""

    over_all: float = 1.0
    """1 - Pearson's r over all times and pairs at once."""
    each_time: float = 0.0
    """Mean over times of 1 - Pearson's r over pairs."""
    size: float = 0.1
    """Mean squared difference of dissimilarities."""
    generalization: float = 0.15
    """1 - Pearson's r of how the RDM of each time correlates with those of all."""
    relative: bool = True
    """Divide each term by what it is on the validation items before training."""

    def __post_init__(self) -> None:
        names = ("over_all", "each_time", "size", "generalization")
        for name in names:
            check_not_negative(name, getattr(self, name))
        if not any(getattr(self, name) for name in names):
            msg = f"all of {', '.join(names)} are 0; nothing would be trained."
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HBAMEGConfig:
    """Train a model's representation to unfold over time as people's M/EEG does.

    Examples
    --------
    alignkit train hba-meg --images photos --rdms p1.zarr p2.zarr p3.zarr --start my-model --out my-dynamic-model
    """

    images: Path | None = None
    """Folder of images, searched with its subfolders; by default the photos of THINGS where they are at hand."""
    items: Path | None = None
    """Table (.csv or .tsv) with the columns file and item: what each image shows; by default its name says so."""
    root: Path | None = None
    """Folder that holds the data sets; by default ALIGNKIT_DATA, else the download cache."""
    out: Path = Path("alignkit-hba-meg")
    """The run's folder; made when missing."""

    rdms: tuple[Path, ...] = ()
    """RDMs over time: what `alignkit meg rdms` wrote, one per person or one of all; or published .mat and .npy."""
    test_rdms: tuple[Path, ...] = ()
    """RDMs of the same people, by the same names, from sessions that nothing is trained on."""
    rdm_labels: Path | None = None
    """Names of the items of .mat and .npy files: a .txt, one a line, or a .csv with a column item or image_name."""
    rdm_times: tuple[float, float] | None = None
    """First and last time of .mat and .npy files, in seconds, where their number does not say it."""
    tmin: float | None = None
    """Leave out times before this, in seconds."""
    tmax: float | None = None
    """Leave out times after this, in seconds."""
    average: int = 1
    """Average so many successive samples (5 makes 5 ms of Cichy's 1 ms)."""
    people: tuple[str, ...] = ()
    """People to train on, by name; by default all who are not held out."""
    held_out_people: tuple[str, ...] = ()
    """People that nothing is trained on, by name."""
    held_out: Path | None = None
    """Text file, one item a line, of items kept for testing; the 48 fully sampled objects of THINGS always are."""
    val_share: float = 0.2
    """Share of the other items that epochs are chosen on; 0 where there are too few to spare any."""
    split_seed: int = 1
    """Seed of that split."""
    scale: Scale = "minmax"
    """Bring targets to 0..1 by their pairs (minmax), or with the zero diagonal among them, as published."""
    cache_dtype: Literal["float32", "float16"] = "float32"
    """How targets and the frozen part's outputs are kept on disk."""
    triplets: Path | None = None
    """People's odd-one-out answers, to be scored on besides; by default those of THINGS."""

    start: Path | None = None
    """Folder of a finished run of `alignkit train hba`: its backbone, image and text adapters and prompts; or, with
    `subject`, of `alignkit train hba-meg`."""
    start_image: bool = True
    """Take the image network of `start` as well, not its text embeddings alone."""
    backbone: str = "open_clip:ViT-L-14/openai"
    """What is trained where there is no `start`: an open_clip model."""
    weights: Path | None = None
    """A local file with the backbone's weights, in place of a download."""
    img_size: int | None = None
    """Input size in pixels, where it is not the backbone's own."""
    preprocess: Literal["own", "clip", "hba", "imagenet"] = "own"
    """Preprocessing of images: the backbone's own, or another's."""
    prompts: Path | None = None
    """Text file with a prompt a line, one per dimension, where there is no `start`; by default those of SPoSE-66."""

    readout: Readout = "cosine"
    """Dimensions that a layer gives: cosines with prompts behind the final norm, so that training starts at `start`; or
    linear, without norms, as published."""
    window: Window = "causal"
    """Whether a time's weights are averaged with earlier ones (causal) or, as published, with later ones as well."""
    reach: int = 0
    """Samples that the window reaches on each side."""
    dimension_weights: bool = False
    """Learn as well how much each dimension counts at every time, which layers alone cannot say."""
    metric: Metric = "correlation"
    """Dissimilarity of the model's dimensions: 1 - Pearson's r, as published; or sqeuclidean, what cross-validated
    distances (crossnobis) of M/EEG estimate, which suits few dimensions better."""
    noise: Noise = "off"
    """Noise on dimensions, less where RDMs generalise: off; mean (what all draws average to); or drawn anew in each
    pass and scaled by the batch, as published."""

    terms: TermsConfig = dataclasses.field(default_factory=TermsConfig)
    """What is made small."""
    weights_lr: float = 3e-3
    """Learning rate of the layers' weights over time, in both stages."""
    weights_epochs: int = 50
    """Passes of the first stage at most, which trains these weights alone; 0 for none."""
    weights_patience: int = 5
    """Validations without a better one after which the first stage ends."""
    adapter: AdapterConfig = dataclasses.field(
        default_factory=lambda: AdapterConfig(image_blocks=24, text_blocks=0, dropout=0.0, train_magnitude=False)
    )
    """What is trained inside the backbone in the second stage; more image blocks than there are means all."""
    optim: OptimConfig = dataclasses.field(default_factory=lambda: OptimConfig(lr=3e-5))
    """The optimiser of the second stage; its rate is that of adapters."""
    loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(epochs=200, batch_size=50, patience=20, monitor="val_spearman", mode="max")
    )
    """The loop of the second stage."""

    subject: str | None = None
    """Train a model of this person (the name as the RDMs have it, or `all`) on top of the group's run `start`."""
    shuffle_people: bool = False
    """Train every person's model on another person's RDMs: a control, which must not identify anybody."""

    window_s: tuple[float, float] | None = None
    """Scores are means over this stretch of time, in seconds; by default all from 0 on."""
    n_bootstrap: int = 1000
    """Resamples for every interval."""
    n_permutations: int = 10000
    """Permutations for every test."""

    def __post_init__(self) -> None:
        for name in _PATHS:
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        for name in ("rdms", "test_rdms"):
            object.__setattr__(self, name, tuple(Path(path) for path in getattr(self, name)))
        for name in ("people", "held_out_people"):
            object.__setattr__(self, name, tuple(str(one) for one in getattr(self, name)))
        if self.subject is not None:  # ids are text, and many people's are numbers
            object.__setattr__(self, "subject", str(self.subject))
        _check_choices(self)
        _check_numbers(self)
        both = set(self.people) & set(self.held_out_people)
        if both:
            msg = f"{', '.join(sorted(both))} cannot be both trained on (people) and held out (held_out_people)."
            raise ValueError(msg)
        _check_monitor(self.loop)


def _check_choices(config: HBAMEGConfig) -> None:
    choices = (("window", Window), ("readout", Readout), ("noise", Noise), ("scale", Scale), ("metric", Metric))
    for name, allowed in choices:
        check_choice(name, getattr(config, name), get_args(allowed))
    check_choice("preprocess", config.preprocess, ("own", "clip", "hba", "imagenet"))
    check_choice("cache_dtype", config.cache_dtype, ("float32", "float16"))


def _check_numbers(config: HBAMEGConfig) -> None:
    if config.val_share:
        check_fraction("val_share", config.val_share)
    for name, minimum in (("split_seed", 0), ("n_bootstrap", 0), ("n_permutations", 1), ("reach", 0)):
        check_count(name, getattr(config, name), minimum)
    check_count("average", config.average, 1)
    check_count("weights_epochs", config.weights_epochs)
    check_positive("weights_lr", config.weights_lr)
    check_count("weights_patience", config.weights_patience, 1)
    if config.img_size is not None:
        check_img_size(config.img_size)


def _check_monitor(loop: LoopConfig) -> None:
    """Raise where the weights that are kept would be the worst ones."""
    check_choice("loop.monitor", loop.monitor, tuple(MODES))
    better = MODES[loop.monitor]
    if loop.mode != better:
        what = "large" if better == "max" else "small"
        msg = f"loop.monitor {loop.monitor} is better when it is {what}; set loop.mode to {better!r}."
        raise ValueError(msg)
