"""Texts in a text network that is trained in part: all of them at once, from what its frozen half made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from alignkit.models._split_tower import SplitTower

#: Texts that go through the network at once.
_BATCH = 256


class EncodedTexts(nn.Module):
    """The embeddings of fixed texts, computed anew at every call from their kept prefix.

    Parameters
    ----------
    tower : SplitTower
        The text network, cut before what is trained.
    tokens : torch.Tensor or mapping of tensors
        The texts as the network takes them.
    """

    hidden: torch.Tensor

    def __init__(self, tower: SplitTower, tokens: Any, /) -> None:
        super().__init__()
        self.tower = tower
        self.more: dict[str, Any] | None = None
        self.names: tuple[str, ...] = ()
        if isinstance(tokens, Mapping):
            self.names = tuple(key for key, value in tokens.items() if isinstance(value, torch.Tensor))
            self.more = {key: value for key, value in tokens.items() if key not in self.names}
        for name, value in self._named(tokens).items():
            self.register_buffer(f"tokens_{name}", value, persistent=False)
        self.register_buffer("hidden", _in_batches(tower.prefix, tokens), persistent=False)

    def forward(self) -> torch.Tensor:
        """Return the embeddings, shape (texts, W), of length 1."""
        tokens, n = self._tokens(), len(self.hidden)
        parts = [self.tower.suffix(self.hidden[part], _rows(tokens, part)) for part in _parts(n)]
        return unit(torch.cat(parts))

    def _named(self, tokens: Any) -> dict[str, torch.Tensor]:
        return {name: tokens[name] for name in self.names} if self.more is not None else {"": tokens}

    def _tokens(self) -> Any:
        if self.more is None:
            return self.get_buffer("tokens_")
        return {**self.more, **{name: self.get_buffer(f"tokens_{name}") for name in self.names}}


def encode(tower: SplitTower, tokens: Any) -> torch.Tensor:
    """Return the embeddings of texts, shape (texts, W), of length 1, without gradients."""
    with torch.no_grad():
        return unit(_in_batches(tower, tokens))


def unit(x: torch.Tensor) -> torch.Tensor:
    """Return rows of length 1; a row of zeros has no direction and becomes NaN."""
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)


def _in_batches(function: Callable[[Any], torch.Tensor], tokens: Any) -> torch.Tensor:
    tensors = tokens.values() if isinstance(tokens, Mapping) else [tokens]
    n = next(len(value) for value in tensors if isinstance(value, torch.Tensor))
    return torch.cat([function(_rows(tokens, part)) for part in _parts(n)])


def _parts(n: int) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, n, _BATCH))


def _rows(tokens: Any, part: slice) -> Any:
    if isinstance(tokens, Mapping):
        return {key: value[part] if isinstance(value, torch.Tensor) else value for key, value in tokens.items()}
    return tokens[part]
