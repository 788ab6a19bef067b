"""An exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


class Ema:
    r"""Average of named parameters over steps: :math:`a \leftarrow \beta a + (1 - \beta) w`, from the first weights on.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        What is averaged; read at every update.
    decay : float
        :math:`\beta`, between 0 and 1.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._parameters = parameters
        self._decay = decay
        self.averages: dict[str, torch.Tensor] = {name: p.detach().clone() for name, p in parameters.items()}

    def update(self) -> None:
        """Take in the weights as they are now."""
        for name, p in self._parameters.items():
            self.averages[name].lerp_(p.detach(), 1.0 - self._decay)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Put the averages in the place of the weights while the block runs."""
        kept = {name: p.detach().clone() for name, p in self._parameters.items()}
        self._put(self.averages)
        try:
            yield
        finally:
            self._put(kept)

    def _put(self, values: Mapping[str, torch.Tensor]) -> None:
        for name, p in self._parameters.items():
            p.detach().copy_(values[name])
