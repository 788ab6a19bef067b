"""``alignkit train export | import-hba``: trained models to and from other programs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from alignkit._check import check_positive
from alignkit._cli._files import check_out
from alignkit._cli._flags import in_flags_of
from alignkit._cli._train_show import next_step
from alignkit._config import Positional


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainExportConfig:
    """Write a trained model as one file of plain weights, with its adapters merged.

    open-clip: the whole CLIP under open_clip's own names, which open_clip.create_model(..., pretrained=FILE) and
    alignkit extract --model open_clip:ARCH/TAG --weights FILE read. plain: the image network under its library's
    names behind "image.", the projection, the embedded prompts and the scale of any run.

    Examples
    --------
    alignkit train export my-model --out clip-hba.safetensors
    alignkit train export my-pair --kind plain --out weights.safetensors
    """

    run: Positional[Path]
    """Folder of a finished run."""
    out: Path
    """File to write (.safetensors)."""
    kind: Literal["auto", "open-clip", "plain"] = "auto"
    """What to write; auto: open-clip where the backbone is one, else plain."""
    weights: Path | None = None
    """A local file with the backbone's weights, where the recorded one is elsewhere now."""
    architecture: str | None = None
    """module:factory of a backbone of your own, which is only called when it is named here."""


def run_export(config: TrainExportConfig) -> None:
    """Write the file and say what it is."""
    check_out(config.out, (".safetensors",), (config.weights,))
    from alignkit.models import export_clip, export_state_dict
    from alignkit.models._run_model import read_run_model

    kind = config.kind
    if kind == "auto":
        backbone = str(read_run_model(config.run).manifest["backbone"].get("backbone"))
        kind = "open-clip" if backbone.startswith("open_clip:") else "plain"
    with in_flags_of(TrainExportConfig):
        if kind == "open-clip":
            export_clip(config.run, out=config.out, weights=config.weights)
        else:
            export_state_dict(config.run, out=config.out, weights=config.weights, architecture=config.architecture)
    what = "weights of the whole CLIP, for open_clip" if kind == "open-clip" else "plain weights"
    print(f"saved to {config.out} ({what}, adapters merged)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainImportHBAConfig:
    r"""Make a published CLIP-HBA checkpoint a folder that loads as run:FOLDER.

    Both published layouts are read, whole models and adapters alone, never by pickle. Checkpoints do not hold their
    prompts, so these are given as well.

    Examples
    --------
    alignkit train import-hba epoch97_dora_params.pth --prompts prompts66.txt \
        --out clip-hba
    """

    checkpoint: Positional[Path]
    """The .pth file."""
    prompts: Path
    """Text file with the prompt of each dimension, one a line, in order."""
    out: Path
    """Folder to write; made when missing."""
    backbone: str = "open_clip:ViT-L-14/openai"
    """The CLIP that it was trained on."""
    weights: Path | None = None
    """A local file with the backbone's weights, in place of a download."""
    alpha: float = 16.0
    """What the adapters' updates were scaled by, over their rank; checkpoints do not hold it."""

    def __post_init__(self) -> None:
        check_positive("--alpha", self.alpha)


def run_import_hba(config: TrainImportHBAConfig) -> None:
    """Read the checkpoint, write the folder and say how it is used."""
    from alignkit.models import import_published_hba

    with in_flags_of(TrainImportHBAConfig):
        path = import_published_hba(
            config.checkpoint,
            prompts=config.prompts,
            out=config.out,
            backbone=config.backbone,
            weights=config.weights,
            alpha=config.alpha,
        )
    print(f"saved to {path}")
    print(next_step(path, None))
