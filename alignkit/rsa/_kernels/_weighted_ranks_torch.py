"""Ranks of pairs of items that count several times, by torch: equal to those of ``_weighted_ranks_numpy``.

RDMs are sorted once. In a resample their order stays: weights are added up along it, and the rank of a pair is what
stands at both ends of its run of equal values. Sums of subjects' ranks are sorted anew, all of a block together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._kernels._torch import _runs, _scattered


class SortedRows:
    """RDMs in the order of their values, shape (row, pairs that count), on a device."""

    def __init__(self, rows: FloatArray, valid: BoolArray, n_items: int, device: str) -> None:
        first, second = (torch.from_numpy(side[valid]).to(device) for side in np.triu_indices(n_items, k=1))
        self.items = first, second
        values = torch.from_numpy(rows[:, valid]).to(device)
        self.order, starts, ends, _ = _runs(values)
        # for every pair, the ends of its run
        self.starts, self.ends = _scattered(self.order, starts), _scattered(self.order, ends)


def resampled_ranks(
    rows: SortedRows, counts: IntArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return what the kernel in ``_weighted_ranks_numpy`` does, of rows that are sorted on a device."""
    device, n = rows.order.device, weights.shape[-1]
    times = torch.from_numpy(np.ascontiguousarray(counts)).to(device).double()
    drawn = torch.from_numpy(np.ascontiguousarray(weights)).to(device)
    weight = times[:, rows.items[0]] * times[:, rows.items[1]]
    total = weight.sum(-1)
    ranks = torch.stack(
        [_ranks(weight, total, *row) for row in zip(rows.order, rows.starts, rows.ends, strict=True)], 1
    )
    weighed = ranks * weight[:, None]
    # the same number, and order, of terms for either side: what is alike stays alike
    products = torch.cat([weighed[:, :n] @ ranks.mT, (weighed * ranks).sum(-1)[:, None]], dim=1)
    crossed = torch.zeros((len(drawn), len(counts), 2, n), dtype=torch.float64, device=device)
    own = torch.zeros_like(crossed)
    for m, how_often in enumerate(drawn):
        _pool(ranks[:, :n], weight, total, how_often, crossed[m], own[m])
    return _host(total), _host(products), _host(crossed), _host(own)


def _host(x: torch.Tensor) -> Any:
    return x.cpu().numpy()


def _ranks(
    weight: torch.Tensor, total: torch.Tensor, order: torch.Tensor, starts: torch.Tensor, ends: torch.Tensor
) -> torch.Tensor:
    """Return the whole ranks of one row in every resample, shape (resample, pairs)."""
    below = _below(weight[:, order])
    return below[:, starts] + below[:, ends] - total[:, None]


def _below(weight: torch.Tensor) -> torch.Tensor:
    """Return the weight before every place of ordered pairs, and before the end: one more value in every row."""
    # whole numbers: their sums are exact in any order
    return torch.nn.functional.pad(weight.cumsum(-1), (1, 0))


def _pool(
    ranks: torch.Tensor,
    weight: torch.Tensor,
    total: torch.Tensor,
    drawn: torch.Tensor,
    crossed: torch.Tensor,
    own: torch.Tensor,
) -> None:
    share = (drawn[:, :, None] * (ranks + total[:, None, None])).round()
    everybody = share.sum(1)
    pooled = _ranks_of_sums(everybody, weight, total)
    present = drawn > 0
    crossed[:, 1] = ((pooled * weight)[:, None] * ranks).sum(-1) * present
    own[:, 1] = (pooled * weight * pooled).sum(-1)[:, None] * present
    several = present & (present.sum(-1) > 1)[:, None]
    for s in range(drawn.shape[1]):
        pooled = _ranks_of_sums(everybody - share[:, s], weight, total)
        crossed[:, 0, s] = (pooled * weight * ranks[:, s]).sum(-1) * several[:, s]
        own[:, 0, s] = (pooled * weight * pooled).sum(-1) * several[:, s]


def _ranks_of_sums(sums: torch.Tensor, weight: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """Return the whole ranks of sums, shape (resample, pairs)."""
    order, starts, ends, _ = _runs(sums.long())
    below = _below(weight.gather(-1, order))
    return _scattered(order, below.gather(-1, starts) + below.gather(-1, ends) - total[:, None])
