"""A plain loop over items: one forward pass each, one hook, no batches, no pooling library."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def layer_outputs(module: torch.nn.Module, inputs: list[np.ndarray], layer: str) -> list[np.ndarray]:
    """Return the output of one submodule for each input of shape (3, height, width)."""
    module.eval()
    kept: list[np.ndarray] = []

    def hook(_module: Any, _args: Any, output: torch.Tensor) -> None:
        kept.append(output.detach().clone().numpy()[0])

    handle = dict(module.named_modules())[layer].register_forward_hook(hook)
    for array in inputs:
        with torch.no_grad():
            module(torch.from_numpy(array[None]))
    handle.remove()
    return kept
