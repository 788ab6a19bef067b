"""From a class token behind a block to a network's embedding: its final norm, and its projection."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from alignkit.models._layer_tokens import LayerTokens
    from alignkit.models._split_tower import SplitTower

# Axes: B images, W width of a block, E width of the embedding.

#: How far apart rounding may take the same embedding, computed in one way or another.
_ROUNDING = 1e-4


@dataclasses.dataclass(frozen=True, slots=True)
class FinalStep:
    """What a network does with the class token behind its last block.

    Parameters
    ----------
    norm, projection : str or None
        Names, within the network, of a layer that normalises and of a matrix; None where there is no such step.
    """

    norm: str | None = None
    projection: str | None = None

    def parts(self, network: nn.Module, width: int, /) -> tuple[nn.Module | None, nn.Linear | None]:
        """Return frozen copies of the two.

        Raises
        ------
        ValueError
            Names of something else.
        """
        norms, projections = dict(_norms(network)), dict(_projections(network, width))
        for name, known in ((self.norm, norms), (self.projection, projections)):
            if name is not None and name not in known:
                msg = f"{name!r} is no final step of the network"
                raise ValueError(msg)
        norm = None if self.norm is None else copy.deepcopy(norms[self.norm]).requires_grad_(False)
        projection = None if self.projection is None else _as_linear(projections[self.projection])
        return norm, projection


def find_final_step(tower: SplitTower, tokens: LayerTokens, /, *, name: str) -> FinalStep:
    """Return the steps that make the embedding of ``tower`` from its last class token, found by trying.

    Parameters
    ----------
    tower : SplitTower
        The network with its embedding.
    tokens : LayerTokens
        The same network's class tokens.
    name : str
        The network's, for the message.

    Raises
    ------
    ValueError
        No such steps.
    """
    assert tokens.blank is not None  # it takes images
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((2, *tokens.blank.shape[1:]), generator=generator).to(tokens.blank)
    with torch.no_grad():
        last_BW, expected_BE = tokens.prefix(images)[:, -1], tower(images)
        norms = [("", None), *_norms(tower.network, tokens.block_names)]
        matrices = [("", None), *_projections(tower.network, last_BW.shape[1], tokens.block_names)]
        for (norm, layer), (projection, matrix) in product(norms, matrices):
            found = last_BW if layer is None else layer(last_BW)
            found = found if matrix is None else _as_linear(matrix)(found)
            if found.shape == expected_BE.shape and _is_close(found, expected_BE):
                return FinalStep(norm or None, projection or None)
    msg = (
        f"the embedding of {name} (layer {tower.layer!r}) is neither the class token behind a block nor that behind "
        "its final norm, so that blocks before the last one have none like it; choose another layer or network."
    )
    raise ValueError(msg)


def _norms(network: nn.Module, blocks: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Give the layers that normalise channels, the last ones first."""
    for name, part in reversed(list(network.named_modules())):
        is_norm = "norm" in type(part).__name__.lower() and not isinstance(part, nn.modules.batchnorm._NormBase)
        if is_norm and not any(part.children()) and not _is_within(name, blocks):
            yield name, part


def _projections(network: nn.Module, width: int, blocks: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Give linear layers of so many channels and matrices by themselves."""
    for name, part in network.named_modules():
        if isinstance(part, nn.Linear) and part.in_features == width and not _is_within(name, blocks):
            yield name, part
    for name, value in network.named_parameters():
        alone = not name.endswith((".weight", ".bias")) and value.ndim == 2 and len(value) == width
        if alone and not _is_within(name, blocks):
            yield name, value


def _is_within(name: str, blocks: tuple[str, ...]) -> bool:
    return any(name == block or name.startswith(f"{block}.") for block in blocks)


def _as_linear(matrix: Any) -> nn.Linear:
    """Return a frozen copy of a linear layer, or of a matrix that rows are multiplied by."""
    weight = matrix.weight if isinstance(matrix, nn.Linear) else matrix.T
    bias = matrix.bias if isinstance(matrix, nn.Linear) else None
    return frozen_linear(weight, bias)


def frozen_linear(weight: Tensor, bias: Tensor | None, /) -> nn.Linear:
    """Return a linear layer of these numbers, copied, that is not trained.

    Parameters
    ----------
    weight : Tensor, shape (n_out, n_in)
    bias : Tensor, shape (n_out,), optional
    """
    layer: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None, device=weight.device, dtype=weight.dtype
    )
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer.requires_grad_(False)


def _is_close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() <= _ROUNDING * expected.abs().max())
