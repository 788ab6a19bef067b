"""One name for any encoder: the registry of what can be loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._check import check_count, check_img_size, require, shown
from alignkit._typing import PathLike
from alignkit.models._factory import load_factory
from alignkit.models._hf import load_hf
from alignkit.models._model import Model
from alignkit.models._open_clip import load_open_clip
from alignkit.models._options import Options, PreprocessLike
from alignkit.models._packaged import load_efficientnet_lite0, load_minilm
from alignkit.models._run_model import load_run
from alignkit.models._timm import load_file, load_random, load_timm

if TYPE_CHECKING:
    import torch

#: Encoders with a name of their own.
NAMED: dict[str, Callable[[Options], Model]] = {
    "efficientnet-lite0": load_efficientnet_lite0,
    "minilm": load_minilm,
}
#: Libraries: ``PREFIX:REST``.
PREFIXED: dict[str, Callable[[str, Options], Model]] = {
    "hf": load_hf,
    "open_clip": load_open_clip,
    "random": load_random,
    "run": load_run,
    "timm": load_timm,
}
_SUFFIXES = frozenset({".safetensors", ".pth", ".pt", ".bin"})
_FACTORY = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")


def load(
    name: PathLike,
    /,
    *,
    weights: PathLike | None = None,
    device: str | torch.device = "auto",
    img_size: int | None = None,
    preprocess: PreprocessLike = None,
    architecture: str | None = None,
    seed: int = 0,
) -> Model:
    """Load an encoder by name.

    Parameters
    ----------
    name : str or path-like
        - ``open_clip:ViT-L-14/openai``: the image tower of a CLIP, architecture / pretrained tag (with ``weights=`` of
          your own training, the architecture alone).
        - ``timm:vit_small_patch14_dinov2``: any timm network with its pretrained weights.
        - ``random:resnet18``: a timm network, untrained: a baseline. ``random:small_cnn`` and ``random:small_vit`` can
          be trained on a CPU.
        - ``hf:facebook/dinov2-base``, ``hf:FOLDER``: a vision model of the Hugging Face hub, or one in a folder, by
          transformers; of CLIP and SigLIP the image tower. Safetensors only, and code that comes with a model is never
          run. Its output is the projected embedding of a CLIP, else the pooled output (for DINOv2 the normalised class
          token), else the last hidden state.
        - ``run:PATH``: the folder of a model that ``alignkit train`` made; its output are the dimensions. Its backbone
          is loaded by the name that the run recorded (``weights=`` gives its file where that is elsewhere now). Of a
          CLIP the image tower, whose output is the joint embedding (:func:`load_joint` gives both towers).
        - ``efficientnet-lite0``, ``minilm``: packages (``alignkit[offline]``); MiniLM reads texts.
        - a path to a weights file for timm; ``architecture=``, its header, a ``.json`` beside it or its own name
          (``ARCHITECTURE.tag.safetensors``) says for which network.
        - ``my_module:factory``: a function of yours that returns an ``nn.Module``, ``(nn.Module, preprocess)`` or a
          :class:`Model`; it is imported from the current folder or the installed packages.
    weights : path-like, optional
        A local file (``.safetensors``, or a torch checkpoint of plain tensors) in place of a download. Every tensor
        must fit.
    device : str or torch.device
        ``"auto"`` is the first GPU if there is one, else the CPU.
    img_size : int, optional
        Input size in pixels other than the model's own; position embeddings are interpolated.
    preprocess : str, Preprocess, mapping or callable, optional
        In place of the model's own: ``"clip"``, ``"hba"``, ``"imagenet"``, ``"alignet"``, a :class:`Preprocess` or its
        settings, or a function of a PIL image. It is part of the model's identity.
    architecture : str, optional
        timm's name of the network, for a bare weights file.
    seed : int
        Of ``random:`` networks.

    Returns
    -------
    Model
        In evaluation mode, on ``device``.

    Raises
    ------
    ImportError
        A library is missing; the message names the extra that brings it.
    FileNotFoundError
        A file that does not exist, or weights that are neither cached nor downloadable: the message names them.
    ValueError
        An unknown name, weights that do not fit, a damaged file, a device this machine does not have, an option that
        the model has no use for, or a factory that fails.
    TypeError
        A factory or a preprocessing of the wrong type.

    Examples
    --------
    >>> model = load("random:resnet10t", device="cpu", img_size=64, seed=1)
    >>> model.layers()[-3:], model.preprocess.size
    (['global_pool', 'fc', 'output'], 64)
    """
    require("torch", "train")
    from alignkit.models._run import as_device

    target = as_device(device)
    model = build(
        name,
        weights=weights,
        img_size=img_size,
        preprocess=preprocess,
        architecture=architecture,
        seed=seed,
    )
    model.module.to(target)
    return model


def build(
    name: object,
    /,
    *,
    weights: PathLike | None = None,
    img_size: int | None = None,
    preprocess: PreprocessLike = None,
    architecture: str | None = None,
    seed: int = 0,
    untrained: bool = False,
) -> Model:
    """Return a model on the CPU; ``untrained``: to be looked at only, so no weights are fetched."""
    if not isinstance(name, str | os.PathLike):
        msg = f"a model is named by a string or a path; got {shown(name)}."
        raise TypeError(msg)
    require("torch", "train")
    text = str(name)
    if img_size is not None:
        check_img_size(img_size)
    if check_count("seed", seed) and not text.startswith("random:"):
        msg = f"{text} has no use for a seed (only random:NAME has); leave it out."
        raise ValueError(msg)
    options = Options(
        name=text,
        weights=None if weights is None else Path(weights),
        img_size=img_size,
        preprocess=preprocess,
        architecture=architecture,
        seed=seed,
        untrained=untrained,
    )
    return _loader(text)(options)


def _loader(name: str) -> Callable[[Options], Model]:
    prefix, _, rest = name.partition(":")
    if name in NAMED:
        return NAMED[name]
    if prefix in PREFIXED and rest:
        library = PREFIXED[prefix]
        return lambda options: library(rest, options)
    if Path(name).suffix.lower() in _SUFFIXES:
        return lambda options: load_file(Path(name), options)
    factory = _FACTORY.fullmatch(name)
    if factory is not None:
        return lambda options: load_factory(factory[1], factory[2], options)
    known = [*(f"{prefix}:NAME" for prefix in PREFIXED), *NAMED, "a .safetensors file", "my_module:factory"]
    near = get_close_matches(name, NAMED, n=1, cutoff=0.7)
    hint = f"did you mean {near[0]}? The names are" if near else "the names are"
    msg = f"there is no model {name!r}; {hint} {', '.join(known)} (list_models(), `alignkit models list`)."
    raise ValueError(msg)
