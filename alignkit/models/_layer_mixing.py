"""What a network's layers say, mixed by weights that depend on time: how CLIP-HBA-MEG unfolds."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from alignkit._check import check_choice, check_count

Window = Literal["centred", "causal"]
# Axes: B images, L layers, D dimensions, T times.

#: What CLIP-HBA-MEG adds where layers with equal weights would be divided by zero.
_TINY = 1e-10


class LayerMixing(nn.Module):
    r"""Mix the dimensions that every layer gives into dimensions at every time.

    .. math:: e_{btd} = \max\Big(0, \sum_l w_{tl} \, z_{bld}\Big)

    The weights of a time are non-negative and sum to 1: the table's rows, averaged over the times of a window, brought
    to the range from 0 to 1 over layers and divided by their sum. As they start, the last layer alone counts. Logits
    are linear in a layer's features, so that they are computed once, whatever the number of times.

    Parameters
    ----------
    n_times, n_layers : int
        Size of the table.
    reach : int
        Times that the window has on each side: 3 in CLIP-HBA-MEG (at 5 ms), 0 for no smoothing.
    window : {"centred", "causal"}
        Whether the window also covers later times: centred, a model responds before it could.
    n_dimensions : int, optional
        Learn as well how much each of so many dimensions counts at every time: a positive factor, 1 as it starts,
        whose logarithm is averaged over the window too.

    References
    ----------
    CLIP-HBA-MEG (2025), https://doi.org/10.48550/arXiv.2502.04658

    Examples
    --------
    >>> mixing = LayerMixing(4, 3)
    >>> mixing.matrix()[0].tolist()
    [0.0, 0.0, 1.0]
    >>> tuple(mixing(torch.ones(2, 3, 5)).shape)
    (2, 4, 5)
    """

    average: torch.Tensor

    def __init__(
        self,
        n_times: int,
        n_layers: int,
        *,
        reach: int = 0,
        window: Window = "causal",
        n_dimensions: int | None = None,
    ) -> None:
        super().__init__()
        check_count("n_times", n_times, 1)
        check_count("n_layers", n_layers, 1)
        check_count("reach", reach)
        check_choice("window", window, ("centred", "causal"))
        table = torch.zeros(n_times, n_layers)
        table[:, -1] = 1.0
        self.table = nn.Parameter(table)
        self.log_factors = None if n_dimensions is None else nn.Parameter(torch.zeros(n_times, n_dimensions))
        self.register_buffer("average", window_average(n_times, reach, window), persistent=False)

    def matrix(self) -> torch.Tensor:
        """Return the weights of the layers at every time, shape (T, L), each row non-negative with the sum 1.

        A row without differences has no largest layer; all of it is then 0.
        """
        smooth_TL = self.average @ self.table
        low, high = smooth_TL.aminmax(dim=1, keepdim=True)
        scaled_TL = (smooth_TL - low) / (high - low + _TINY)
        return scaled_TL / (scaled_TL.sum(dim=1, keepdim=True) + _TINY)

    def factors(self) -> torch.Tensor:
        """Return how much each dimension counts at every time, shape (T, D), where that is learnt.

        Raises
        ------
        ValueError
            It is not.
        """
        if self.log_factors is None:
            msg = "this model has no weights of dimensions; train it with dimension_weights."
            raise ValueError(msg)
        return torch.exp(self.average @ self.log_factors)

    def forward(self, logits_BLD: torch.Tensor) -> torch.Tensor:
        """Return the dimensions at every time, shape (B, T, D), at least 0.

        Parameters
        ----------
        logits_BLD : torch.Tensor, shape (B, L, D)
            What every layer gives.
        """
        mixed_BTD = torch.relu(self.matrix() @ logits_BLD)
        return mixed_BTD if self.log_factors is None else mixed_BTD * self.factors()


def window_average(n_times: int, reach: int, window: Window) -> torch.Tensor:
    """Return the matrix, shape (T, T), that averages over the times of a window; at the ends over those there are."""
    time = torch.arange(n_times)
    lag = time[:, None] - time[None, :]  # how much later the row is
    inside = (lag >= (-reach if window == "centred" else 0)) & (lag <= reach)
    return inside / inside.sum(dim=1, keepdim=True)
