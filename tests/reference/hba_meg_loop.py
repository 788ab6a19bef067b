"""The time-resolved readout as its formula says it, one time and one layer after the other."""

from __future__ import annotations

import torch


def mix(table: torch.Tensor, features: torch.Tensor, text: torch.Tensor, reach: int, *, causal: bool) -> torch.Tensor:
    """Return the dimensions, (times, images, dimensions), of features (layers, images, width) and texts of length 1."""
    n_times, n_layers = table.shape
    rows = []
    for t in range(n_times):
        times = [s for s in range(t - reach, (t if causal else t + reach) + 1) if 0 <= s < n_times]
        weights = sum(table[s] for s in times) / len(times)
        weights = (weights - weights.min()) / (weights.max() - weights.min() + 1e-10)
        weights = weights / (weights.sum() + 1e-10)
        feature = sum(weights[layer] * features[layer] for layer in range(n_layers))
        rows.append(torch.clamp(100 * feature @ text.T, min=0))
    return torch.stack(rows)


def rdm(embedding: torch.Tensor) -> torch.Tensor:
    """Return 1 - Pearson of all pairs of rows, condensed, a pair at a time."""
    found = []
    for i in range(len(embedding)):
        for j in range(i + 1, len(embedding)):
            a, b = embedding[i] - embedding[i].mean(), embedding[j] - embedding[j].mean()
            found.append(1 - (a @ b) / (a.norm() * b.norm()))
    return torch.stack(found)
