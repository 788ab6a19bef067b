"""A CLIP by name, with both of its towers: a run of one's own, or a published one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._check import require
from alignkit._typing import PathLike
from alignkit.models._joint_model import JointModel
from alignkit.models._options import Options

if TYPE_CHECKING:
    import torch


def load_joint(
    name: PathLike, /, *, weights: PathLike | None = None, device: str | torch.device = "auto"
) -> JointModel:
    """Load a model that has images and texts in one space.

    Parameters
    ----------
    name : str
        ``run:PATH``, the folder of a CLIP that ``alignkit train`` made (or of one of its epochs), or
        ``open_clip:ARCHITECTURE/TAG``.
    weights : path-like, optional
        For open_clip, a local file in place of a download; the tag may be left out then.
    device : str or torch.device
        ``"auto"``: the first GPU if there is one, else the CPU.

    Returns
    -------
    JointModel

    Raises
    ------
    FileNotFoundError
        No finished run there, or weights or a tokenizer that are neither at hand nor downloadable.
    ValueError
        A model without a text tower, an unknown name, damaged files, or a device that is not there.
    ImportError
        Without torch or open_clip.

    Examples
    --------
    >>> load_joint("timm:resnet18")
    Traceback (most recent call last):
    ...
    ValueError: timm:resnet18 reads no texts; the names are run:PATH (of a CLIP) and open_clip:ARCHITECTURE/TAG.
    """
    require("torch", "train")
    from alignkit.models._run import as_device

    target = as_device(device)
    options = Options(name=os.fspath(name), weights=None if weights is None else Path(weights))
    prefix, _, rest = options.name.partition(":")
    makers = {"run": _from_run, "open_clip": _from_open_clip}
    if prefix not in makers or not rest:
        msg = f"{options.name} reads no texts; the names are run:PATH (of a CLIP) and open_clip:ARCHITECTURE/TAG."
        raise ValueError(msg)
    require("open_clip", "train")
    model = makers[prefix](rest, options)
    model.image.module.to(target)
    model.text.module.to(target)
    return model


def _from_run(path: str, options: Options) -> JointModel:
    from alignkit.models._clip_run_model import clip_image, read_clip_model
    from alignkit.models._clip_text import clip_text, config_tokenizer
    from alignkit.models._run_model import CLIP, kind_of_run

    options.refuse("weights")
    kind = kind_of_run(path)
    if kind not in (None, CLIP):
        msg = f"{options.name} is an {kind}, which has no text tower; a run of image-text training is expected."
        raise ValueError(msg)
    saved = read_clip_model(path)
    if "text" not in saved.towers:
        msg = f"{options.name} was trained without a text tower (stage 1); name the run that continued from it."
        raise ValueError(msg)
    tokenizer = config_tokenizer(saved.architecture)
    clip = saved.build()
    scale = float(saved.state["logit_scale"].double().mean())
    text = clip_text(clip, tokenizer, name=options.name)
    return JointModel(options.name, clip_image(saved, clip, name=options.name), text, scale)


def _from_open_clip(rest: str, options: Options) -> JointModel:
    from alignkit.models._clip_text import clip_text, clip_tokenizer
    from alignkit.models._open_clip import read_open_clip

    clip, image = read_open_clip(rest, options)
    text = clip_text(clip, clip_tokenizer(rest.partition("/")[0]), name=options.name)
    return JointModel(options.name, image, text, clip.logit_scale.detach().double().mean().item())
