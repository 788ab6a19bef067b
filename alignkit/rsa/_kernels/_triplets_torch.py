"""Gathers of pair similarities of tensors, on their device and with their gradient: as in ``_triplets_numpy``."""

from __future__ import annotations

import torch

#: Numbers of one gathered block of rows.
_BLOCK = 1 << 24


def gather_pairs(matrix: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Return, shape (3, n), the similarity of the two items that remain when item k of a triplet is taken away."""
    a, b, c = items.T
    return torch.stack([matrix[b, c], matrix[a, c], matrix[a, b]])


def pair_matrix(x: torch.Tensor, kernel: str) -> torch.Tensor:
    """Return the similarities of all pairs of rows."""
    if kernel == "euclidean":
        # of differences, not of products: what lies close keeps its digits
        return -torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    x = unit_rows(x) if kernel == "cosine" else x
    return x @ x.T


def gather_rows(x: torch.Tensor, items: torch.Tensor, kernel: str) -> torch.Tensor:
    """Return what :func:`gather_pairs` returns, from the rows of an embedding too long for a square matrix."""
    x = unit_rows(x) if kernel == "cosine" else x
    step = max(1, _BLOCK // max(1, x.shape[1]))
    return torch.cat([_block(x, items[start : start + step], kernel) for start in range(0, len(items), step)], dim=1)


def _block(x: torch.Tensor, items: torch.Tensor, kernel: str) -> torch.Tensor:
    a, b, c = (x[column] for column in items.T)
    if kernel == "euclidean":
        return torch.stack([-torch.linalg.vector_norm(u - v, dim=1) for u, v in ((b, c), (a, c), (a, b))])
    return torch.stack([(u * v).sum(1) for u, v in ((b, c), (a, c), (a, b))])


def unit_rows(x: torch.Tensor) -> torch.Tensor:
    """Return rows of unit length, by way of rows whose squares neither overflow nor vanish."""
    unit = x / x.detach().abs().amax(dim=1, keepdim=True)
    return unit / torch.linalg.vector_norm(unit, dim=1, keepdim=True)
