"""The text tower of open_clip's models, as a network of its own."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from alignkit.models._hub import hub_or_cache
from alignkit.models._model import Model, Tokenizer


class ClipText(nn.Module):
    """All of an open_clip ``CLIP`` but its image tower, under the same names; its forward is ``encode_text``."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        own = dict(vars(clip))
        kept = {"_modules": "visual", "_parameters": "logit_scale"}
        for name, left_out in kept.items():
            own[name] = {key: value for key, value in own[name].items() if key not in (left_out, "logit_bias")}
        self.__dict__.update(own)
        self._encode = type(clip).encode_text

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """Return the embedding of each text, shape (B, D), not normalised."""
        embedding: torch.Tensor = self._encode(self, text)
        return embedding


def clip_text(clip: Any, tokenizer: Any, /, *, name: str) -> Model:
    """Return the text tower of an open_clip model as a text model.

    Parameters
    ----------
    clip : open_clip.CLIP or open_clip.CustomTextCLIP
    tokenizer : callable
        From a list of strings to token numbers, shape (B, tokens).
    name : str
        What the model was loaded as.
    """
    network = clip.text if hasattr(clip, "text") else ClipText(clip)
    length = int(getattr(clip, "context_length", 0) or getattr(network, "context_length", 0) or 77)
    return Model.from_module(
        network, Tokenizer(name, length, lambda texts: tokenizer(texts, context_length=length)), name=name, kind="text"
    )


def clip_tokenizer(architecture: str) -> Any:
    """Return open_clip's tokenizer for an architecture.

    Raises
    ------
    FileNotFoundError
        A tokenizer of the Hugging Face hub that is neither cached nor downloadable.
    """
    import open_clip

    try:
        with hub_or_cache():
            return open_clip.get_tokenizer(architecture)
    except Exception as error:  # the hub and transformers raise a dozen kinds
        wanted = open_clip.get_model_config(architecture)["text_cfg"].get("hf_tokenizer_name")
        msg = (
            f"the tokenizer of open_clip's {architecture} is not in the local cache and cannot be downloaded "
            f"({type(error).__name__}); open_clip wants https://huggingface.co/{wanted}: fetch that repository "
            f"elsewhere, into the cache of huggingface_hub ({_cache()})."
        )
        raise FileNotFoundError(msg) from error


def config_tokenizer(config: Mapping[str, Any]) -> Any:
    """Return the tokenizer of a whole config (:func:`clip_architecture`), for texts of its context length.

    Raises
    ------
    FileNotFoundError
        A tokenizer of the Hugging Face hub that is neither cached nor downloadable.
    ValueError
        A text tower that knows fewer words than the tokenizer.
    """
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    text = config["text_cfg"]
    length, kwargs = text.get("context_length", 77), dict(text.get("tokenizer_kwargs") or {})
    wanted = text.get("hf_tokenizer_name")
    if not wanted:
        tokenizer = SimpleTokenizer(context_length=length, **kwargs) if kwargs else _plain_tokenizer(length)
        known = text.get("vocab_size", tokenizer.vocab_size)
        if known < tokenizer.vocab_size:
            msg = f"the text tower knows {known:,} words, and open_clip's tokenizer has {tokenizer.vocab_size:,}."
            raise ValueError(msg)
        return tokenizer
    try:
        with hub_or_cache():
            return HFTokenizer(wanted, context_length=length, tokenizer_mode=text.get("tokenizer_mode"), **kwargs)
    except Exception as error:  # the hub and transformers raise a dozen kinds
        msg = (
            f"the tokenizer {wanted} is not in the local cache and cannot be downloaded ({type(error).__name__}): "
            f"fetch https://huggingface.co/{wanted} elsewhere, into the cache of huggingface_hub ({_cache()})."
        )
        raise FileNotFoundError(msg) from error


@functools.cache  # which reads its words anew each time
def _plain_tokenizer(length: int) -> Any:
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(context_length=length)


def _cache() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)
