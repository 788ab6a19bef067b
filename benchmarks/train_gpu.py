"""CLIP-HBA's training step of ViT-L/14 on a GPU: samples per second, memory, and the share of the GPU's arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._harness import Line, Timing, arguments, in_turn, keep

#: Multiplications and additions a second that the makers promise for dense bfloat16.
PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12}


def main() -> None:
    small = arguments(__doc__).parse_args().small
    try:
        import torch
    except ImportError:
        print("torch is not installed: nothing is measured")
        return
    if not torch.cuda.is_available() and not small:
        print("torch sees no GPU: nothing is measured")
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "processor"
    network, size, n = ("test_vit", 32, 4) if small else ("vit_large_patch14_clip_224", 224, 256)
    repeats = 1 if small else 3
    lines = [measure(network, size, n, blocks, device, name, repeats) for blocks in ((1,) if small else (2, 24))]
    keep("train_gpu", lines, device=name, small=small)


def measure(network: str, size: int, n: int, blocks: int, device: str, name: str, repeats: int) -> Line:
    """Time a step with DoRA in the last ``blocks`` blocks in bfloat16, images in the GPU's memory."""
    import torch

    from alignkit.models import AdapterConfig, load_towers
    from alignkit.models._prompt_model import PromptModel

    towers = load_towers(f"random:{network}", text="minilm", img_size=size)
    adapter = AdapterConfig(kind="dora", rank=32, image_blocks=blocks, text_blocks=0)
    model = PromptModel.build(towers, [f"dimension {i}" for i in range(66)], adapter).to(device).train()
    images = torch.randn(n, 3, size, size, device=device)
    target = torch.rand(n, 66, device=device)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-5)

    def step() -> None:
        with torch.autocast(device, dtype=torch.bfloat16):
            outputs = model({"image": images})
        ((outputs.float() - target) ** 2).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    timing = in_turn({"step": step}, repeats=repeats)["step"]
    flops = _flops(model.image, images, blocks)
    peak = next((value for key, value in PEAK.items() if key in name), float("nan"))
    memory = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else float("nan")
    note = (
        f"{n / timing.median:.0f} samples/s, {memory:.1f} GiB, "
        f"{100 * flops / timing.median / peak:.0f} % of the dense bfloat16 peak"
    )
    floor = Timing(flops / peak, flops / peak, 1, float("nan")) if np.isfinite(peak) else None
    task = f"training step, {network}, DoRA r32 in the last {blocks} blocks, batch {n}, bfloat16: {note}"
    return Line(task, "none", timing, None, floor, "arithmetic at the promised peak", float("nan"), 0.0, note)


def _flops(tower: Any, images: Any, blocks: int) -> float:
    """Return additions and multiplications: forward through everything, back through the activations of what trains.

    Weights are frozen, so that the backward pass computes the gradients of activations alone.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        tower(images[:1])
    forward = float(counter.get_total_flops()) * len(images)
    return forward * (1 + blocks / len(tower.block_names))


if __name__ == "__main__":
    main()
