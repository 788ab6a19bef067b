"""A CLIP of few blocks and 32 pixels with random weights, always the same; its towers; one that open_clip knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from alignkit.models import Model, Preprocess


def sizes(layers: int = 2, **vision: Any) -> dict[str, Any]:
    """Return open_clip's config of the CLIP; with ``vision``, of another image network."""
    image = vision or {"layers": layers, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    return {"embed_dim": 24, "vision_cfg": {"image_size": 32, **image}, "text_cfg": text}


def make_clip(kind: str = "CLIP", *, seed: int = 0, config: dict[str, Any] | None = None, **vision: Any) -> Any:
    import open_clip

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return getattr(open_clip, kind)(**(config or sizes(**vision))).eval()


def make_towers(seed: int = 0, *, layers: int = 2, **more: Any) -> Any:
    import open_clip

    from alignkit.models._clip_text import clip_text
    from alignkit.models._towers import Towers

    clip = make_clip(seed=seed, config=sizes(layers))
    image = Model.from_module(
        clip.visual, Preprocess.clip(32), name="toy", n_prefix_tokens=1, class_token=True, settings={}
    )
    text = clip_text(clip, open_clip.get_tokenizer("ViT-B-32"), name="toy")
    return Towers.from_models(image, text, **{"paired": False, **more})


def add_tiny_clip(folder: Path, monkeypatch: Any, config: dict[str, Any]) -> Path:
    """Let open_clip know a CLIP as Tiny-CLIP until the test ends, and return a file of weights for it."""
    import open_clip
    from safetensors.torch import save_file

    (folder / "Tiny-CLIP.json").write_text(json.dumps(config))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(open_clip.factory._MODEL_CONFIG_PATHS))
    open_clip.add_model_config(folder / "Tiny-CLIP.json")
    path = folder / "tiny.safetensors"
    save_file({name: value.clone() for name, value in make_clip(config=config).state_dict().items()}, path)
    return path
