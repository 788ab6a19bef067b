"""A CLIP with random weights, each tower drawn from numbers of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from alignkit._check import check_count, join_names, require, shown
from alignkit.models._open_clip import check_architecture

#: Streams of random numbers of one seed.
_VISION, _TEXT = 0, 1
#: The smallest vision tower there is; it stands in where only the text tower is wanted.
_STAND_IN = {"image_size": 2, "patch_size": 2, "layers": 1, "width": 2, "head_width": 2}
_REQUIRED = ("embed_dim", "vision_cfg", "text_cfg")
_OPTIONAL = ("quick_gelu", "custom_text", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale")


def build_clip(config: str | Mapping[str, Any], /, *, seed: int) -> nn.Module:
    """Return open_clip's model with random weights, on the CPU.

    Each tower is initialised by open_clip itself, from its own stream of the seed: the text tower is the same
    whatever the vision tower is (of one ``embed_dim``, which its projection has too), and the other way round. The
    caller's random numbers stay as they were.

    Parameters
    ----------
    config : str or mapping
        The name of one of open_clip's architectures ("ViT-B-32"), or what its configs hold: ``embed_dim``,
        ``vision_cfg``, ``text_cfg``, and where wanted ``quick_gelu``, ``custom_text``, ``init_logit_scale`` (a
        logarithm; log(1 / 0.07) if left out), ``init_logit_bias`` (none) and ``nonscalar_logit_scale``.
    seed : int
        At least 0.

    Returns
    -------
    Module
        ``open_clip.CLIP`` or, with ``custom_text``, ``open_clip.CustomTextCLIP``; in training mode.

    Raises
    ------
    ImportError
        Without open_clip.
    TypeError
        Neither a name nor a mapping.
    ValueError
        An unknown name, a config that lacks something or holds something else, sizes that do not fit, CoCa, or a text
        tower of transformers, which is not open_clip's own.

    Examples
    --------
    >>> text = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
    >>> vision = {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16}
    >>> clip = build_clip({"embed_dim": 8, "vision_cfg": vision, "text_cfg": text}, seed=0)
    >>> clip.visual.proj.shape
    torch.Size([16, 8])
    """
    require("open_clip", "train")
    check_count("seed", seed)
    settings = _settings(config)
    model = _build(settings, seed, _VISION)
    stand_in = _build({**settings, "vision_cfg": _STAND_IN}, seed, _TEXT)
    text = {name: value for name, value in stand_in.state_dict().items() if not name.startswith("visual.")}
    wrong = model.load_state_dict(text, strict=False)
    assert not wrong.unexpected_keys
    assert all(name.startswith("visual.") for name in wrong.missing_keys)
    return model


def _settings(config: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a config of its own for open_clip, that asks for no pretrained weights."""
    found: Any = config
    if isinstance(config, str):
        import open_clip

        check_architecture(config)
        found = open_clip.get_model_config(config)
    if not isinstance(found, Mapping):
        msg = f"config must be the name of an architecture or a mapping; got {shown(found)}."
        raise TypeError(msg)
    settings = {name: copy.deepcopy(value) for name, value in found.items()}
    if "multimodal_cfg" in settings:
        msg = "config asks for CoCa (multimodal_cfg), which has three towers; choose a CLIP."
        raise ValueError(msg)
    _check_names(settings)
    for tower in ("vision_cfg", "text_cfg"):
        if not isinstance(settings[tower], Mapping):
            msg = f"{tower} must be a mapping; got {shown(settings[tower])}."
            raise TypeError(msg)
    if settings["text_cfg"].get("hf_model_name"):
        msg = "config asks for a text tower of transformers (hf_model_name); choose one of open_clip's own."
        raise ValueError(msg)
    settings["vision_cfg"] = {**settings["vision_cfg"], "timm_model_pretrained": False}
    return settings


def _check_names(settings: Mapping[str, Any]) -> None:
    missing = [name for name in _REQUIRED if name not in settings]
    unknown = [name for name in settings if name not in (*_REQUIRED, *_OPTIONAL)]
    if missing or unknown:
        problem = f"lacks {join_names(missing)}" if missing else f"holds {join_names(unknown)}"
        msg = f"config must hold {join_names(_REQUIRED)} and may hold {join_names(_OPTIONAL)}; it {problem}."
        raise ValueError(msg)


def _build(settings: Mapping[str, Any], seed: int, stream: int) -> nn.Module:
    import open_clip

    arguments = dict(settings)
    kind = open_clip.CustomTextCLIP if arguments.pop("custom_text", False) else open_clip.CLIP
    drawn = int(np.random.SeedSequence((seed, stream)).generate_state(1, np.uint64)[0])
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(drawn)
        try:
            model: nn.Module = kind(**arguments)
        except Exception as error:  # what open_clip and timm raise has no end
            msg = f"open_clip cannot build this config ({' '.join(str(error).split())[:300]})."
            raise ValueError(msg) from error
    return model
