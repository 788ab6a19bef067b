"""``alignkit models list | show``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from alignkit._check import check_count
from alignkit._config import Positional


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelsListConfig:
    """List the ways to name a model, the encoders with names of their own, and what lies in the hub's cache.

    With --filter, every name that the installed libraries know and that fits. Each is here (it loads without a
    network), comes by download when it is first loaded, or needs an extra.

    Examples
    --------
    alignkit models list
    alignkit models list --filter dinov2
    alignkit models list --filter "open_clip:*L-14*"
    """

    filter: str | None = None
    """Part of a name; * and ? stand for anything. random:NAME where there are no weights, or all if it begins so."""


def run_list(config: ModelsListConfig) -> None:
    """Print the names."""
    from alignkit.models import list_models

    table = list_models(config.filter)
    print(table.to_text())
    if config.filter is None:
        print("\n--filter WORD searches the names that timm, open_clip and the hub's cache know.")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelsShowConfig:
    """Show a model's layers with their shapes, and which is taken by default.

    Any of them can be given to alignkit extract --layers, blocks also by their numbers. The weights of timm:,
    open_clip: and hf: models are not fetched for this.

    Examples
    --------
    alignkit models show timm:vit_small_patch14_dinov2
    alignkit models show weights.safetensors --architecture vit_base_patch16_224
    """

    name: Positional[str]
    """A model, as alignkit extract --model takes it."""
    weights: Path | None = None
    """Weights file in place of a download."""
    architecture: str | None = None
    """timm's name of the network, for a bare weights file."""
    img_size: int | None = None
    """Input size in pixels, where it is not the model's own."""
    blocks: bool = False
    """Show the transformer's blocks and the default layer only."""

    def __post_init__(self) -> None:
        if self.img_size is not None:
            check_count("--img-size", self.img_size, 1)


def run_show(config: ModelsShowConfig) -> None:
    """Print one model's page."""
    from alignkit.models import list_layers

    table = list_layers(config.name, architecture=config.architecture, weights=config.weights, img_size=config.img_size)
    print((table.only_blocks() if config.blocks else table).to_text())


def words() -> dict[str, list[str]]:
    """Return the models that have a name of their own, by the options that take a model."""
    from alignkit.models._load import NAMED

    return {"model": sorted(NAMED), "name": sorted(NAMED)}
