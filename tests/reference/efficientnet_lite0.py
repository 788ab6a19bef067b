"""EfficientNet-Lite0 in plain functions over the package's own state dict (Tan & Le 2019; TensorFlow's padding)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

#: kernel, repeats, first stride, expansion, width, per stage.
STAGES = [
    (3, 1, 1, 1, 16),
    (3, 2, 2, 6, 24),
    (5, 2, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (5, 3, 1, 6, 112),
    (5, 4, 2, 6, 192),
    (3, 1, 1, 6, 320),
]


def pooled_and_logits(state: Mapping[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the 1280 pooled features and the 1000 class scores."""
    x = functional.relu6(_norm(state, "_bn0", _conv(x, state["_conv_stem.weight"], 2)))
    number = 0
    for _kernel, repeats, first, expansion, _width in STAGES:
        for repeat in range(repeats):
            x = _block(state, f"_blocks.{number}", x, first if repeat == 0 else 1, expansion)
            number += 1
    x = functional.relu6(_norm(state, "_bn1", _conv(x, state["_conv_head.weight"], 1)))
    pooled = x.mean((2, 3))
    return pooled, pooled @ state["_fc.weight"].T + state["_fc.bias"]


def _block(state: Mapping[str, torch.Tensor], name: str, x: torch.Tensor, stride: int, expansion: int) -> torch.Tensor:
    y = x
    if expansion != 1:
        y = functional.relu6(_norm(state, f"{name}._bn0", _conv(y, state[f"{name}._expand_conv.weight"], 1)))
    weight = state[f"{name}._depthwise_conv.weight"]
    y = functional.relu6(_norm(state, f"{name}._bn1", _conv(y, weight, stride, groups=len(weight))))
    y = _norm(state, f"{name}._bn2", _conv(y, state[f"{name}._project_conv.weight"], 1))
    return x + y if stride == 1 and x.shape == y.shape else y


def _conv(x: torch.Tensor, weight: torch.Tensor, stride: int, groups: int = 1) -> torch.Tensor:
    kernel = weight.shape[-1]
    total = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
    before = total // 2  # TensorFlow puts the odd pixel after
    padded = functional.pad(x, (before, total - before, before, total - before))
    return functional.conv2d(padded, weight, stride=stride, groups=groups)


def _norm(state: Mapping[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    shape = (1, -1, 1, 1)
    scale = state[f"{name}.weight"] / torch.sqrt(state[f"{name}.running_var"] + 1e-3)
    return (x - state[f"{name}.running_mean"].view(shape)) * scale.view(shape) + state[f"{name}.bias"].view(shape)
