"""Outputs of a module for many samples, computed by all processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_count
from alignkit._typing import IntArray
from alignkit.train._to_device import to_device

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn

    from alignkit.train._processes import Processes


def predict(
    module: nn.Module,
    inputs: Callable[[IntArray], Any],
    n: int,
    /,
    *,
    batch_size: int,
    device: torch.device | str | None = None,
    processes: Processes | None = None,
) -> torch.Tensor:
    """Return the outputs of ``module`` for samples 0 to n - 1, in evaluation mode and without gradients.

    Parameters
    ----------
    module : nn.Module
        Gives one tensor, samples first. It is left in the mode that it came in.
    inputs : callable
        Takes the numbers of samples and returns what the module takes, on the CPU.
    n : int
        Number of samples.
    batch_size : int
        Samples per forward pass and process.
    device : torch.device or str, optional
        Where the module is; by default that of its first parameter.
    processes : Processes, optional
        Share the samples out over these, as equally as can be.

    Returns
    -------
    Tensor, shape (n, ...)
        On the CPU, on every process.
    """
    import torch

    check_count("n", n, 1)
    check_count("batch_size", batch_size, 1)
    where = torch.device(_device_of(module) if device is None else device)
    rank, world_size = (processes.rank, processes.world_size) if processes else (0, 1)
    mine, n_passes = _shares(n, rank, world_size, batch_size)
    rows = []
    with evaluating(module), torch.no_grad():
        for number in range(n_passes):
            index = mine[number * batch_size : (number + 1) * batch_size]
            # sharded modules must run equally often everywhere
            batch = to_device(inputs(index if len(index) else np.zeros(1, np.int64)), where)
            rows.append(module(batch)[: len(index)].cpu())
    outputs = torch.cat(rows)
    return processes.gather(outputs) if processes else outputs


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode for a while; parts that were in another mode get it back."""
    training = {part for part in module.modules() if part.training}
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _device_of(module: nn.Module) -> torch.device | str:
    return next((parameter.device for parameter in module.parameters()), "cpu")


def _shares(n: int, rank: int, world_size: int, batch_size: int) -> tuple[IntArray, int]:
    """Return the samples of one process, and in how many passes the largest share is done."""
    bounds = np.linspace(0, n, world_size + 1).round().astype(int)
    return np.arange(bounds[rank], bounds[rank + 1]), int(-(-np.diff(bounds).max() // batch_size))
