"""Values of the main process given to all: JSON and safetensors, so that no process runs what another sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

#: Marks the place of a tensor among JSON values.
_TENSOR = "alignkit:tensor"


def broadcast(value: Any) -> Any:
    """Return the main process' ``value``, made of JSON values (tuples become lists) and tensors (on the CPU).

    Raises
    ------
    TypeError
        Anything else.
    """
    import torch.distributed as dist
    from safetensors.torch import load, save

    tensors: dict[str, torch.Tensor] = {}
    text = content = b""
    if dist.get_rank() == 0:
        text = json.dumps(_strip(value, tensors)).encode()
        content = save(tensors)
    text, content = _send(text), _send(content)
    return _fill(json.loads(text), load(content))


def _strip(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        return {name: _strip(item, tensors) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strip(item, tensors) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    msg = f"only JSON values and tensors go from process to process; got {type(value).__name__}."
    raise TypeError(msg)


def _fill(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        return {name: _fill(item, tensors) for name, item in value.items()}
    return [_fill(item, tensors) for item in value] if isinstance(value, list) else value


def _send(content: bytes) -> bytes:
    """Return the main process' bytes."""
    import torch
    import torch.distributed as dist

    size = torch.tensor([len(content)])
    dist.broadcast(size, src=0)
    sent = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(int(size)).byte()
    if len(sent):
        dist.broadcast(sent, src=0)
    return sent.numpy().tobytes()
