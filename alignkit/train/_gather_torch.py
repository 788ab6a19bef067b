"""The rows of all processes, with exact gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch.autograd.function import once_differentiable


def gather(outputs: Any, *, same_loss: bool = True) -> Any:
    """Return the rows of all processes, in the order of their ranks; tensors without axes are left alone.

    Data-parallel training averages gradients over processes. With ``same_loss``, every process goes on to compute one
    and the same loss from what this gives: each sends its own rows' gradient back, times the number of processes,
    so that the average is the gradient of that loss. Without, every process has a loss of its own: the gradients that
    all of them have for a row are added, so that the average belongs to the mean of the losses.

    Parameters
    ----------
    outputs : tensor of shape (n, ...), or a mapping or sequence of such
        Of this process; n may differ between processes, and be 0.
    same_loss : bool
        Whether all processes compute the same loss.
    """
    if isinstance(outputs, Mapping):
        return {name: gather(value, same_loss=same_loss) for name, value in outputs.items()}
    if isinstance(outputs, list | tuple):
        return type(outputs)(gather(value, same_loss=same_loss) for value in outputs)
    return gather_rows(outputs, row_counts(len(outputs)), same_loss=same_loss) if outputs.ndim else outputs


def row_counts(n: int) -> list[int]:
    """Return how many rows each process has."""
    mine = torch.tensor([n])
    counts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, mine)
    return [int(count) for count in counts]


def gather_rows(rows: torch.Tensor, counts: list[int], *, same_loss: bool) -> torch.Tensor:
    """Return the rows of all processes, of which each has ``counts`` ones."""
    gathered: torch.Tensor = _GatherRows.apply(rows, counts, same_loss)
    return gathered


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, counts: list[int], same_loss: bool) -> torch.Tensor:
        ctx.counts, ctx.same_loss = counts, same_loss
        padded = rows.new_zeros((max(counts), *rows.shape[1:]))
        padded[: len(rows)] = rows
        sent = padded.view(torch.uint8)  # not every backend knows bfloat16 and bool
        received = [torch.empty_like(sent) for _ in counts]
        dist.all_gather(received, sent)
        return torch.cat([part.view(rows.dtype)[:n] for part, n in zip(received, counts, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        rank, counts = dist.get_rank(), ctx.counts
        start = sum(counts[:rank])
        if ctx.same_loss:
            return gradient[start : start + counts[rank]] * len(counts), None, None
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total[start : start + counts[rank]], None, None
