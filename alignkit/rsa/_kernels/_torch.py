"""Kernels for torch tensors, equal to those in ``_numpy`` on every input; on the device where the tensors lie."""

from __future__ import annotations

from typing import Any

import torch

from alignkit.rsa._kernels._numpy import dense_dtype, whole_dtype


def midranks(values: torch.Tensor) -> torch.Tensor:
    """Return average-tie ranks from 1 of every row of ``values``, shape (rows, n)."""
    order, starts, ends, _ = _runs(values)
    return _scattered(order, (starts + ends + 1).double() / 2)


def whole_ranks(values: torch.Tensor) -> torch.Tensor:
    """Return ranks less their mean, doubled: whole numbers that sum to zero; float32 where that holds them all."""
    n = values.shape[-1]
    order, starts, ends, _ = _runs(values)
    return _scattered(order, (starts + ends - n).to(_torch_dtype(whole_dtype(n))))


def dense_ranks(values: torch.Tensor) -> torch.Tensor:
    """Return, for every value, how many different smaller ones its row holds."""
    order, _, _, counts = _runs(values)
    return _scattered(order, counts.to(_torch_dtype(dense_dtype(values.shape[-1]))))


def _torch_dtype(dtype: Any) -> torch.dtype:
    return getattr(torch, dtype.name)


def _runs(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the order that sorts each row and, along it, start, end and number of each run of equal values."""
    ordered, order = values.detach().sort(dim=-1)
    new = torch.ones_like(order, dtype=torch.bool)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    positions = torch.arange(values.shape[-1], device=values.device)
    starts = _last_marked(new, positions)
    # the same from the other end: a run ends where, backwards, the next one starts
    last = torch.ones_like(new)
    last[..., :-1] = new[..., 1:]
    ends = values.shape[-1] - _last_marked(last.flip(-1), positions).flip(-1)
    return order, starts, ends, new.cumsum(-1) - 1


def _last_marked(marks: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return (marks * positions).cummax(dim=-1).values


def _scattered(order: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(along).scatter_(-1, order, along)


def kendall_balance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return concordant minus discordant pairs of every row of ``x`` with every row of ``y``, both dense ranks.

    Order by one side and count the inversions of the other, digit by digit. O(n log n) per pair of rows.
    """
    n = x.shape[-1]
    ties = [torch.stack([_tied_pairs(row.sort().values[None])[0] for row in rows]) for rows in (x, y)]
    balance = [
        n * (n - 1) // 2 - tied - ties[1] + _tied_pairs(both) - 2 * _inversions(both % n)
        for row, tied in zip(x, ties[0], strict=True)
        # by x and, within its ties, by y, which then holds no inversion there
        for both in [(row.long() * n + y).sort(dim=-1).values]
    ]
    return torch.stack(balance)


def _tied_pairs(ordered: torch.Tensor) -> torch.Tensor:
    """Return how many pairs are equal in every row of sorted numbers."""
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    positions = torch.arange(ordered.shape[-1], device=ordered.device)
    return (positions - _last_marked(new, positions)).sum(-1)


def _inversions(values: torch.Tensor) -> torch.Tensor:
    """Return how many pairs of every row stand in the wrong order.

    Places in the sorted row, equal values in the order in which they stand, differ first in some binary digit. From
    the highest digit on, every 0 counts the 1 before it among those that agree in all higher digits.
    """
    n_rows, n = values.shape
    places = values.argsort(dim=-1, stable=True).argsort(dim=-1)
    n_digits = max(1, (n - 1).bit_length())
    # what is added stands in its right place at the end
    added = torch.arange(n, 1 << n_digits, device=values.device).expand(n_rows, -1)
    places = torch.cat([places, added], dim=-1)
    total = torch.zeros(n_rows, dtype=torch.int64, device=values.device)
    for digit in reversed(range(n_digits)):
        groups = places.reshape(n_rows, -1, 2 << digit)
        one = (groups >> digit) & 1
        before = one.cumsum(-1) - one
        total += (before * (1 - one)).sum((-1, -2))
        here = torch.arange(2 << digit, device=values.device)
        places = torch.empty_like(groups).scatter_(
            -1, torch.where(one == 1, (1 << digit) + before, here - before), groups
        )
    return total
