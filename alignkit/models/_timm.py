"""timm's networks: pretrained, from a local file, or untrained as a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._check import check_count, check_img_size, join_names, require
from alignkit._io import check_file, read_json, sha256
from alignkit.models._hub import hub_or_cache
from alignkit.models._model import Model
from alignkit.models._options import Options
from alignkit.models._preprocess import Preprocess
from alignkit.models._weights import misfit, read_metadata, read_weights

if TYPE_CHECKING:
    import torch
    from torch import nn


def load_timm(architecture: str, options: Options) -> Model:
    """Load ``timm:ARCHITECTURE``, with timm's pretrained weights or those of ``options.weights``."""
    _check_name(architecture)
    if options.untrained and options.weights is None:
        return _outline(architecture, options)
    if options.weights is None:
        return as_model(_pretrained(architecture, options), options, architecture=architecture)
    path = check_file(options.weights)
    module = with_weights(architecture, read_weights(path), options.img_size, where=str(path))
    file = {"weights_file": path.name, "weights_file_sha256": sha256(path)}
    return as_model(module, options, architecture=architecture, **file)


def _outline(architecture: str, options: Options) -> Model:
    """Build a network to be looked at, where that works without numbers, with which large ones take long."""
    import torch

    try:
        with torch.device("meta"):
            module = _create(architecture, img_size=options.img_size, pretrained=False)
        return as_model(module, options, architecture=architecture)
    except Exception:  # networks that look at their numbers
        return load_random(architecture, options.replace(weights=None, architecture=None))


def load_random(architecture: str, options: Options) -> Model:
    """Build ``random:ARCHITECTURE``, of timm or one of our own: untrained, from ``options.seed``."""
    import torch

    from alignkit.models._small_cnn import SmallCNN
    from alignkit.models._small_vit import small_vit

    options.refuse("weights", "architecture")  # untrained is what its name says
    own: dict[str, Callable[[], nn.Module]] = {"small_cnn": SmallCNN, "small_vit": small_vit}
    if architecture not in own:
        _check_name(architecture)
    seed = check_count("seed", options.seed)
    # networks draw from torch's global generator: borrow it, and give it back as it was
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if architecture in own:
            module = own[architecture]()
        else:
            module = _create(architecture, img_size=options.img_size, pretrained=False)
    return as_model(module, options, architecture=architecture, seed=seed)


def load_file(path: Path, options: Options) -> Model:
    """Load a local weights file whose header, sidecar or ``options.architecture`` names the timm network."""
    path = check_file(path)
    settings = {**_sidecar(path), **(read_metadata(path) if path.suffix.lower() == ".safetensors" else {})}
    architecture = options.architecture or settings.get("architecture") or _in_file_name(path)
    if not isinstance(architecture, str):
        msg = (
            f"{path} does not say which network it is for; pass architecture= with a timm name, or put "
            f'{{"architecture": "NAME"}} into {path.with_suffix(".json").name} beside it.'
        )
        raise ValueError(msg)
    return load_timm(architecture, options.replace(weights=path))


def with_weights(
    architecture: str, state: Mapping[str, torch.Tensor], img_size: int | None, *, where: str
) -> nn.Module:
    """Build a timm network and load every tensor of ``state`` into it; all must fit.

    Position embeddings are interpolated when ``img_size`` differs from the size they were trained for, by timm.
    """
    import timm

    cfg = timm.get_pretrained_cfg(architecture)
    weight = state.get(f"{cfg.classifier}.weight") if cfg is not None else None
    n_classes = 0 if weight is None else len(weight)
    overlay = {"state_dict": dict(state), "num_classes": n_classes, "custom_load": False}
    try:
        return _create(
            architecture, img_size=img_size, pretrained=True, num_classes=n_classes, pretrained_cfg_overlay=overlay
        )
    except (RuntimeError, KeyError, AttributeError) as error:
        # timm's loader raises different things for a file of another network: compare for ourselves
        expected = timm.create_model(architecture, pretrained=False, num_classes=n_classes).state_dict()
        msg = f"{where} does not fit timm's {architecture} ({misfit(state, expected) or error})."
        raise ValueError(msg) from error


