"""Low-rank adapters in a frozen network, by peft, on attention that has projections of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from alignkit._check import check_count, require
from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._projections import separate_projections
from alignkit.models._weights import check_fit

#: peft's own name for the only adapter of a network.
_NAME = "default"


def add_adapters(module: nn.Module, blocks: Sequence[str], config: AdapterConfig, *, seed: int = 0) -> list[str]:
    """Freeze a network and put low-rank adapters on the attention projections of some of its blocks, in place.

    LoRA [1]_ adds ``alpha / rank * B @ A`` to a projection's weight W; DoRA [2]_ gives the rows of that sum their own
    lengths m, which start as those of W. ``init="identity"`` starts from B = 0, so that outputs are the frozen
    network's exactly. ``init="kaiming-both"`` starts where CLIP-HBA did: A from a uniform distribution within
    ``1 / sqrt(rank)``, B within ``1 / sqrt(n_out)`` times the length of each row of W. ``kind="full"`` puts nothing in
    and trains the blocks' own weights.

    Parameters
    ----------
    module : nn.Module
        The network; the attention in ``blocks`` gets separate projections first (:func:`separate_attention`).
    blocks : sequence of str
        Names of the submodules to adapt, e.g. ``["transformer.resblocks.22", "transformer.resblocks.23"]``.
    config : AdapterConfig
        Kind, rank, alpha, dropout, start, and which projections.
    seed : int
        Of the start; torch's own state is left as it is.

    Returns
    -------
    list of str
        Names of the parameters that are trained; none for ``kind="none"`` or without blocks.

    Raises
    ------
    ValueError
        An unknown block, attention that cannot be adapted, or a network that has adapters already.

    References
    ----------
    .. [1] Hu et al. (2021), LoRA: low-rank adaptation of large language models. doi:10.48550/arXiv.2106.09685
    .. [2] Liu et al. (2024), DoRA: weight-decomposed low-rank adaptation. doi:10.48550/arXiv.2402.09353

    Examples
    --------
    >>> network = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
    >>> add_adapters(network, ["0"], AdapterConfig(kind="lora", rank=2))
    ['0.self_attn.out_proj.lora_A.default.weight', '0.self_attn.out_proj.lora_B.default.weight']
    """
    check_count("seed", seed)
    if any(_adapted(module)):
        msg = "this network has adapters already; merge them, or start from a fresh one."
        raise ValueError(msg)
    module.requires_grad_(False)
    if config.kind == "none" or not blocks:
        return []
    if config.kind == "full":
        for block in blocks:
            module.get_submodule(block).requires_grad_(True)
        return [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    targets = [name for block in blocks for name in separate_projections(module, block, config.projections)]
    _inject(module, targets, config)
    generator = torch.Generator().manual_seed(seed)
    for _, layer in _adapted(module):
        layer.train(layer.get_base_layer().training)  # peft's layers come in training mode, whatever they stand for
        _start(layer, config, generator)
        if config.kind == "dora":
            layer.lora_magnitude_vector[_NAME].requires_grad_(config.train_magnitude)
    return [name for name, parameter in module.named_parameters() if parameter.requires_grad]


def adapter_state(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of a network's adapters on the CPU, under the names that peft gives them in its files."""
    return {
        name: value.detach().to("cpu", copy=True).contiguous()
        for path, layer in _adapted(module)
        for name, value in _tensors(path, layer).items()
    }


def load_adapter_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put what :func:`adapter_state` returned into a network with the same adapters.

    Raises
    ------
    ValueError
        Names or shapes that do not fit; nothing is changed then.
    """
    own = {name: value for path, layer in _adapted(module) for name, value in _tensors(path, layer).items()}
    check_fit("the saved adapters do not fit this network", state, own)
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])


def merge_adapters(module: nn.Module) -> list[str]:
    """Put the adapted weights in place of a network's own, and take the adapters away; return the layers' names."""
    layers = list(_adapted(module))
    for name, layer in layers:
        plain = layer.get_base_layer()
        with torch.no_grad():
            plain.weight.copy_(merged_weight(layer))
        module.set_submodule(name, plain)
    if hasattr(module, "peft_config"):
        del module.peft_config
    return [name for name, _ in layers]


def merged_weight(layer: nn.Module) -> Tensor:
    """Return the weight, (n_out, n_in), of an adapted projection as if it had none: W + s B A, rows of length m."""
    adapter: Any = layer
    weight = adapter.get_base_layer().weight.detach()
    update = adapter.lora_B[_NAME].weight.detach().float() @ adapter.lora_A[_NAME].weight.detach().float()
    merged = weight.float() + adapter.scaling[_NAME] * update
    magnitude = _magnitude(adapter)
    if magnitude is not None:
        merged = merged * (magnitude.detach().float() / torch.linalg.vector_norm(merged, dim=1)).unsqueeze(1)
    return merged.to(weight.dtype)


def adapted_layers(module: nn.Module) -> dict[str, nn.Module]:
    """Return the projections of a network that have an adapter, by name."""
    return dict(_adapted(module))


def _adapted(module: nn.Module) -> Iterator[tuple[str, Any]]:
    # by their parts, so that a network without adapters does not need peft
    for name, child in module.named_modules():
        if isinstance(getattr(child, "lora_A", None), nn.ModuleDict) and hasattr(child, "base_layer"):
            yield name, child


def _magnitude(layer: Any) -> Tensor | None:
    return layer.lora_magnitude_vector[_NAME].weight if _NAME in layer.lora_magnitude_vector else None


def _tensors(path: str, layer: Any) -> dict[str, Tensor]:
    tensors = {f"{path}.lora_{side}.weight": getattr(layer, f"lora_{side}")[_NAME].weight for side in "AB"}
    magnitude = _magnitude(layer)
    return tensors if magnitude is None else {**tensors, f"{path}.lora_magnitude_vector": magnitude}


def _inject(module: nn.Module, targets: Sequence[str], config: AdapterConfig) -> None:
    peft = require("peft", "train")
    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        use_dora=config.kind == "dora",
        # a whole expression: peft takes a list's entries for endings, and towers share them
        target_modules="|".join(map(re.escape, targets)),
    )
    with torch.random.fork_rng(devices=[]):  # peft draws a start of its own
        peft.inject_adapter_in_model(settings, module, _NAME)


def _start(layer: Any, config: AdapterConfig, generator: torch.Generator) -> None:
    a, b = layer.lora_A[_NAME].weight, layer.lora_B[_NAME].weight  # (rank, n_in), (n_out, rank)
    weight = layer.get_base_layer().weight
    with torch.no_grad():
        if config.init == "identity":
            a.copy_(_uniform(a.shape, a.shape[1], generator))
            b.zero_()
        else:
            a.copy_(_uniform(a.shape, a.shape[0], generator))
            lengths = torch.linalg.vector_norm(weight.float(), dim=1, keepdim=True)
            b.copy_(_uniform(b.shape, b.shape[0], generator).to(lengths.device) * lengths)


def _uniform(shape: torch.Size, fan: int, generator: torch.Generator) -> Tensor:
    """Draw within 1 / sqrt(fan): Kaiming's bound for a slope of sqrt(5)."""
    return (torch.rand(shape, generator=generator) * 2.0 - 1.0) / math.sqrt(fan)
