"""Dot products of the pairs inside triplets, with their gradient: by rows for few triplets, by the Gram for many."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

#: A Gram product runs at the speed of the processor, gathered rows at that of memory.
_ROWS_COST = 80


def pair_similarities(x_ND: Tensor, items_B3: Tensor, /) -> Tensor:
    """Return the similarity of the pair that remains when item k of a triplet is taken away, shape (B, 3).

    Column k is the logit of item k being the odd one out. B items, N of them, D dimensions. Where triplets are many,
    all N x N dot products are computed once and three of them looked up per triplet; the gradient goes back the same
    way, by a sum of the answers' gradients into N x N. That costs 2 N² D multiplications whatever the batch, so that a
    batch of 65,536 takes as long as one of 2,000 would by rows.

    Parameters
    ----------
    x_ND : Tensor, shape (items, dimensions)
    items_B3 : Tensor of int64, shape (answers, 3)

    Returns
    -------
    Tensor, shape (answers, 3)

    Examples
    --------
    >>> pair_similarities(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 3.0]]), torch.tensor([[0, 1, 2]]))
    tensor([[3., 0., 1.]])
    """
    if x_ND.shape[0] ** 2 > _ROWS_COST * len(items_B3):
        a, b, c = (torch.nn.functional.embedding(column, x_ND) for column in items_B3.unbind(1))
        return torch.stack([(b * c).sum(1), (a * c).sum(1), (a * b).sum(1)], dim=1)
    found: Tensor = _GramPairs.apply(x_ND, items_B3)
    return found


class _GramPairs(torch.autograd.Function):
    """Look-ups in the Gram matrix, whose gradient is not kept as N x N per answer, nor twice per pair."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, items_B3: Tensor) -> Tensor:
        a, b, c = items_B3.unbind(1)
        n = len(x_ND)
        places = torch.stack([b * n + c, a * n + c, a * n + b], dim=1)
        ctx.save_for_backward(x_ND, places)
        return (x_ND @ x_ND.T).reshape(-1)[places]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x_ND, places = ctx.saved_tensors
        (gradient,) = gradients
        n = len(x_ND)
        # a sum per pair of items: on the CPU in the order of the answers, so that a rerun has the same bits
        sums = torch.zeros(n * n, dtype=gradient.dtype, device=gradient.device)
        sums.index_add_(0, places.reshape(-1), gradient.reshape(-1))
        sums = sums.reshape(n, n)
        return (sums + sums.T) @ x_ND, None
