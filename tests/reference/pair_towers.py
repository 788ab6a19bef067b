"""Two tiny towers of paired inputs, a scale and a bias; contrastive losses as plain loops over pairs."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

N_PAIRS = 8


class TwoTowers(nn.Module):
    """Gives both embeddings, of length 1, and a scale and a bias (as open_clip, the parameter itself) of the batch."""

    def __init__(self, bias: float | None = -2.0) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.image, self.text = (nn.Linear(6, 4).double() for _ in range(2))
        for layer in (self.image, self.text):
            layer.weight.data.copy_(torch.from_numpy(rng.normal(size=(4, 6))))
            layer.bias.data.copy_(torch.from_numpy(rng.normal(size=4)))
        self.log_scale = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(bias, dtype=torch.float64))

    def forward(self, inputs: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
        image, text = (
            nn.functional.normalize(tower(x), dim=1) for tower, x in zip((self.image, self.text), inputs, strict=True)
        )
        out = {"image": image, "text": text, "scale": self.log_scale.exp()}
        return out if self.bias is None else out | {"bias": self.bias}


def pairs(n: int = N_PAIRS) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(1)
    return torch.from_numpy(rng.normal(size=(n, 6))), torch.from_numpy(rng.normal(size=(n, 6)))


def loop_contrastive(image: torch.Tensor, text: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Every image looks for its text among all, and every text for its image."""
    n = len(image)
    total = torch.zeros((), dtype=image.dtype)
    for i in range(n):
        own = scale * (image[i] @ text[i])
        of_image = torch.stack([scale * (image[i] @ text[j]) for j in range(n)])
        of_text = torch.stack([scale * (image[j] @ text[i]) for j in range(n)])
        total = total + torch.log(of_image.exp().sum()) - own + torch.log(of_text.exp().sum()) - own
    return total / (2 * n)


def loop_siglip(image: torch.Tensor, text: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Every image is told of every text whether they are a pair."""
    total = torch.zeros((), dtype=image.dtype)
    for i in range(len(image)):
        for j in range(len(text)):
            score = scale * (image[i] @ text[j]) + bias
            total = total + torch.log1p(torch.exp(-score if i == j else score))
    return total / len(image)
