"""The cross-entropy of triplets and its gradient on a device: the twin of the objective in numpy."""

from __future__ import annotations

import numpy as np
import torch

from alignkit._typing import FloatArray, IntArray


class TorchTriplets:
    """Mean of -Σ_k p_k log q_k, where q is the softmax of the three similarities of a triplet."""

    def __init__(self, items: IntArray, n_items: int, probabilities: FloatArray | None, like: torch.Tensor) -> None:
        a, b, c = items.T
        pairs = [(b, c), (a, c), (a, b)]
        codes = np.stack([np.minimum(i, j) * n_items + np.maximum(i, j) for i, j in pairs])
        self._places = torch.from_numpy(codes).to(like.device)
        self._wanted = None
        if probabilities is not None:
            self._wanted = torch.from_numpy(np.ascontiguousarray(probabilities.T)).to(like)
        self._n = n_items

    def __call__(self, y: torch.Tensor, /) -> tuple[float, torch.Tensor]:
        """Return the value and its gradient."""
        n = self._places.shape[1]
        log_q = torch.log_softmax((y @ y.T).ravel()[self._places], dim=0)
        weights = log_q.exp()
        if self._wanted is None:
            value = -log_q[2].mean(dtype=torch.float64)
            weights[2] -= 1.0
        else:
            value = -(self._wanted * log_q).sum(dtype=torch.float64) / n
            weights -= self._wanted
        total = y.new_zeros(self._n**2)
        total.index_add_(0, self._places.ravel(), weights.ravel() / n)
        matrix = total.view(self._n, self._n)
        return float(value), matrix @ y + matrix.T @ y
