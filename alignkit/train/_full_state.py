"""Whole tensors on the CPU out of training state, sharded or not, and back: the same on any number of processes.

torch's sharded checkpoints (``torch.distributed.checkpoint``) are left alone. Their usual reader unpickles a metadata
file; their safetensors storage does not, but has neither checksums nor a mark of being complete, so that a kill while
it writes would go unseen. What trains (adapters, heads) is small: it is gathered whole, and goes into the same checked
files that a single process writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from alignkit._check import join_names

if TYPE_CHECKING:
    import torch
    from torch import nn


def full_tensors(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return copies on the CPU; of sharded tensors, the whole (all processes must ask for the same ones)."""
    return {name: _whole(value.detach()).to("cpu", copy=True) for name, value in tensors.items()}


def copy_tensors(targets: Mapping[str, torch.Tensor], values: Mapping[str, torch.Tensor]) -> None:
    """Write whole tensors into others in place, each process its part of those that are sharded.

    Raises
    ------
    ValueError
        Names or shapes that differ.
    """
    import torch

    from alignkit.models._weights import misfit

    wrong = misfit(values, targets)
    if wrong:
        msg = f"this state does not fit the module that is trained ({wrong}); resume it with the settings it has."
        raise ValueError(msg)
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(_like(target, values[name]))


def trained_tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters that train, and the buffers that are saved beside them (running means, say)."""
    tensors: dict[str, torch.Tensor] = {}
    for prefix, part in module.named_modules():
        own = {name: value for name, value in part.named_parameters(recurse=False) if value.requires_grad}
        if own:
            kept = part.state_dict(keep_vars=True)
            own |= {name: value for name, value in part.named_buffers(recurse=False) if name in kept}
        tensors |= {f"{prefix}.{name}" if prefix else name: value for name, value in own.items()}
    return tensors


def optimizer_tensors(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return the optimiser's state as ``<parameter>.<slot>``."""
    names: dict[torch.Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
    return {
        f"{names[parameter]}.{slot}": value
        for parameter, slots in optimizer.state.items()
        for slot, value in slots.items()
    }


def load_optimizer(module: nn.Module, optimizer: torch.optim.Optimizer, values: Mapping[str, torch.Tensor]) -> None:
    """Give an optimiser the state that :func:`optimizer_tensors` returned, whole.

    Raises
    ------
    ValueError
        State of other parameters.
    """
    names: dict[torch.Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
    by_parameter: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in values.items():
        parameter_name, _, slot = name.rpartition(".")
        by_parameter.setdefault(parameter_name, {})[slot] = value
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    expected = [names[parameter] for parameter in parameters]
    wrong = [name for name in by_parameter if name not in expected]
    if wrong:
        msg = f"the optimiser's state is that of another module, which has the parameters {join_names(wrong)}."
        raise ValueError(msg)
    # a parameter that never had a gradient has no state, and none at all is that of an optimiser before its first step
    state = {
        number: {slot: _like(parameter, value) for slot, value in by_parameter[name].items()}
        for number, (name, parameter) in enumerate(zip(expected, parameters, strict=True))
        if name in by_parameter
    }
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    full: Any = getattr(tensor, "full_tensor", None)
    return full() if full else tensor


def _like(target: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return a whole tensor as ``target`` is held: sharded in the same way, if it has as many axes."""
    if not _is_sharded(target) or value.shape != target.shape:
        return value.detach().clone()
    from torch.distributed.tensor import distribute_tensor

    sharded: Any = target
    value = value.detach().to(device=sharded.device, dtype=sharded.dtype)
    return distribute_tensor(value, sharded.device_mesh, sharded.placements)


def _is_sharded(tensor: torch.Tensor) -> bool:
    return hasattr(tensor, "full_tensor")


def gradient_norm(parameters: Iterable[nn.Parameter]) -> torch.Tensor:
    """Return the 2-norm over all gradients; shards and whole tensors together, which torch's own cannot."""
    import torch

    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    # each on its own: a sharded tensor's norm is known once its processes have added theirs
    norms = [_whole(torch.linalg.vector_norm(gradient)) for gradient in gradients]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.zeros(())
