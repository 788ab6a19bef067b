"""Vision models of the Hugging Face hub by transformers: encoders, and the image towers of CLIP and SigLIP."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._check import join_names, require
from alignkit._io import read_json, sha256
from alignkit.models._hf_processor import load_preprocess
from alignkit.models._hub import hub_or_cache, quiet_transformers
from alignkit.models._model import Model
from alignkit.models._options import Options

if TYPE_CHECKING:
    import torch
    from torch import nn

_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
#: What is fetched: never code, never pickled weights.
_FILES = ("config.json", "preprocessor_config.json", "model.safetensors", "model.safetensors.index.json")
_SHARDS = "model-*-of-*.safetensors"
#: What stands for the image in a model's result, best first.
_OUTPUTS = ("image_embeds", "pooler_output", "last_hidden_state")
#: Tokens before the patches, by the names of their parameters; of registers there are several.
_CLASS_TOKENS = frozenset({"cls_token", "class_token", "class_embedding"})
_REGISTERS = frozenset({"register_tokens", "distillation_token"})


def load_hf(rest: str, options: Options) -> Model:
    """Load ``hf:OWNER/NAME`` from the hub or its cache, or ``hf:FOLDER``; its output is what stands for the image.

    That is the projected embedding of a CLIP tower, else the pooled output where its weights are there, else the
    last hidden state (whose class token or mean is taken).
    """
    options.refuse("weights", "architecture")
    require("torch", "train")
    require("transformers", "train")
    folder = _folder(rest, options)
    config = _config(folder, options.name)
    if hasattr(config, "mask_ratio"):
        config.mask_ratio = 0.0  # MAE hides patches at random, also when it evaluates
    network = _untrained(config) if options.untrained else _load(folder, config)
    files = {} if options.untrained else {path.name: sha256(path) for path in _weights(folder)}
    settings: dict[str, Any] = {"architecture": type(network).__name__, "model_type": str(config.model_type)}
    settings["weights_files"] = files
    if options.img_size is not None:
        settings["img_size"] = options.img_size
    module = _image_part(network, folder)
    _pass_along(module, config, options.img_size)
    output = _Output()
    module.register_forward_hook(output)
    preprocess = load_preprocess(folder, options, _size(config))
    model = Model.from_module(module, preprocess, name=options.name, settings=settings)
    model.probe()
    settings["representation"] = output.name
    return _with_tokens(model)


class _Output:
    """Hook that puts the one tensor that stands for the image in place of transformers' collection of results."""

    name = "output"

    def __call__(self, _module: Any, _args: Any, output: Any) -> Any:
        self.name = next((name for name in _OUTPUTS if output.get(name) is not None), self.name)
        return output.get(self.name, output)


def _folder(rest: str, options: Options) -> Path:
    """Return the folder with the model's files, after a download where it is not a folder already."""
    path = Path(rest).expanduser()
    if path.is_dir():
        return path
    if not _REPOSITORY.fullmatch(rest) or rest.startswith("."):
        msg = f"the folder {rest} does not exist; hf: takes a folder, or a model of the hub as OWNER/NAME."
        raise FileNotFoundError(msg)
    return _fetch(rest, options)


def _fetch(repository: str, options: Options) -> Path:
    from huggingface_hub import constants, snapshot_download

    wanted = _FILES[:2] if options.untrained else (*_FILES, _SHARDS)
    try:
        with hub_or_cache():
            offline = constants.HF_HUB_OFFLINE
            folder = Path(snapshot_download(repository, allow_patterns=list(wanted), local_files_only=offline))
    except Exception as error:  # the hub and its transport raise a dozen kinds
        raise _unreachable(repository, type(error).__name__) from error
    needed = ["config.json"] if options.untrained else ["config.json", "model.safetensors"]
    missing = [name for name in needed if not (folder / name).is_file()]
    if (
        offline
        and missing
        and not (missing == ["model.safetensors"] and (folder / "model.safetensors.index.json").is_file())
    ):
        raise _unreachable(repository, f"the cache lacks {join_names(missing)}")
    return folder


def _unreachable(repository: str, reason: str) -> FileNotFoundError:
    return FileNotFoundError(
        f"hf:{repository} is not in the local cache and cannot be downloaded ({reason}); fetch config.json, "
        f"preprocessor_config.json and model.safetensors of https://huggingface.co/{repository} elsewhere, into a "
        "folder, and name it, as hf:FOLDER."
    )


def _config(folder: Path, name: str) -> Any:
    transformers: Any = require("transformers", "train")
    path = folder / "config.json"
    if not path.is_file():
        msg = f"{folder} has no config.json, so it is no model of transformers."
        raise FileNotFoundError(msg)
    kind = read_json(path)
    try:
        with quiet_transformers():
            return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # whatever a damaged or foreign config leads to
        kind = kind.get("model_type") if isinstance(kind, dict) else None
        msg = (
            f"{path} is no configuration that transformers itself knows (model_type {kind!r}); code that comes with a "
            f"model is never run. For timm's models write timm:NAME in place of {name}."
        )
        raise ValueError(msg) from error


