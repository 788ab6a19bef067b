"""Weights as others know them: adapters merged, fused projections joined again."""

from __future__ import annotations

from torch import Tensor, nn

from alignkit.models._adapters import merged_weight


def plain_state_dict(module: nn.Module) -> dict[str, Tensor]:
    """Return a network's weights under the names it had before :func:`add_adapters`; the network stays as it is.

    The adapters are merged into the weights that they adapt, and separated projections joined, so that the result
    loads into a fresh network of the same architecture (an open_clip model's into ``open_clip.create_model``),
    strictly.

    Parameters
    ----------
    module : nn.Module
        A network with or without adapters.

    Returns
    -------
    dict of str to Tensor
        On the network's device; what is not adapted shares its memory.

    Examples
    --------
    >>> from alignkit.models._adapter_config import AdapterConfig
    >>> from alignkit.models._adapters import add_adapters
    >>> network = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
    >>> names = set(network.state_dict())
    >>> _ = add_adapters(network, ["0"], AdapterConfig(rank=2))
    >>> set(plain_state_dict(network)) == names
    True
    """
    state = {name: value.detach() for name, value in module.state_dict().items()}
    parts = list(module.named_modules(remove_duplicate=False))
    for name, part in parts:
        if hasattr(part, "lora_A") and hasattr(part, "base_layer"):
            _take_off(state, name, part)
    for name, part in parts:
        if hasattr(part, "join"):
            part.join(state, f"{name}." if name else "")
    return state


def _take_off(state: dict[str, Tensor], name: str, layer: nn.Module) -> None:
    """Put what an adapted projection amounts to in the place of its parts."""
    bias = state.get(f"{name}.base_layer.bias")
    for part in [key for key in state if key.startswith(f"{name}.")]:
        del state[part]
    state[f"{name}.weight"] = merged_weight(layer)
    if bias is not None:
        state[f"{name}.bias"] = bias
