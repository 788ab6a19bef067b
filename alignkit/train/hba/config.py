"""Settings of CLIP-HBA, and the presets that replicate what was published."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from alignkit._check import (
    check_choice,
    check_count,
    check_fraction,
    check_img_size,
    check_number,
    check_positive,
)
from alignkit.models._adapter_config import AdapterConfig
from alignkit.train.config import LoopConfig, Mode, OptimConfig

Loss = Literal["mse", "triplets", "rdm"]
Answers = Literal["embedding", "human"]
Head = Literal["prompts", "ridge"]
Order = Literal["fixed", "published"]
#: Whether a metric of validation is better when it is large or small.
MODES: dict[str, Mode] = {
    "val_loss": "min",
    "val_mse": "min",
    "val_rdm_spearman": "max",
    "val_rdm_pearson": "max",
    "val_triplet_accuracy": "max",
    "val_answer_accuracy": "max",
}


#: Fields that name files and folders; Python callers may write them as text.
_PATHS = ("images", "items", "root", "out", "weights", "prompts", "triplets", "held_out", "start")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HBAConfig:
    """Fine-tune a CLIP, or a pair of encoders, so that its image-prompt cosines are people's dimensions.

    Examples
    --------
    alignkit train hba --images THINGS --backbone open_clip:ViT-L-14/openai --out my-model
    alignkit train hba --images photos --backbone vit.safetensors --text minilm --layer 10 --loss triplets
    """

    images: Path | None = None
    """Folder of images, searched with its subfolders; by default the photos of THINGS where they are at hand."""
    items: Path | None = None
    """Table (.csv or .tsv) with the columns file and item: what each image shows; by default its name says so."""
    root: Path | None = None
    """Folder that holds the data sets; by default ALIGNKIT_DATA, else the download cache."""
    out: Path = Path("alignkit-hba")
    """The run's folder; made when missing."""

    backbone: str = "open_clip:ViT-L-14/openai"
    """What is fine-tuned: an open_clip model, or an image model of `alignkit models list` that `text` is joined to."""
    weights: Path | None = None
    """A local file with the backbone's weights, in place of a download."""
    text: str | None = None
    """Text encoder to join to an image model by a learned projection (minilm works offline); not with open_clip."""
    layer: str | None = None
    """Layer of an image model whose output is used (name, or block number from 0); by default its own embedding."""
    img_size: int | None = None
    """Input size in pixels, where it is not the backbone's own."""
    preprocess: Literal["own", "clip", "hba", "imagenet"] = "own"
    """Preprocessing of images: the backbone's own, or another's."""

    targets: str = "spose66"
    """What to learn: spose66, spose49 (of THINGS), or your own csv: the item's name, then a column per dimension."""
    prompts: Path | None = None
    """Text file with one prompt per dimension, or a csv with the columns dimension and prompt; by default the names."""
    order: Order = "fixed"
    """Which concept a row of spose66 belongs to: as it should be, or as CLIP-HBA published it (21 are wrong)."""
    loss: Loss = "mse"
    """Made small: mse of the dimensions; triplets: surprise at odd-one-out answers; rdm: 1 - correlation of RDMs."""
    answers: Answers = "embedding"
    """Which answers the loss triplets learns: probabilities that follow from the targets, or what people answered."""
    triplets: Path | None = None
    """People's answers, to learn (answers human) and be scored on; by default those of THINGS. A .csv or .tsv with the
    columns first, second, odd (names of items) and, if known, participant and response_time (in seconds); the .json
    that jsPsych saves, with its usual fields (position1 to position3, response, participant, rt); or an .npz of
    Triplets.save."""
    head: Head = "prompts"
    """Where the projection to a text encoder starts: at random, or at ridge regression of the targets."""
    penalty: float | None = None
    """Penalty of that ridge regression; by default chosen on the validation objects."""
    ridge_constant: float = 1.0
    """How linear that start is: around 1 cosines damp strong predictions, which trains better; at 10 the model is the
    ridge regression itself, and moves ten times as far at the same rate. Start with `--optim.lr 1e-4` or less."""
    dropout: float = 0.0
    """Share of a pair's image embedding that its projection does not see in training: it overfits less."""
    affine: bool = False
    """Learn a slope and an offset of every dimension on top of the cosines."""
    val_share: float = 0.2
    """Share of the training objects that epochs and penalties are chosen on."""
    split_seed: int = 1
    """Seed of that split."""
    held_out: Path | None = None
    """Text file, one item a line, of items kept for testing; the 48 fully sampled objects of THINGS always are, known
    by their names."""

    subject: str | None = None
    """Fit a model of this participant (the id as the answers have it, or `all`) on top of the group's run `start`."""
    start: Path | None = None
    """Folder of a finished run whose weights to start from."""
    personal: Literal["weights", "adapter"] = "weights"
    """A personal model's parameters: weights on the dimensions of `start`, or adapters of the backbone."""
    prior: float | None = None
    """How strongly a person is held to the group: the precision of log weights (by default what all answers suggest),
    or the answers of the group that adapters learn besides the person's own (by default 300)."""

    adapter: AdapterConfig = dataclasses.field(default_factory=AdapterConfig)
    """What is trained inside the backbone."""
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    """The optimiser."""
    loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(epochs=500, patience=20, monitor="val_rdm_spearman", mode="max")
    )
    """The loop."""
    cache: bool = True
    """Run the frozen part once per image and read its output from disk from then on: the same numbers, faster."""
    cache_dtype: Literal["float32", "float16"] = "float32"
    """How that output is kept: float16 takes half of the disk (1 GB for ViT-L/14 on 1,854 images) and rounds."""
    n_bootstrap: int = 1000
    """Resamples for every interval."""

    def __post_init__(self) -> None:
        for name in _PATHS:
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        if self.subject is not None:  # ids are text, and many people's are numbers
            object.__setattr__(self, "subject", str(self.subject))
        for name, allowed in (("loss", Loss), ("answers", Answers), ("head", Head), ("order", Order)):
            check_choice(name, getattr(self, name), get_args(allowed))
        check_choice("preprocess", self.preprocess, ("own", "clip", "hba", "imagenet"))
        check_choice("cache_dtype", self.cache_dtype, ("float32", "float16"))
        check_choice("personal", self.personal, ("weights", "adapter"))
        check_fraction("val_share", self.val_share)
        # not by its bare name, which adapters have a setting of as well
        if not 0.0 <= check_number("the projection's dropout", self.dropout) < 1.0:
            msg = f"the projection's dropout must lie from 0 up to, not including, 1; got {self.dropout}."
            raise ValueError(msg)
        check_count("split_seed", self.split_seed)
        check_count("n_bootstrap", self.n_bootstrap)
        if self.img_size is not None:
            check_img_size(self.img_size)
        if self.penalty is not None:
            check_positive("penalty", self.penalty)
        check_positive("ridge_constant", self.ridge_constant)
        if self.prior is not None:
            check_positive("prior", self.prior)
        if self.answers == "human" and self.loss != "triplets":
            msg = f"answers='human' goes with loss='triplets' alone; got loss={self.loss!r}."
            raise ValueError(msg)
        _check_monitor(self.loop)


def _check_monitor(loop: LoopConfig) -> None:
    """Raise where epochs would be chosen by the 48 objects, or the worst one in place of the best."""
    if loop.monitor.startswith("test_"):
        msg = f"loop.monitor may not be {loop.monitor}: no epoch is chosen by held-out objects; take val_rdm_spearman."
        raise ValueError(msg)
    better = MODES.get(loop.monitor, loop.mode)
    if loop.mode != better:
        what = "large" if better == "max" else "small"
        msg = f"loop.monitor {loop.monitor} is better when it is {what}; set loop.mode to {better!r}."
        raise ValueError(msg)
