"""Settings of CLIP-HBA, and the presets that replicate what was published."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from alignkit._check import check_choice, check_count, check_fraction, check_positive
from alignkit.models._adapter_config import AdapterConfig
from alignkit.train.config import LoopConfig, OptimConfig

Loss = Literal["mse", "triplets", "rdm"]
Answers = Literal["embedding", "human"]
Head = Literal["prompts", "ridge"]
Order = Literal["fixed", "published"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HBAConfig:
    """Fine-tune a CLIP, or a pair of encoders, so that its image-prompt cosines are people's dimensions.

    Examples
    --------
    alignkit train hba --images THINGS --backbone open_clip:ViT-L-14/openai --out my-model
    alignkit train hba --images photos --backbone vit.safetensors --text minilm --layer 10 --loss triplets
    """

    images: Path | None = None
    """Folder of images (searched with its subfolders)."""
    items: Path | None = None
    """Table (.csv or .tsv) with the columns file and item: what each image shows; by default its name says so."""
    root: Path | None = None
    """Folder that holds the data sets; by default ALIGNKIT_DATA, else the download cache."""
    out: Path = Path("alignkit-hba")
    """The run's folder; made when missing."""

    backbone: str = "open_clip:ViT-L-14/openai"
    """An open_clip model, or an image model of `alignkit models list` to be paired with `text`."""
    weights: Path | None = None
    """A local file with the backbone's weights, in place of a download."""
    text: str | None = None
    """Text encoder that makes a CLIP-like pair with an image model (minilm works offline)."""
    layer: str | None = None
    """Layer of an image model that is taken (a name or a block's number); by default its representation."""
    img_size: int | None = None
    """Input size in pixels, where it is not the backbone's own."""
    preprocess: Literal["own", "clip", "hba", "imagenet"] = "own"
    """Preprocessing of images: the backbone's own, or another's."""

    targets: str = "spose66"
    """What to learn: spose66, spose49, or a csv with the item's name first and a column per dimension."""
    prompts: Path | None = None
    """Text file with one prompt per dimension, or a csv with the columns dimension and prompt; by default the names."""
    order: Order = "fixed"
    """Rows of THINGS as they should be, or as CLIP-HBA published them (21 are wrong)."""
    loss: Loss = "mse"
    """mse of the dimensions; triplets: likelihood of odd-one-out answers; rdm: 1 - correlation of dissimilarities."""
    answers: Answers = "embedding"
    """For triplets: soft answers that the target embedding gives, or human answers (`triplets`)."""
    triplets: Path | None = None
    """Human answers to train on and be scored on (an .npz that Triplets.save wrote); by default those of THINGS."""
    head: Head = "prompts"
    """Where a pair's projection starts: anywhere near the prompts, or at the ridge regression of the targets."""
    penalty: float | None = None
    """Penalty of that ridge regression; by default chosen on the validation objects."""
    affine: bool = False
    """Learn a scale and an offset of every dimension."""
    val_share: float = 0.2
    """Share of the training objects that epochs and penalties are chosen on."""
    split_seed: int = 1
    """Seed of that split."""
    held_out: Path | None = None
    """Text file of further items that nothing is fitted to or chosen on (the 48 fully sampled ones never are)."""

    subject: str | None = None
    """Fit the model of this participant (its id as the data have it, or `all`), starting from the group's `start`."""
    start: Path | None = None
    """Run whose weights to start from."""
    personal: Literal["weights", "adapter"] = "weights"
    """A personal model's parameters: weights on the dimensions of `start`, or adapters of the backbone."""
    prior: float | None = None
    """Precision by which personal log weights are held to the group's; by default what all people's answers suggest."""

    adapter: AdapterConfig = dataclasses.field(default_factory=AdapterConfig)
    """What is trained inside the backbone."""
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    """The optimiser."""
    loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(epochs=500, patience=20, monitor="val_rdm_spearman", mode="max")
    )
    """The loop."""
    cache: bool = True
    """Compute what lies before the first adapted block once, and read it from disk."""
    n_bootstrap: int = 1000
    """Resamples for every interval."""

    def __post_init__(self) -> None:
        for name, allowed in (("loss", Loss), ("answers", Answers), ("head", Head), ("order", Order)):
            check_choice(name, getattr(self, name), get_args(allowed))
        check_choice("preprocess", self.preprocess, ("own", "clip", "hba", "imagenet"))
        check_choice("personal", self.personal, ("weights", "adapter"))
        check_fraction("val_share", self.val_share)
        check_count("split_seed", self.split_seed)
        check_count("n_bootstrap", self.n_bootstrap)
        if self.img_size is not None:
            check_count("img_size", self.img_size, 1)
        if self.penalty is not None:
            check_positive("penalty", self.penalty)
        if self.prior is not None:
            check_positive("prior", self.prior)
        if self.answers == "human" and self.loss != "triplets":
            msg = f"answers='human' goes with loss='triplets' alone; got loss={self.loss!r}."
            raise ValueError(msg)
