"""One number that says whether two networks have the same weights, bit by bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from alignkit._typing import AnyArray


def state_sha256(state: nn.Module | Mapping[str, Tensor], /) -> str:
    """Return the SHA-256 of weights and buffers: their names, dtypes, shapes and bits.

    Neither the order of the names matters nor the device, memory layout or whether a tensor needs gradients. A number
    without axes and the same one alone on an axis count as one: a CLIP's scale is kept either way.

    Parameters
    ----------
    state : Module or mapping of str to Tensor
        A module's state dict counts.

    Returns
    -------
    str
        Hexadecimal digits.

    Raises
    ------
    TypeError
        Anything else, or a tensor without values (on the device 'meta').

    Examples
    --------
    >>> weights = {"a": torch.ones(2), "b": torch.tensor(0.5)}
    >>> state_sha256(weights) == state_sha256({"b": torch.tensor([0.5]), "a": torch.ones(2)})
    True
    >>> state_sha256(weights) == state_sha256({**weights, "a": torch.ones(2, dtype=torch.float64)})
    False
    """
    tensors = state.state_dict() if isinstance(state, nn.Module) else state
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        msg = f"state must be a module or hold tensors by name; got {type(state).__name__}."
        raise TypeError(msg)
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        if value.is_meta:
            msg = f"state must have values to be hashed; {name!r} has none (its device is 'meta')."
            raise TypeError(msg)
        # JSON says where a name ends, whatever is in it
        digest.update(json.dumps([name, str(value.dtype), list(value.shape) or [1]]).encode())
        digest.update(_bytes(value))
    return digest.hexdigest()


def _bytes(value: Tensor) -> memoryview:
    bits: AnyArray = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return bits.data
