"""What trains: a table of values (SPoSE), or of normal distributions over them (VICE).

N items, D dimensions, B answers.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from alignkit.train.embedding._pair_similarities import pair_similarities
from alignkit.train.embedding._rotate import sparse_rotation
from alignkit.train.embedding.config import SPoSEConfig, VICEConfig

#: Scale of the smallest values that the method begins at.
_SPECK = 0.02


class Table(nn.Module):
    """Values of items on dimensions, free to have any sign: what both methods may begin at.

    Parameters
    ----------
    n_items : int
    config : SPoSEConfig or VICEConfig
    n_answers : int
        Answers trained on.

    Attributes
    ----------
    free : bool
        Whether the values are those of the free embedding still, of which the sum of squares is small.
    """

    def __init__(self, n_items: int, config: SPoSEConfig | VICEConfig, n_answers: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(config.loop.seed)
        drawn = torch.randn(n_items, config.n_dims, generator=generator)
        self.values_ND = nn.Parameter(config.init_mean + config.init_sd * drawn)
        self._specks = _SPECK * drawn.abs()
        self.free = False
        # chance gives the matrix of similarities singular values that grow as the root of answers per item
        self._ridge = config.start_penalty / math.sqrt(n_answers * n_items)

    def forward(self, items_B3: Tensor) -> dict[str, Tensor]:
        """Return logits of each item being the odd one out, shape (B, 3), and the penalty."""
        if not self.free:
            return self.constrained(items_B3)
        penalty = self._ridge * self.values_ND.square().sum()
        return {"logits": pair_similarities(self.values_ND, items_B3), "penalty": penalty}

    @abstractmethod
    def constrained(self, items_B3: Tensor) -> dict[str, Tensor]:
        """Return logits and the penalty of the method itself."""

    def begin_free(self) -> None:
        """Train the free embedding from now on, and nothing else."""
        self.free = True
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name == "values_ND")

    def begin_constrained(self) -> None:
        """Train the method itself from now on, from the free embedding rotated where there was one."""
        if self.free:
            with torch.no_grad():
                turned = torch.from_numpy(sparse_rotation(self.values_ND.detach().cpu().double().numpy()))
                # zero is a saddle that no gradient leaves: what is empty begins anew, just above it
                self.values_ND.copy_(torch.maximum(turned, self._specks.to(turned)))
        self.free = False
        for parameter in self.parameters():
            parameter.requires_grad_(True)


class SPoSE(Table):
    """Sparse values, whose dot products are similarities.

    Parameters
    ----------
    n_items : int
    config : SPoSEConfig
    n_answers : int
        Answers trained on.
    """

    def __init__(self, n_items: int, config: SPoSEConfig, n_answers: int) -> None:
        super().__init__(n_items, config, n_answers)
        self._weight = config.penalty / (n_items if config.penalty_per == "items" else math.sqrt(n_answers * n_items))
        self._below = config.negative_penalty

    def constrained(self, items_B3: Tensor) -> dict[str, Tensor]:
        """Return logits, and the penalties of absolute values and of what is below zero."""
        w = self.values_ND
        below = torch.clamp(w, max=0.0).sum()
        penalty = self._weight * (w.sum() - 2.0 * below) - self._below * below
        return {"logits": pair_similarities(w, items_B3), "penalty": penalty}


class VICE(Table):
    """Independent normal distributions of values, of which every forward pass draws one, rectified.

    The penalty is the negative of what the evidence's lower bound has besides the likelihood: log q(X) - log p(X) at
    the draw, over the number of answers.

    Parameters
    ----------
    n_items : int
    config : VICEConfig
    n_answers : int
        Answers trained on.
    """

    def __init__(self, n_items: int, config: VICEConfig, n_answers: int) -> None:
        super().__init__(n_items, config, n_answers)
        self.log_sd_ND = nn.Parameter(torch.full_like(self.values_ND, config.init_log_scale))
        self._config = config
        self._n_answers = n_answers

    def constrained(self, items_B3: Tensor) -> dict[str, Tensor]:
        """Return logits of a draw, and the penalty once per answer.

        Parts of a batch draw for themselves; a penalty per answer weighs their draws by their size.
        """
        noise_ND = torch.randn_like(self.values_ND)
        x_ND = self.values_ND + torch.exp(self.log_sd_ND) * noise_ND
        log_q = -(self.log_sd_ND.sum() + 0.5 * noise_ND.square().sum() + 0.5 * math.log(2 * math.pi) * x_ND.numel())
        penalty = (log_q - log_prior(x_ND, self._config).sum()) / self._n_answers
        return {
            "logits": pair_similarities(torch.relu(x_ND), items_B3),
            "penalty": penalty.expand(len(items_B3)),
        }


def log_prior(x: Tensor, config: VICEConfig, /) -> Tensor:
    """Return the log-density of the spike-and-slab mixture, entry by entry.

    Both parts are normal (or Laplace) around 0, one narrow and one wide.

    Examples
    --------
    >>> round(log_prior(torch.zeros(1), VICEConfig(spike=0.5, slab=0.5)).exp().item(), 4)  # normal, sd one half
    0.7979
    """
    parts = []
    for share, scale in ((config.spike_share, config.spike), (1.0 - config.spike_share, config.slab)):
        if config.prior == "normal":
            shape, area = -0.5 * (x / scale).square(), scale * math.sqrt(2 * math.pi)
        else:
            shape, area = -(x / scale).abs(), 2 * scale
        parts.append(shape + math.log(share / area))
    return torch.logaddexp(*parts)
