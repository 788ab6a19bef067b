"""Dimensions and RDMs over time of a batch, forward and backward: a loop over times and layers, and logits mixed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks._harness import Line, arguments, in_turn, keep, largest_difference, peer, timed

#: Images, times, layers, dimensions, channels of a layer, channels of the prompts: CLIP-HBA-MEG's.
_SIZES = (50, 281, 24, 66, 1024, 768)
_SMALL = (6, 9, 4, 8, 32, 16)
#: Times that weights are averaged with on each side.
_REACH = 3


def main() -> None:
    small = arguments(__doc__).parse_args().small
    if peer("torch", "'alignkit[train]'") is None:
        return
    import torch

    from alignkit.train._time_losses import rdms_over_time

    n_images, n_times, n_layers, n_dimensions, width, n_channels = _SMALL if small else _SIZES
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Any:
        return torch.randn(shape, generator=generator)

    text = torch.nn.functional.normalize(draw(n_dimensions, n_channels), dim=1)
    weight = draw(n_channels, width) / math.sqrt(width)
    model = head(text, weight, n_times, n_layers)
    table = model.mixing.table
    with torch.no_grad():
        table.copy_(torch.rand(table.shape, generator=generator))
    tokens = draw(n_images, n_layers, width).requires_grad_()
    upstream = draw(n_times, n_images * (n_images - 1) // 2)

    def finish(rdms: Any) -> tuple[Any, Any, Any]:
        gradients = torch.autograd.grad((rdms * upstream).sum(), [table, tokens])
        return rdms.detach(), *gradients

    def ours() -> tuple[Any, Any, Any]:
        return finish(rdms_over_time(model({"hidden": tokens})))

    def theirs() -> tuple[Any, Any, Any]:
        return finish(by_loops(table, tokens, weight, text))

    loop, expected = timed(theirs)
    rdms, *gradients = zip(ours(), expected, strict=True)
    difference = largest_difference(*(x.numpy() for x in rdms), limit=1e-5)
    for found, wanted in gradients:  # whose size follows from the sizes here
        largest_difference(*(x.numpy() / float(wanted.abs().max()) for x in (found, wanted)), limit=1e-3)
    timing = in_turn({"ours": ours}, repeats=1 if small else 7)["ours"]
    task = (
        f"RDMs over {n_times} times of {n_images} images, {n_layers} layers of {width} channels, {n_dimensions} "
        "dimensions, forward and backward"
    )
    keep(
        "dynamic_head",
        [Line(task, "a loop over times and layers", timing, loop, None, "", 300, difference)],
        small=small,
    )


def head(text: Any, weight: Any, n_times: int, n_layers: int) -> Any:
    """Return a model that takes class tokens as they are, read and smoothed as published."""
    import torch

    from alignkit.models._dynamic_model import DynamicModel, DynamicSettings
    from alignkit.models._final_step import frozen_linear
    from alignkit.models._layer_tokens import LayerTokens

    blocks = [f"blocks.{i}" for i in range(n_layers)]
    image = LayerTokens(torch.nn.Identity(), blank=None, block_names=blocks, width=weight.shape[1])
    times = tuple(float(t) for t in np.arange(n_times) * 0.005 - 0.1)
    settings = DynamicSettings(times=times, readout="linear", window="centred", reach=_REACH)
    return DynamicModel(image, text, settings, log_scale=math.log(100.0), projection=frozen_linear(weight, None))


def by_loops(table: Any, tokens: Any, weight: Any, text: Any) -> Any:
    """Return the RDM of every time, shape (times, pairs), from features that are mixed anew for each."""
    import torch

    row, column = torch.triu_indices(len(tokens), len(tokens), offset=1)
    rdms = []
    for t in range(len(table)):
        weights = table[max(0, t - _REACH) : t + _REACH + 1].mean(dim=0)
        weights = (weights - weights.min()) / (weights.max() - weights.min() + 1e-10)
        weights = weights / (weights.sum() + 1e-10)
        feature = sum(weights[layer] * (tokens[:, layer] @ weight.T) for layer in range(tokens.shape[1]))
        embedding = torch.relu(100 * feature @ text.T)
        centred = embedding - embedding.mean(dim=1, keepdim=True)
        unit = centred / centred.norm(dim=1, keepdim=True)
        rdms.append((1 - unit @ unit.T)[row, column])
    return torch.stack(rdms)


if __name__ == "__main__":
    main()
