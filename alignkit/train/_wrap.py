"""A module made ready to be trained by all processes: DDP, FSDP2, gradient checkpointing, torch.compile."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from alignkit._check import join_names
from alignkit.train._checkpointing import checkpoint_blocks, find_blocks

if TYPE_CHECKING:
    import torch
    from torch import nn

    from alignkit.train._processes import Processes
    from alignkit.train.config import LoopConfig


def wrap(module: nn.Module, loop: LoopConfig, processes: Processes) -> nn.Module:
    """Return ``module`` on the processes' device, ready to train; its own names and classes stay below.

    Gradients are averages over processes; outputs that were gathered by :meth:`Processes.gather` make these the
    gradient of the whole batch's loss. What FSDP shards is a copy: no process could run or save a sharded module alone.
    """
    if processes.parallel == "fsdp":
        module = copy.deepcopy(module)
    module = module.to(processes.device)
    if loop.gradient_checkpointing:
        checkpoint_blocks(module)
    if processes.world_size > 1 or loop.accumulate > 1:
        _warn_of_batch_norm(module)
    if loop.compile:
        for part in find_blocks(module) or [module]:  # blocks share what is compiled
            part.compile()
    if processes.parallel == "fsdp":
        _check_scalars(module, loop)
        return _shard(module, processes)
    return _replicate(module, processes) if processes.parallel == "ddp" else module


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module that trains: the one that was wrapped, or its sharded copy."""
    return cast("nn.Module", module.module) if type(module).__name__ == "DistributedDataParallel" else module


def finish(wrapped: nn.Module, module: nn.Module) -> None:
    """Bring what a sharded copy of ``module`` has learnt back into it; all processes must ask for it."""
    from alignkit.train._full_state import copy_tensors, full_tensors, trained_tensors

    trained = unwrap(wrapped)
    if trained is not module:
        copy_tensors(trained_tensors(module), full_tensors(trained_tensors(trained)))
        copy_tensors(dict(module.named_buffers()), full_tensors(dict(trained.named_buffers())))


@contextmanager
def no_sync(module: nn.Module, processes: Processes) -> Iterator[None]:
    """Leave gradients of the passes in this block on their process, to be averaged with those of the next one."""
    if processes.parallel == "ddp":
        with cast("Any", module).no_sync():
            yield
    elif processes.parallel == "fsdp":
        cast("Any", module).set_requires_gradient_sync(False)
        try:
            yield
        finally:
            cast("Any", module).set_requires_gradient_sync(True)
    else:
        yield


def _replicate(module: nn.Module, processes: Processes) -> nn.Module:
    from torch.nn.parallel import DistributedDataParallel

    options: dict[str, Any] = {"gradient_as_bucket_view": True}
    # buffers are constants, and no process may wait for another in a forward pass; torch 2.15 renamed the option
    known = inspect.signature(DistributedDataParallel).parameters
    options["forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"] = False
    return DistributedDataParallel(
        module, device_ids=[processes.device] if processes.device.type == "cuda" else None, **options
    )


def _shard(module: nn.Module, processes: Processes) -> nn.Module:
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for tensor in (*module.parameters(), *module.buffers()):
        dist.broadcast(tensor.detach(), src=0)  # as DDP does: all start from the main process' weights
    mesh = init_device_mesh(processes.device.type, (processes.world_size,))
    # shards are rows: what has none is kept whole, and its gradient averaged here
    scalars = {parameter for parameter in module.parameters() if parameter.ndim == 0}
    for parameter in scalars:
        if parameter.requires_grad:
            cast("Any", parameter).register_hook(_average)
    options: dict[str, Any] = {"mesh": mesh, "reshard_after_forward": True}
    if scalars:
        if "ignored_params" not in inspect.signature(fully_shard).parameters:
            msg = "this torch shards no module that has parameters without axes; update it, or choose parallel 'ddp'."
            raise ValueError(msg)
        options["ignored_params"] = scalars
    for block in find_blocks(module):
        fully_shard(block, **options)
    fully_shard(module, **options)
    return module


def _check_scalars(module: nn.Module, loop: LoopConfig) -> None:
    scalars = [name for name, value in module.named_parameters() if value.requires_grad and not value.ndim]
    if scalars and loop.precision == "fp16":  # torch's gradient scaler takes shards or whole tensors, not both
        msg = (
            f"precision 'fp16' with parallel 'fsdp' cannot train parameters without axes ({join_names(scalars)}); "
            "choose 'bf16', or parallel 'ddp'."
        )
        raise ValueError(msg)


def _average(gradient: torch.Tensor) -> torch.Tensor:
    import torch.distributed as dist

    total = gradient.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def _warn_of_batch_norm(module: nn.Module) -> None:
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [
        name
        for name, part in module.named_modules()
        if isinstance(part, _BatchNorm) and any(parameter.requires_grad for parameter in part.parameters())
    ]
    if norms:
        msg = (
            f"{join_names(norms)}: batch normalisation sees one process's share or part of a batch alone, so that "
            "results depend on the number of processes and on accumulate; freeze it, or do without both."
        )
        warnings.warn(msg, stacklevel=3)
