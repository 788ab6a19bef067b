"""What an open_clip model is built from: a name, a file or a mapping, made whole and kept within bounds."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alignkit._check import join_names, require, shown
from alignkit._io import check_file, read_json
from alignkit.models._open_clip import check_architecture

_REQUIRED = ("embed_dim", "vision_cfg", "text_cfg")
_OPTIONAL = ("quick_gelu", "custom_text", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale")
#: A config has a few hundred bytes.
_MAX_BYTES = 1 << 20
#: No published model comes near these; a file that asks for more would fill the memory before its weights are read.
_LIMITS = {
    "context_length": 1 << 12,
    "image_size": 1 << 12,
    "vocab_size": 1 << 21,
    "layers": 1 << 9,
    "patch_size": 1 << 12,
}
_LIMIT = 1 << 15
#: Image tokens times channels, which positions are computed for.
_MAX_POSITIONS = 1 << 28
#: Pixels of timm's networks, some of which keep a number for every pair of patches.
_MAX_TIMM = 1 << 10
#: Settings of tokenizers that only clean texts; others could name code to be run.
_TOKENIZER = frozenset({"clean", "strip_sep_token", "language", "reduction_mask"})


def clip_architecture(config: str | Path | Mapping[str, Any], /) -> dict[str, Any]:
    """Return the whole config of a CLIP, in JSON's own types, that asks for no pretrained weights.

    Parameters
    ----------
    config : str, Path or mapping
        The name of one of open_clip's architectures, the path of a ``.json`` file, or the config itself.

    Returns
    -------
    dict
        A copy, which shares nothing with what was given.

    Raises
    ------
    FileNotFoundError
        No such file.
    ImportError
        A name without open_clip.
    TypeError
        Neither a name nor a mapping, or a tower that is none.
    ValueError
        An unknown name, a config that lacks something or holds something else, sizes that no CLIP has, CoCa, or a
        text tower of transformers, which is not open_clip's own.

    Examples
    --------
    >>> sizes = clip_architecture("ViT-B-32")
    >>> sizes["embed_dim"], sizes["text_cfg"]["context_length"]
    (512, 77)
    """
    found = _found(config)
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
    _check_bounds(settings)
    settings["vision_cfg"] = {**settings["vision_cfg"], "timm_model_pretrained": False}
    settings["text_cfg"] = dict(settings["text_cfg"])
    return settings


def image_size(architecture: Mapping[str, Any], /) -> int:
    """Return the height and width that a config's vision tower takes, in pixels.

    Raises
    ------
    ValueError
        A tower of images that are not square.
    """
    size = architecture["vision_cfg"].get("image_size", 224)
    height, width = size if isinstance(size, list | tuple) and len(size) == 2 else (size, size)
    if height != width or not isinstance(height, int):
        msg = f"image_size of vision_cfg is {shown(size)}; only square images are supported."
        raise ValueError(msg)
    return height


def _found(config: object) -> Any:
    if isinstance(config, Path) or (isinstance(config, str) and config.endswith(".json")):
        path = check_file(config)
        if path.stat().st_size > _MAX_BYTES:
            msg = f"{path} is larger than a config can be ({path.stat().st_size >> 10:,} KiB)."
            raise ValueError(msg)
        return read_json(path)
    if isinstance(config, str):
        require("open_clip", "train")
        import open_clip

        check_architecture(config)
        return open_clip.get_model_config(config)
    return config


def _check_names(settings: Mapping[str, Any]) -> None:
    missing = [name for name in _REQUIRED if name not in settings]
    unknown = [name for name in settings if name not in (*_REQUIRED, *_OPTIONAL)]
    if missing or unknown:
        problem = f"lacks {join_names(missing)}" if missing else f"holds {join_names(unknown)}"
        msg = f"config must hold {join_names(_REQUIRED)} and may hold {join_names(_OPTIONAL)}; it {problem}."
        raise ValueError(msg)


def _check_bounds(settings: Mapping[str, Any]) -> None:
    vision, text = settings["vision_cfg"], settings["text_cfg"]
    others = {name: value for name, value in settings.items() if name not in ("vision_cfg", "text_cfg")}
    for part in (others, vision, text):
        for name, value in part.items():
            _check_value(name, value)
    name = vision.get("timm_model_name")
    if name is not None and (not isinstance(name, str) or not name.replace("_", "").replace(".", "").isalnum()):
        msg = f"timm_model_name must be the name of one of timm's networks, which nothing is fetched for; got {name!r}."
        raise ValueError(msg)
    size = vision.get("image_size")
    sides = size if isinstance(size, list | tuple) else (size,)
    if name is not None and any(isinstance(side, int | float) and side > _MAX_TIMM for side in sides):
        msg = f"image_size of a network of timm's must be at most {_MAX_TIMM:,} pixels; got {shown(size)}."
        raise ValueError(msg)
    kwargs = text.get("tokenizer_kwargs") or {}
    if not isinstance(kwargs, Mapping) or set(kwargs) - _TOKENIZER:
        msg = f"tokenizer_kwargs may hold {join_names(sorted(_TOKENIZER))}; got {shown(kwargs)}."
        raise ValueError(msg)
    _check_positions(vision)


def _check_value(name: object, value: object) -> None:
    """Raise unless a setting is a word, a number that a CLIP can have, or a few of them."""
    parts: list[object] = list(value) if isinstance(value, list | tuple) else [value]
    if isinstance(value, Mapping):
        parts = list(value.values())
    if len(parts) > 16 or not all(isinstance(part, str | int | float | None) for part in parts):
        msg = f"{shown(name)} of config must be a word or a number; got {shown(value)}."
        raise ValueError(msg)
    limit = _LIMITS.get(str(name), _LIMIT)
    for part in parts:
        # whatever is no number of at most the limit is refused, NaN too
        if (isinstance(part, str) and len(part) > 1000) or (isinstance(part, int | float) and not abs(part) <= limit):
            msg = f"{shown(name)} of config must be a number of at most {limit:,}; got {shown(part)}."
            raise ValueError(msg)


def _check_positions(vision: Mapping[str, Any]) -> None:
    defaults = {"image_size": 224, "patch_size": 16, "width": 768}
    size, patch, width = (default if vision.get(name) is None else vision[name] for name, default in defaults.items())
    sides, steps = (value if isinstance(value, list | tuple) else (value, value) for value in (size, patch))
    numbers = (*sides, *steps, width)
    if len(numbers) != 5 or not all(isinstance(value, int) and value > 0 for value in numbers):
        msg = f"image_size, patch_size and width of vision_cfg must be whole numbers above 0; got {shown(numbers)}."
        raise ValueError(msg)
    if (sides[0] // steps[0] + 1) * (sides[1] // steps[1] + 1) * numbers[-1] > _MAX_POSITIONS:
        msg = f"images of {shown(size)} pixels have too many patches of {shown(patch)} for {shown(width)} channels."
        raise ValueError(msg)
