"""From a layer's output to one row of channels per item: class token, mean, or everything."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from alignkit._check import check_choice

if TYPE_CHECKING:
    import torch

    from alignkit.models._model import Model

Pool = Literal["auto", "cls", "mean", "flatten"]
_Rule = Literal["as-is", "cls", "mean-tokens", "mean-map-channels-first", "mean-map-channels-last", "flatten"]
POOLS = ("auto", "cls", "mean", "flatten")


@dataclasses.dataclass(frozen=True, slots=True)
class Pooling:
    """What is done to one layer's output, decided from its shape before anything is computed.

    Parameters
    ----------
    rule : str
        ``"as-is"`` (already one row), ``"cls"``, ``"mean-tokens"``, ``"mean-map-channels-first"``,
        ``"mean-map-channels-last"`` or ``"flatten"``.
    skip : int
        Leading tokens that ``"mean-tokens"`` leaves out.
    """

    rule: _Rule
    skip: int = 0

    def __call__(self, output: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return shape (items, channels); ``mask`` (items, tokens) is 1 at the tokens that count."""
        if self.rule == "as-is":
            return output
        if self.rule == "cls":
            return output[:, 0]
        if self.rule == "flatten":
            return output.flatten(1)
        output = output.float()  # a mean of half-precision numbers would be rounded twice
        if self.rule == "mean-map-channels-first":
            return output.mean((2, 3))
        if self.rule == "mean-map-channels-last":
            return output.mean((1, 2))
        if mask is None:
            return output[:, self.skip :].mean(1)
        weight = mask.to(output.dtype).unsqueeze(-1)
        return (output * weight).sum(1) / weight.sum(1)


def pooling(model: Model, layer: str, how: Pool) -> Pooling:
    """Return the rule for one layer.

    Raises
    ------
    ValueError
        A way of pooling that the layer's shape does not allow.
    """
    check_choice("pool", how, POOLS)
    shape = model.probe().shapes[layer]
    if len(shape) == 1:
        return _of_vector(layer, how, shape)
    if how == "flatten":
        return _flat(model, layer)
    if len(shape) == 2:
        return _of_tokens(model, layer, how, shape)
    if len(shape) == 3:
        return _of_map(layer, how, shape)
    msg = f"the layer {layer!r} gives {len(shape)} axes per item ({shape}); only pool='flatten' is defined for it."
    raise ValueError(msg)


def _of_vector(layer: str, how: Pool, shape: tuple[int, ...]) -> Pooling:
    if how in ("cls", "mean"):
        msg = f"the layer {layer!r} gives one vector of {shape[0]} channels: there is nothing to pool; use pool='auto'."
        raise ValueError(msg)
    return Pooling("as-is")


def _flat(model: Model, layer: str) -> Pooling:
    if model.kind == "text":
        msg = f"pool='flatten' gives texts of different lengths different numbers of channels at {layer!r}; use 'mean'."
        raise ValueError(msg)
    return Pooling("flatten")


def _of_tokens(model: Model, layer: str, how: Pool, shape: tuple[int, ...]) -> Pooling:
    if model.kind == "text":
        return Pooling("cls" if how == "cls" else "mean-tokens")
    # layers before the class token joins (patch_embed) carry patches only
    n_tokens = model.probe().n_tokens
    has_prefix = n_tokens is None or shape[0] == n_tokens
    has_class = model.class_token and has_prefix
    if how == "cls" and not has_class:
        msg = f"the layer {layer!r} of {model.name} has no class token; use pool='mean' or 'flatten'."
        raise ValueError(msg)
    if how == "cls" or (how == "auto" and has_class):
        return Pooling("cls")
    return Pooling("mean-tokens", model.n_prefix_tokens if has_prefix else 0)


def _of_map(layer: str, how: Pool, shape: tuple[int, ...]) -> Pooling:
    if how == "cls":
        msg = f"the layer {layer!r} gives a map of shape {shape} without a class token; use pool='mean' or 'flatten'."
        raise ValueError(msg)
    # input is square, so the two equal axes are space; three equal ones are read as channels first
    if shape[1] == shape[2]:
        return Pooling("mean-map-channels-first")
    if shape[0] == shape[1]:
        return Pooling("mean-map-channels-last")
    msg = f"the layer {layer!r} gives shape {shape}, in which no two axes are space for sure; use pool='flatten'."
    raise ValueError(msg)
