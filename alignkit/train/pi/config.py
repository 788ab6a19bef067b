"""Settings of Perceptual Initialization: a vision tower that learns from people first, and from the web afterwards."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from alignkit._check import check_choice, check_count, check_fraction, check_not_negative, check_number, check_positive
from alignkit.train.config import LoopConfig, OptimConfig

Choices = Literal["people", "shuffled"]
Trained = Literal["tower", "attention"]
Objective = Literal["hinge", "logistic"]
PairLoss = Literal["infonce", "siglip"]
AugmentationName = Literal["pi", "crop", "none"]
JudgedSet = Literal["material2afc", "things"]
HumanSet = Literal["things", "rsa92", "material2afc", "cifar10h"]

#: Fields that name files and folders; Python callers may write them as text.
_PERCEPTUAL_PATHS = ("judgements", "images", "items", "label_images", "start", "root", "out")
_CONTRASTIVE_PATHS = ("pairs", "captions", "val_pairs", "val_captions", "index", "start", "root", "out")
#: Votes that NIGHTS' users ask for.
NIGHTS_VOTES = 6


def published_optim(*, warmup: int) -> OptimConfig:
    """Return AdamW of both stages as it was published for ViT-B/32."""
    return OptimConfig(lr=5e-4, weight_decay=0.1, beta1=0.9, beta2=0.98, eps=1e-8, schedule="cosine", warmup=warmup)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PerceptualConfig:
    """Train a CLIP's vision tower, alone, on which of two images people found closer to a reference.

    Stage 1 of Perceptual Initialization, from random weights; and the fine-tuning of a finished model on the same
    judgements (``start``, ``trained="attention"``) that it is compared with.

    Examples
    --------
    >>> config = PerceptualConfig(judgements="nights/data.csv", images="nights")
    >>> config.objective, config.margin, config.loop.mode
    ('hinge', 0.05, 'last')
    """

    judgements: Path | None = None
    """People's judgements: NIGHTS' data.csv; a .csv or .tsv with the columns reference, left, right, left_votes,
    right_votes (and split: train, val, test ...); or odd-one-out answers, with the columns first, second, odd. By
    default those of `dataset`."""
    dataset: JudgedSet = "material2afc"
    """A data set at hand (see `alignkit data list`): votes about 100 materials, or odd-one-out answers about things,
    with the photos that are beside them, or in `images`."""
    images: Path | None = None
    """Folder of the images that these name."""
    items: Path | None = None
    """Table (.csv or .tsv) with the columns file and item, for odd-one-out answers: what each image shows; by default
    its name says so."""
    min_votes: int | None = None
    """Leave out judgements with fewer votes; by default 6 for NIGHTS, as published, and 1 otherwise."""
    choices: Choices = "people"
    """What people chose, or (control) the two alternatives exchanged at random."""
    label_images: Path | None = None
    """Control, in place of judgements: a folder with a subfolder per class, from which judgements are drawn that only
    tell classes apart."""
    n_label_judgements: int = 17_444
    """How many of these; as many as NIGHTS has with at least 6 votes."""
    val_share: float = 0.1
    """Share of the judgements to train on that are followed instead, where none are of the split val."""
    split_seed: int = 1
    """Seed of that split, of the exchange, and of judgements from classes."""
    root: Path | None = None
    """Folder that holds the data sets; by default ALIGNKIT_DATA, else the download cache."""
    out: Path = Path("alignkit-perceptual")
    """The run's folder; made when missing."""

    architecture: str = "ViT-B-32"
    """One of open_clip's architectures, or a .json file with embed_dim, vision_cfg and text_cfg."""
    start: Path | None = None
    """Run (a folder that alignkit train made) whose vision tower training begins with; by default random weights."""
    trained: Trained = "tower"
    """The whole vision tower with its projection, or the queries, keys and values of its attention alone."""
    objective: Objective = "hinge"
    """On the difference of cosine distances: hinge, or the logistic loss of Bradley and Terry."""
    margin: float = 0.05
    """Of the hinge: how much closer the chosen image should be."""
    soft_votes: bool = False
    """Let every vote count; by default the majority's choice, and none of those that tie."""

    optim: OptimConfig = dataclasses.field(default_factory=lambda: published_optim(warmup=150))
    """The optimiser."""
    loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(epochs=32, batch_size=768, monitor="val_accuracy", mode="last")
    )
    """The loop; a sample is a judgement. The last weights are kept, as published."""
    n_bootstrap: int = 1000
    """Resamples for every interval."""

    def __post_init__(self) -> None:
        _as_paths(self, _PERCEPTUAL_PATHS)
        check_choice("dataset", self.dataset, get_args(JudgedSet))
        check_choice("choices", self.choices, get_args(Choices))
        check_choice("trained", self.trained, get_args(Trained))
        check_choice("objective", self.objective, get_args(Objective))
        check_not_negative("margin", self.margin)
        check_fraction("val_share", self.val_share)
        check_count("split_seed", self.split_seed)
        check_count("n_label_judgements", self.n_label_judgements, 1)
        check_count("n_bootstrap", self.n_bootstrap)
        if self.min_votes is not None:
            check_count("min_votes", self.min_votes, 1)
        if self.label_images is not None and self.judgements is not None:
            msg = "label_images takes the place of judgements; give one of them."
            raise ValueError(msg)
        own = self.judgements is None and self.label_images is None and self.dataset == "material2afc"
        if own and self.images is not None:
            msg = "images goes with judgements, which name them; the data set material2afc has its own: give "
            msg += "judgements, or leave images out."
            raise ValueError(msg)
        if self.trained == "attention" and self.start is None:
            msg = "trained='attention' fine-tunes a model that is there: give start, the folder of its run."
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ContrastiveConfig:
    """Train a CLIP on pairs of images and texts, from random weights or with a vision tower that learned from people.

    Stage 2 of Perceptual Initialization and, without ``start``, its baseline: the same text tower, the same order of
    the same pairs.

    Examples
    --------
    >>> config = ContrastiveConfig(pairs="cc3m/{00000..00331}.tar", start="stage-1")
    >>> config.architecture, config.loss, config.augmentation
    ('ViT-B-32', 'infonce', 'pi')
    """

    pairs: Path | None = None
    """Webdataset shards (.tar) or Parquet files: a folder, or a pattern such as cc3m/{00000..00331}.tar. With
    `captions`, a folder of images."""
    captions: Path | None = None
    """Table (.csv or .tsv) with the columns file and caption; an image may have several rows."""
    val_pairs: Path | None = None
    """Other pairs, to follow the loss on."""
    val_captions: Path | None = None
    """Their table of captions, where they are a folder of images."""
    index: Path | None = None
    """Folder that keeps what was found in shards, which runs may share; by default in the run's folder."""
    check: Literal["decode", "header"] = "header"
    """Before training, decode every image, or look at its beginning and end only, which is several times faster."""
    zero_shot: tuple[Path, ...] = ()
    """Sets to classify (or to retrieve from) without training, at every validation: folders as in
    `alignkit score --suite zeroshot`."""
    human: tuple[HumanSet, ...] = ()
    """Data sets of people whose agreement with the image embeddings is followed too (see `alignkit data list`)."""
    root: Path | None = None
    """Folder that holds these data sets; by default ALIGNKIT_DATA, else the download cache."""
    out: Path = Path("alignkit-contrastive")
    """The run's folder; made when missing."""

    architecture: str = "ViT-B-32"
    """One of open_clip's architectures, or a .json file with embed_dim, vision_cfg and text_cfg."""
    start: Path | None = None
    """Run whose vision tower is handed over: exactly that, all of it, and nothing else; by default random weights."""
    loss: PairLoss = "infonce"
    """infonce, the symmetric cross-entropy of CLIP; or siglip, the sigmoid loss. See `loop.accumulation` for what
    pairs are compared with."""
    init_scale: float | None = None
    """Factor of the cosines at the start; by default 1 / 0.07 for infonce, and 10 for siglip. Published for PI: 100."""
    max_scale: float = 100.0
    """Its largest value; after every step it is brought back to between 1 and this."""
    augmentation: AugmentationName = "pi"
    """pi: crops of 20 to 100 %, colours, grey, blur and mirror images, as published; crop: crops of 90 to 100 %, as
    open_clip does; or none."""

    optim: OptimConfig = dataclasses.field(default_factory=lambda: published_optim(warmup=500))
    """The optimiser."""
    loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(
            epochs=32, batch_size=1024, drop_last=True, monitor="zero_shot", mode="last", keep_epochs=1
        )
    )
    """The loop; a sample is a pair. The last weights are kept, and those of every epoch."""
    n_bootstrap: int = 1000
    """Resamples for every interval."""

    def __post_init__(self) -> None:
        _as_paths(self, _CONTRASTIVE_PATHS)
        object.__setattr__(self, "zero_shot", tuple(Path(path) for path in self.zero_shot))
        check_choice("loss", self.loss, get_args(PairLoss))
        check_choice("augmentation", self.augmentation, get_args(AugmentationName))
        check_choice("check", self.check, ("decode", "header"))
        for name in self.human:
            check_choice("human", name, get_args(HumanSet))
        check_count("n_bootstrap", self.n_bootstrap)
        if check_number("max_scale", self.max_scale) <= 1:
            msg = f"max_scale must be above 1; got {self.max_scale:g}."
            raise ValueError(msg)
        if self.init_scale is not None:
            check_positive("init_scale", self.init_scale)
            if not 1 <= self.init_scale <= self.max_scale:
                msg = f"init_scale must lie from 1 to max_scale, {self.max_scale:g}; got {self.init_scale:g}."
                raise ValueError(msg)
        if self.val_captions is not None and self.val_pairs is None:
            msg = "val_captions goes with val_pairs, a folder of images; give that too."
            raise ValueError(msg)


def _as_paths(config: object, names: tuple[str, ...]) -> None:
    for name in names:
        if isinstance(getattr(config, name), str):
            object.__setattr__(config, name, Path(getattr(config, name)))
