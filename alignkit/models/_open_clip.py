"""CLIP image towers by open_clip, with the activation and constants that their weights were trained with."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alignkit._check import join_names, require
from alignkit._io import check_file, sha256
from alignkit.models._hub import hub_or_cache
from alignkit.models._model import Model
from alignkit.models._options import Options
from alignkit.models._preprocess import Preprocess


def load_open_clip(rest: str, options: Options) -> Model:
    """Load ``open_clip:ARCHITECTURE/TAG``; the weights come from open_clip's cache or hub, or from a local file.

    With a local file the tag may be left out: then the architecture alone decides activation and constants.
    """
    return read_open_clip(rest, options)[1]


def read_open_clip(rest: str, options: Options) -> tuple[Any, Model]:
    """Return open_clip's own model, both towers of it, and its image tower as :func:`load_open_clip` gives it."""
    require("open_clip", "train")
    architecture, _, tag = rest.partition("/")
    check_architecture(architecture)
    config = {} if options.weights is not None and not tag else _tag_config(architecture, tag)
    if options.untrained:
        path = None
    else:
        path = check_file(options.weights) if options.weights is not None else _fetch(options.name, config)
    clip = _create(architecture, path, config, options)
    visual = clip.visual
    constants = ("mean", "std", "interpolation", "resize_mode")
    own = {**visual.preprocess_cfg, **{key: config[key] for key in constants if key in config}}
    size = own["size"] if isinstance(own["size"], int) else int(own["size"][0])
    settings: dict[str, Any] = {
        "architecture": architecture,
        "pretrained": tag,
        "quick_gelu": _quick(architecture, config),
    }
    if options.img_size is not None:
        settings["img_size"] = options.img_size
    if path is not None:
        settings |= {"weights_file": path.name, "weights_file_sha256": sha256(path)}
    model = Model.from_module(
        visual,
        options.preprocess_or(lambda: Preprocess.from_open_clip(own), size),
        name=options.name,
        settings=settings,
        **tokens_of(visual),
    )
    return clip, model


def tokens_of(visual: Any) -> dict[str, Any]:
    """Return what a :class:`Model` says of the tokens that an open_clip vision tower puts before its patches."""
    trunk = getattr(visual, "trunk", visual)
    return {
        "n_prefix_tokens": int(getattr(trunk, "num_prefix_tokens", hasattr(trunk, "class_embedding"))),
        "class_token": hasattr(trunk, "class_embedding") or getattr(trunk, "cls_token", None) is not None,
    }


def check_architecture(architecture: str) -> None:
    import open_clip

    if architecture not in open_clip.list_models():
        from difflib import get_close_matches

        near = get_close_matches(architecture, open_clip.list_models(), n=3)
        hint = f"did you mean {join_names(near)}?" if near else "open_clip.list_models() lists them."
        msg = f"open_clip has no architecture {architecture!r}; {hint}"
        raise ValueError(msg)


def _tag_config(architecture: str, tag: str) -> dict[str, Any]:
    import open_clip

    config = open_clip.get_pretrained_cfg(architecture, tag)
    if not config:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        msg = (
            f"open_clip has no weights {tag!r} for {architecture}; the tags after the slash are {join_names(tags, 12)}."
        )
        raise ValueError(msg)
    return dict(config)


def _fetch(name: str, config: dict[str, Any]) -> Path:
    import open_clip

    try:
        with hub_or_cache():
            return Path(open_clip.download_pretrained(config))
    except Exception as error:  # urllib, the hub and open_clip raise different kinds
        hub = str(config.get("hf_hub") or "")
        repository, _, file = hub.rpartition("/")
        wanted = (
            f"{file or 'open_clip_model.safetensors'} of https://huggingface.co/{repository}" if hub else config["url"]
        )
        msg = (
            f"the weights of {name} are not in the local cache and cannot be downloaded "
            f"({type(error).__name__}); open_clip wants {wanted}: fetch it elsewhere and pass weights=FILE."
        )
        raise FileNotFoundError(msg) from error


def _create(architecture: str, path: Path | None, config: dict[str, Any], options: Options) -> Any:
    import open_clip

    try:
        with warnings.catch_warnings(), _quiet():
            warnings.simplefilter("ignore")  # about tags, which are not used here: the file is given
            return open_clip.create_model(
                architecture,
                pretrained=None if path is None else str(path),
                force_quick_gelu=_quick(architecture, config),
                force_image_size=options.img_size,
                pretrained_text=False,
                weights_only=True,
            )
    except Exception as error:  # damaged files, pickles and misfits raise different kinds
        reason = " ".join(str(error).split())
        msg = f"{path} cannot be loaded into open_clip's {architecture} ({reason[:300]})."
        raise ValueError(msg) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip's remarks off the screen: it writes them to the root logger, which belongs to the caller."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)


def _quick(architecture: str, config: dict[str, Any]) -> bool:
    import open_clip

    # OpenAI's and a few other weights need QuickGELU, which open_clip's plain architecture names do not imply
    return bool(config.get("quick_gelu") or open_clip.get_model_config(architecture).get("quick_gelu"))
