"""A network's class tokens, block by block, cut like any tower into what is frozen and what is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn

from alignkit.models._split_tower import SplitTower

if TYPE_CHECKING:
    from alignkit.models._model import Model

# Axes: B items, N tokens, L blocks, S blocks before the suffix, W width.


class LayerTokens(SplitTower):
    """A transformer whose output is the first token behind every block, shape (B, L, W).

    Its prefix gives the first tokens behind the frozen blocks, followed by all tokens that enter the first trained one,
    (B, S + N, W): one array per item, that a cache can keep. Where nothing is trained, it is the output.

    Examples
    --------
    >>> from alignkit.models import load
    >>> tower = LayerTokens.from_model(load("random:test_vit", device="cpu", img_size=32))
    >>> tuple(tower(torch.zeros(2, 3, 32, 32)).shape)
    (2, 6, 64)
    >>> tower.split_at(4)
    >>> kept = tower.prefix(torch.zeros(2, 3, 32, 32))
    >>> tuple(kept.shape), tuple(tower.suffix(kept).shape)
    ((2, 9, 64), (2, 6, 64))
    """

    @classmethod
    def from_model(cls, model: Model, layer: str | int | None = None, /) -> Self:
        """Return a model's blocks up to ``layer`` (a block), by default the last one, in evaluation mode.

        Raises
        ------
        ValueError
            A network without blocks that can be cut, without a class token, or a layer that is no block.
        """
        blocks = model.probe().blocks
        name = model.resolve(layer)[0] if layer is not None else (blocks[-1] if blocks else None)
        if name not in blocks:
            what = "has no blocks" if not blocks else f"has a layer {name!r} that is none of its blocks"
            msg = f"{model.name} {what}; time-resolved models mix the class tokens of a transformer's blocks."
            raise ValueError(msg)
        if not model.class_token:
            msg = f"{model.name} has no class token, which time-resolved models read behind every block."
            raise ValueError(msg)
        tower = super().from_model(model, name)
        if not tower.block_names:
            msg = f"{model.name} cannot be cut between its blocks, whose outputs do not depend on the one before alone."
            raise ValueError(msg)
        return tower

    @torch.no_grad()
    def prefix(self, x: Any, /) -> torch.Tensor:
        """Return the first tokens behind the frozen blocks, then the tokens that enter the first trained one.

        Parameters
        ----------
        x : torch.Tensor, shape (B, 3, height, width)
            Preprocessed images.

        Returns
        -------
        torch.Tensor, shape (B, S + N, W); (B, L, W) where no block is trained
        """
        with self._collected(self.block_names[: self.start]) as tokens:
            hidden = super().prefix(x)
        if self.start == len(self.block_names):
            return torch.stack(tokens, dim=1)
        return torch.cat([*(token[:, None] for token in tokens), hidden], dim=1)

    def suffix(self, hidden: torch.Tensor, inputs: Any = None, /) -> torch.Tensor:
        """Return the first token behind every block, shape (B, L, W), of what :meth:`prefix` gave."""
        if self.start == len(self.block_names):
            return hidden
        before = hidden[:, : self.start]
        with self._collected(self.block_names[self.start :]) as tokens:
            super().suffix(hidden[:, self.start :], inputs)
        return torch.cat([before.to(tokens[0].dtype), torch.stack(tokens, dim=1)], dim=1)

    def forward(self, x: Any) -> torch.Tensor:
        """Return the first token behind every block, shape (B, L, W)."""
        return self.suffix(self.prefix(x), x)

    @contextlib.contextmanager
    def _collected(self, names: Sequence[str]) -> Iterator[list[torch.Tensor]]:
        """Collect the first tokens that blocks give."""
        tokens: list[torch.Tensor] = []

        def keep(_block: nn.Module, _args: Any, output: Any) -> None:
            tokens.append((output[0] if isinstance(output, tuple) else output)[:, 0])

        handles = [self.network.get_submodule(name).register_forward_hook(keep) for name in names]
        try:
            yield tokens
        finally:
            for handle in handles:
                handle.remove()
