"""``alignkit extract``."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Literal

from alignkit._check import check_count

_PRESETS = Literal["clip", "hba", "imagenet", "alignet"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExtractConfig:
    r"""Run a model over images or texts and keep its features, layer by layer.

    Features are streamed to the folder --out beside a manifest that says what they were made with. A killed run
    goes on where it stopped when the same command is given again.

    Examples
    --------
    alignkit extract --model efficientnet-lite0 --images photos --out feats
    alignkit extract --model timm:vit_small_patch14_dinov2 --images photos \
        --weights vit.safetensors --layers 10 --pool cls --out feats-vit
    alignkit extract --model hf:facebook/dinov2-base --images photos \
        --layers all --out feats-dino
    alignkit extract --model minilm --texts concepts.tsv \
        --template "{Word}: {Definition}" --label uniqueID --out feats-text
    """

    model: str
    """open_clip:ARCH/TAG, timm:NAME, hf:OWNER/NAME, hf:FOLDER, random:NAME, run:PATH, efficientnet-lite0, minilm, a
    weights file, or module:factory (`alignkit models list`)."""
    out: Path
    """Folder for the features; made when missing, continued when it holds the start of the same run."""
    images: Path | None = None
    """Folder of images, searched with its subfolders; the paths in it become the labels."""
    texts: Path | None = None
    """Table (.csv or .tsv with a header) of texts, in place of images."""
    template: str | None = None
    """Text of each row, with column names in braces (texts only)."""
    label: str | None = None
    """Column that names the rows (texts only)."""
    layers: tuple[str, ...] = ()
    """Layers by name or number, -1 being the last, or all; by default the model's own representation (`alignkit
    models show MODEL`)."""
    pool: Literal["auto", "cls", "mean", "flatten"] = "auto"
    """How a layer's tokens or map become one vector; auto: the class token where there is one, else the mean."""
    batch_size: int = 32
    """Items per forward pass; halved, and said so, when they do not fit the memory."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Mixed precision of the forward pass; features are kept as float32."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    weights: Path | None = None
    """Weights file (.safetensors or a checkpoint of plain tensors) in place of a download."""
    architecture: str | None = None
    """timm's name of the network, for a bare weights file."""
    img_size: int | None = None
    """Input size in pixels, where it is not the model's own."""
    preprocess: _PRESETS | None = None
    """Preprocessing in place of the model's own."""
    seed: int = 0
    """Seed of an untrained network (random:NAME)."""
    on_error: Literal["raise", "skip"] = "raise"
    """An image that cannot be read: stop and name it, or leave it out and list it."""
    format: Literal["safetensors", "zarr"] = "safetensors"
    """How the features are stored."""
    dtype: Literal["float32", "float16"] = "float32"
    """What they are stored in; float16 halves the folder and rounds to three digits."""
    shard_size: int = 512
    """Items per shard: a kill loses at most that much work."""
    n_workers: int | None = None
    """Threads that read images; by default one per core, at most 8."""
    progress: bool = True
    """Show a progress bar with the time left."""

    def __post_init__(self) -> None:
        if (self.images is None) == (self.texts is None):
            given = "both" if self.images is not None else "neither"
            msg = f"give either --images FOLDER or --texts TABLE; got {given}."
            raise ValueError(msg)
        needed = {"--template": self.template, "--label": self.label}
        missing = [name for name, value in needed.items() if value is None]
        if self.texts is not None and missing:
            msg = f"--texts needs {' and '.join(missing)}."
            raise ValueError(msg)
        if self.images is not None and len(missing) < 2:
            msg = "--template and --label belong to --texts; leave them out with --images."
            raise ValueError(msg)
        for name in ("batch_size", "shard_size"):
            check_count(f"--{name.replace('_', '-')}", getattr(self, name), 1)
        if self.n_workers is not None:
            check_count("--n-workers", self.n_workers, 1)


def run_extract(config: ExtractConfig) -> None:
    """Load the model, extract, and say what was kept."""
    from alignkit.models import extract, load

    inputs = _inputs(config)
    _check_folder(config)
    model = load(
        config.model,
        weights=config.weights,
        device=config.device,
        img_size=config.img_size,
        preprocess=config.preprocess,
        architecture=config.architecture,
        seed=config.seed,
    )
    if config.images is not None and model.kind == "text":
        msg = f"{config.model} reads texts; give --texts TABLE, --template and --label in place of --images."
        raise ValueError(msg)
    features = extract(
        model,
        inputs,
        layers=[_layer(name) for name in config.layers] or None,
        out=config.out,
        pool=config.pool,
        batch_size=config.batch_size,
        precision=config.precision,
        on_error=config.on_error,
        format=config.format,
        dtype=config.dtype,
        shard_size=config.shard_size,
        n_workers=config.n_workers,
        progress=config.progress,
    )
    print(features)
    skipped = features.manifest.get("skipped", ())
    if skipped:
        print(f"left out {len(skipped)} unreadable item(s), listed in {config.out / 'manifest.json'}")
    print(f"saved to {config.out}")


def _inputs(config: ExtractConfig) -> Any:
    if config.texts is not None:
        from alignkit.models import read_texts

        return read_texts(config.texts, template=str(config.template), label=str(config.label))
    if config.images is not None and not config.images.is_dir():
        what = "is not a folder" if config.images.exists() else "does not exist"
        msg = f"--images {config.images} {what}; name a folder of images."
        raise NotADirectoryError(msg)
    return config.images


def _check_folder(config: ExtractConfig) -> None:
    # Loading a model takes long: what makes the output impossible is said before.
    if config.out.exists() and not config.out.is_dir():
        msg = f"--out {config.out} is a file; name a folder."
        raise NotADirectoryError(msg)
    if not config.out.parent.is_dir():
        msg = f"the folder {config.out.parent} of --out does not exist; create it first."
        raise FileNotFoundError(msg)
    if not os.access(config.out if config.out.exists() else config.out.parent, os.W_OK):
        msg = f"--out {config.out} cannot be written to; choose another place."
        raise PermissionError(msg)
    if config.images is not None and config.out.resolve().is_relative_to(config.images.resolve()):
        msg = f"--out {config.out} lies among the images of {config.images}; choose a folder elsewhere."
        raise ValueError(msg)


def _layer(name: str) -> str | int:
    return int(name) if name.removeprefix("-").isdecimal() else name