def as_model(module: nn.Module, options: Options, **settings: Any) -> Model:
    """Wrap a timm network with its own data config, prefix tokens and representation."""
    config = dict(require("timm.data", "train").resolve_model_data_config(module))
    if options.img_size is not None:
        config["input_size"] = (3, options.img_size, options.img_size)
        settings["img_size"] = options.img_size
    model = Model.from_module(
        module,
        options.preprocess_or(lambda: Preprocess.from_timm(config), int(config["input_size"][1])),
        name=options.name,
        settings=settings,
        n_prefix_tokens=int(getattr(module, "num_prefix_tokens", 0)),
        class_token=getattr(module, "cls_token", None) is not None,
    )
    return model.with_default_layer(_representation(model))


def _representation(model: Model) -> str:
    """Return the layer that feeds the classifier, or the output of a network without one."""
    from torch import nn

    classifier = _classifier(model.module)
    head = dict(model.module.named_modules()).get(classifier)
    if head is None or isinstance(head, nn.Identity):
        return "output"
    layers = model.layers()
    position = layers.index(classifier) if classifier in layers else 0
    return layers[position - 1] if position > 0 else "output"


def _classifier(module: nn.Module) -> str:
    cfg: Mapping[str, Any] = getattr(module, "pretrained_cfg", None) or {}
    name = cfg.get("classifier")
    return name if isinstance(name, str) else ""


def _pretrained(architecture: str, options: Options) -> nn.Module:
    try:
        with hub_or_cache():
            return _create(architecture, img_size=options.img_size, pretrained=True)
    except Exception as error:  # the hub, its transport and timm raise a dozen kinds
        import timm

        cfg = timm.get_pretrained_cfg(architecture)
        where = f"model.safetensors of https://huggingface.co/{cfg.hf_hub_id}" if cfg and cfg.hf_hub_id else "its file"
        msg = (
            f"the weights of {options.name} are not in the local cache and cannot be downloaded "
            f"({type(error).__name__}); timm wants {where}: fetch it elsewhere and pass weights=FILE."
        )
        raise FileNotFoundError(msg) from error


def _create(architecture: str, *, img_size: int | None = None, **options: Any) -> nn.Module:
    import timm

    cfg = timm.get_pretrained_cfg(architecture)
    # networks without position embeddings take any size and have no such argument
    if img_size is not None and cfg is not None and cfg.fixed_input_size:
        options["img_size"] = check_img_size(img_size)
    module: nn.Module = timm.create_model(architecture, **options)
    return module


def _check_name(architecture: str) -> None:
    require("timm", "train")
    import timm

    if not timm.is_model(architecture.partition(".")[0]):
        near = get_close_matches(architecture, timm.list_models(), n=3, cutoff=0.6)
        hint = f"did you mean {join_names(near)}?" if near else "timm.list_models() lists them."
        msg = f"timm has no network {architecture!r}; {hint}"
        raise ValueError(msg)
    name, _, tag = architecture.partition(".")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{name}.*")]
    if tag and tag not in tags:
        msg = f"timm has no weights {tag!r} for {name}; the tags after the point are {join_names(tags, 12)}."
        raise ValueError(msg)


def _in_file_name(path: Path) -> str | None:
    """Return the network in a file name that follows timm's custom, ``ARCHITECTURE.tag.safetensors``."""
    name = path.name.partition(".")[0]
    return name if require("timm", "train").is_model(name) else None


def _sidecar(path: Path) -> dict[str, Any]:
    """Return the JSON beside a weights file: ``NAME.json``, or ``config.json`` as the Hugging Face hub has it."""
    for sidecar in (path.with_suffix(".json"), path.with_name("config.json")):
        if sidecar.is_file():
            content = read_json(sidecar)
            return content if isinstance(content, dict) else {}
    return {}