def _weights(folder: Path) -> list[Path]:
    """Return the safetensors files that hold the weights.

    Raises
    ------
    FileNotFoundError
        There are none, or some are missing.
    ValueError
        An index that names files elsewhere.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if not index.is_file():
        msg = (
            f"{folder} has no model.safetensors (pickled weights are never loaded); save the model with "
            "save_pretrained, which writes one."
        )
        raise FileNotFoundError(msg)
    content = read_json(index)
    named = content.get("weight_map") if isinstance(content, dict) else None
    files = sorted({str(name) for name in named.values()}) if isinstance(named, dict) else []
    if not files or any(Path(name).name != name or not name.endswith(".safetensors") for name in files):
        msg = f"{index} does not name the safetensors files beside it; it is damaged."
        raise ValueError(msg)
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        msg = f"{folder} lacks {join_names(missing)} of its weights."
        raise FileNotFoundError(msg)
    return [folder / name for name in files]


def _class_of(config: Any) -> Any:
    """Return the class to load: transformers' own choice, except for a tower that was saved with its projection."""
    transformers: Any = require("transformers", "train")
    name = next(iter(config.architectures or ()), "")
    projected = name.endswith("VisionModelWithProjection") and hasattr(transformers, name)
    return getattr(transformers, name) if projected else transformers.AutoModel


def _load(folder: Path, config: Any) -> nn.Module:
    import torch

    _weights(folder)
    try:
        with quiet_transformers(), torch.random.fork_rng(devices=[]):
            network, info = _class_of(config).from_pretrained(
                folder,
                config=config,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # damaged weights and misfits raise different kinds
        reason = " ".join(str(error).split())
        msg = f"{folder} cannot be loaded by transformers ({reason[:300]})."
        raise ValueError(msg) from error
    _check_whole(network, info["missing_keys"], folder)
    return network.float()


def _check_whole(network: Any, missing: Iterable[str], folder: Path) -> None:
    """Raise when the part that is used lacks weights: transformers draws them at random, with a warning only."""
    kept = {name for name, _ in _image_part(network, folder).named_parameters()}
    lacking = sorted(name for name in kept.intersection(missing) if not name.endswith("mask_token"))  # training's own
    if lacking and all(name.startswith("pooler.") for name in lacking):
        network.pooler = None  # a classifier is saved without it
    elif lacking:
        msg = f"{folder} lacks {len(lacking)} weights of its network: {join_names(lacking)}."
        raise ValueError(msg)


def _untrained(config: Any) -> nn.Module:
    import torch

    kind = _class_of(config)
    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        network: Any = kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
    return network.float()


def _image_part(network: Any, folder: Path) -> Any:
    """Return the network, or the image tower of one that reads texts too."""
    from alignkit.models._tower_torch import ImageTower

    if network.main_input_name == "pixel_values":
        return network
    if getattr(network, "vision_model", None) is None:
        msg = f"{folder} holds a {type(network).__name__}, which does not read images; hf: is for vision models."
        raise ValueError(msg)
    return ImageTower(network.vision_model, getattr(network, "visual_projection", None))


def _pass_along(module: Any, config: Any, img_size: int | None) -> None:
    """Give the network what it needs beside images: leave to take another size, and MAE the order of its patches."""
    parameters = inspect.signature(module.forward).parameters
    resized = img_size is not None and "interpolate_pos_encoding" in parameters
    masked = "noise" in parameters and hasattr(config, "mask_ratio")

    def add(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        more: dict[str, Any] = {"interpolate_pos_encoding": True} if resized else {}
        if masked:
            more["noise"] = _in_place(args[0], config.patch_size)
        return args, {**kwargs, **more}

    if resized or masked:
        module.register_forward_pre_hook(add, with_kwargs=True)


def _in_place(images: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Return the noise by which MAE sorts patches: in the order in which they lie."""
    import torch

    n = (images.shape[-1] // patch_size) * (images.shape[-2] // patch_size)
    return torch.arange(n, dtype=torch.float32, device=images.device).expand(len(images), n)


def _size(config: Any) -> int:
    own = getattr(config, "vision_config", config)
    size = getattr(own, "image_size", None) or 224
    return int(size if isinstance(size, int) else max(size))


def _with_tokens(model: Model) -> Model:
    """Return the model with its class token and registers counted, where it has a transformer's blocks."""
    if not model.probe().blocks:
        return model
    last = {name.rpartition(".")[2]: value for name, value in model.module.named_parameters()}
    n_class = int(any(name in last for name in _CLASS_TOKENS))
    n_others = sum(last[name].shape[-2] for name in _REGISTERS if name in last)
    counted = dataclasses.replace(model, class_token=bool(n_class), n_prefix_tokens=n_class + n_others)
    counted._probed.update(model._probed)
    return counted
