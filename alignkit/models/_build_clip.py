"""A CLIP with random weights, each tower drawn from numbers of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from alignkit._check import check_count, require
from alignkit.models._clip_architecture import clip_architecture

#: Streams of random numbers of one seed.
_VISION, _TEXT = 0, 1
#: The smallest vision tower there is; it stands in where only the text tower is wanted.
_STAND_IN = {"image_size": 2, "patch_size": 2, "layers": 1, "width": 2, "head_width": 2}
#: The smallest text tower, where only the vision tower is wanted.
_FEW_WORDS = {"context_length": 2, "vocab_size": 2, "width": 2, "heads": 1, "layers": 1}


def build_clip(config: str | Mapping[str, Any], /, *, seed: int) -> nn.Module:
    """Return open_clip's model with random weights, on the CPU.

    Each tower is initialised by open_clip itself, from its own stream of the seed: the text tower is the same
    whatever the vision tower is (of one ``embed_dim``, which its projection has too), and the other way round. The
    caller's random numbers stay as they were.

    Parameters
    ----------
    config : str or mapping
        The name of one of open_clip's architectures ("ViT-B-32"), the path of a ``.json`` file, or what configs hold:
        ``embed_dim``, ``vision_cfg``, ``text_cfg``, and where wanted ``quick_gelu``, ``custom_text``,
        ``init_logit_scale`` (a logarithm; log(1 / 0.07) if left out), ``init_logit_bias`` (none) and
        ``nonscalar_logit_scale``.
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
    settings = clip_architecture(config)
    model = _build(settings, seed, _VISION)
    stand_in = _build({**settings, "vision_cfg": _STAND_IN}, seed, _TEXT)
    text = {name: value for name, value in stand_in.state_dict().items() if not name.startswith("visual.")}
    wrong = model.load_state_dict(text, strict=False)
    assert not wrong.unexpected_keys
    assert all(name.startswith("visual.") for name in wrong.missing_keys)
    return model


def blank_clip(settings: Mapping[str, Any], /, *, text: bool = True, device: str = "cpu") -> nn.Module:
    """Return a model of whole settings to put weights into; without ``text``, its text tower is the smallest one.

    On the device "meta" it has shapes alone.

    Raises
    ------
    ValueError
        Sizes that do not fit.
    """
    wanted = settings if text else {**settings, "text_cfg": _FEW_WORDS}
    return _build(wanted, 0, _VISION, device)


def _build(settings: Mapping[str, Any], seed: int, stream: int, device: str = "cpu") -> nn.Module:
    import open_clip

    arguments = dict(settings)
    kind = open_clip.CustomTextCLIP if arguments.pop("custom_text", False) else open_clip.CLIP
    drawn = int(np.random.SeedSequence((seed, stream)).generate_state(1, np.uint64)[0])
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.default_generator.manual_seed(drawn)
        try:
            model: nn.Module = kind(**arguments)
        except Exception as error:  # what open_clip and timm raise has no end
            msg = f"open_clip cannot build this config ({' '.join(str(error).split())[:300]})."
            raise ValueError(msg) from error
    return model
