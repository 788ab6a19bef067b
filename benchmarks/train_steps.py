"""One step of CLIP-HBA: the frozen layers from disk or computed anew, and prompts together or one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._harness import Line, arguments, in_turn, keep, largest_difference, peer


def main() -> None:
    small = arguments(__doc__).parse_args().small
    if peer("torch", "'alignkit[train]'") is None or peer("sentence_transformers", "'alignkit[offline]'") is None:
        return
    lines = [cached(small=small), prompts(small=small)]
    keep("train_steps", lines, small=small)


def cached(*, small: bool) -> Line:
    """Time the step of a ViT-S, LoRA in its last block: frozen tokens from disk against images in memory."""
    import torch

    from alignkit.train._images import read_images
    from alignkit.train._prefix_cache import cache_prefix

    network, size, n = ("test_vit", 32, 6) if small else ("vit_small_patch14_dinov2", 224, 64)
    model, towers = pair(f"random:{network}", size, image_blocks=1, text_blocks=0)
    target = torch.from_numpy(np.random.default_rng(1).random((n, model.dimensions)).astype(np.float32))
    with tempfile.TemporaryDirectory() as folder:
        photos = _photos(Path(folder), n, size)
        cache = cache_prefix(towers, photos, Path(folder, "cache"), progress=False)
        images = torch.from_numpy(read_images(photos, towers.preprocess))
        numbers = np.arange(n)
        step = stepper(model, target)

        def ours() -> float:
            return step(cache(numbers))

        def theirs() -> float:
            return step({"image": images})

        difference = largest_difference(
            loss_of(model, target, cache(numbers)), loss_of(model, target, {"image": images}), limit=1e-4
        )
        timings = in_turn({"ours": ours, "theirs": theirs}, repeats=1 if small else 3)
    rate = n / timings["ours"].median
    task = f"training step, {network}, LoRA r8 in the last block, batch {n}"
    rival = "the same step from images in memory"
    note = f"{rate:.0f} samples/s"
    return Line(task, rival, timings["ours"], timings["theirs"], None, "", 4, difference, note)


def prompts(*, small: bool) -> Line:
    """Time 66 prompts through a text network whose last block is trained: in one batch against one by one."""
    import torch

    n = 5 if small else 66
    model, towers = pair("random:test_vit", 32, image_blocks=0, text_blocks=1, n_prompts=n)
    assert towers.text is not None
    assert model.texts is not None
    tokenizer: Any = towers.tokenizer
    single = [tokenizer([prompt]) for prompt in model.prompts]

    def ours() -> Any:
        features = model.features()
        features.sum().backward()
        return features.detach()

    def theirs() -> Any:
        one_by_one = torch.cat([towers.text(tokens) for tokens in single])
        features = one_by_one / one_by_one.norm(dim=1, keepdim=True)
        features.sum().backward()
        return features.detach()

    difference = largest_difference(ours(), theirs(), limit=1e-4)
    timings = in_turn({"ours": ours, "theirs": theirs}, repeats=1 if small else 7)
    task = f"{n} prompts through MiniLM and back, its last block trained"
    return Line(task, "one by one, whole network", *timings.values(), None, "", 4, difference)


def pair(network: str, size: int, *, image_blocks: int, text_blocks: int, n_prompts: int = 66) -> tuple[Any, Any]:
    """Return a model of an image network and MiniLM, with LoRA in the last blocks, and its towers."""
    from alignkit.models import AdapterConfig, load_towers
    from alignkit.models._prompt_model import PromptModel

    towers = load_towers(network, text="minilm", img_size=size)
    adapter = AdapterConfig(kind="lora", rank=8, dropout=0.0, image_blocks=image_blocks, text_blocks=text_blocks)
    names = [f"a thing of the kind number {i}" for i in range(n_prompts)]
    return PromptModel.build(towers, names, adapter), towers


def stepper(model: Any, target: Any) -> Callable[[Mapping[str, Any]], float]:
    """Return a function that takes one step of AdamW on the squared error."""
    import torch

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-5)

    def step(inputs: Mapping[str, Any]) -> float:
        optimiser.zero_grad()
        loss = ((model(inputs) - target) ** 2).mean()
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def loss_of(model: Any, target: Any, inputs: Mapping[str, Any]) -> float:
    """Return the loss without a step."""
    return float(((model(inputs) - target) ** 2).mean().detach())


def _photos(folder: Path, n: int, size: int) -> list[Path]:
    from PIL import Image

    rng = np.random.default_rng(2)
    paths = [folder / f"{i:03d}.png" for i in range(n)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
    return paths


if __name__ == "__main__":
    main()
