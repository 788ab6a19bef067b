"""One optimiser step of a CLIP, beside open_clip's training step, and the memory of a large batch computed in parts."""

from __future__ import annotations

import functools
import importlib
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks._harness import Line, Timing, arguments, in_copy, in_turn, keep, largest_difference, peer

#: Pixels, patch, width, layers (of both towers), and pairs of a batch.
_STEPS = ((32, 4, 128, 4, 64), (64, 8, 256, 6, 32))
_SMALL_STEPS = ((32, 16, 32, 1, 8),)
_CONTEXT, _VOCABULARY = 16, 1000
#: The batch whose memory is measured, its parts, and the two that the memory of one in one part is extrapolated from.
_MEMORY, _SMALL_MEMORY = (8192, 64, (1024, 2048)), (64, 8, (16, 32))
#: How many times as fast as open_clip, at least: the same, but for what a machine with others on it leaves uncertain.
_PROMISED = 0.95
_OPTIM = {"lr": 5e-4, "weight_decay": 0.2, "beta1": 0.9, "beta2": 0.98, "eps": 1e-6}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--memory", type=int, nargs="+", help="take steps of so many pairs in so many parts")
    options = parser.parse_args()
    for name, install in (("torch", "'alignkit[train]'"), ("open_clip", "open_clip_torch")):
        if peer(name, install) is None:
            return
    sizes = _SMALL_STEPS if options.small else _STEPS
    if options.memory is not None:
        for name in ("models._build_clip", "train._contrastive", "train._loop"):
            importlib.import_module(f"alignkit.{name}")  # once for all copies
        for n, parts in zip(options.memory[::2], options.memory[1::2], strict=True):
            print(json.dumps(in_copy(functools.partial(one_step, sizes[0], n, parts))), flush=True)
        return
    lines = [step_line(*size, small=options.small) for size in sizes]
    keep("contrastive_step", [*lines, memory_line(small=options.small)], small=options.small)


def step_line(pixels: int, patch: int, width: int, layers: int, n: int, *, small: bool) -> Line:
    """Time one step of the training loop and of open_clip's on the same batches, whose weights must agree before."""
    import torch

    torch.set_num_threads(1)
    size = (pixels, patch, width, layers)
    batch = pairs(pixels, n)
    fit, (rival, theirs) = our_fit(size, batch, n, 1), rival_step(size)
    model = fit.task.module.clip

    def ours() -> float:
        return float(fit._step(fit._batches(fit.state.step)).losses["loss"])

    def their_step() -> float:
        index = torch.tensor(order.batch(next(steps)).index)
        return theirs(batch[0][index], batch[1][index])

    order, steps = fit.order, iter(range(10**9))
    losses = [(ours(), their_step()) for _ in range(3)]
    largest_difference(*zip(*losses, strict=True), limit=1e-5)
    difference = max(
        largest_difference(own.detach(), other.detach(), limit=1e-5)
        for own, other in zip(model.parameters(), rival.parameters(), strict=True)
    )
    timings = in_turn({"ours": ours, "theirs": their_step}, repeats=1 if small else 15, clock=time.process_time)
    task = f"one step of a CLIP, {layers} layers of width {width} each, {pixels} pixels, batch {n}, time of one core"
    note = f"{n / timings['ours'].median:.0f} pairs/s"
    return Line(task, "open_clip's step", timings["ours"], timings["theirs"], None, "", _PROMISED, difference, note)


def memory_line(*, small: bool) -> Line:
    """Compare the memory of a large batch in parts with what it would take in one."""
    n, parts, fewer = _SMALL_MEMORY if small else _MEMORY
    own, first, second, cut = alone((n, parts), *((m, 1) for m in fewer), (fewer[0], parts), small=small)
    slope = (second["mib"] - first["mib"]) / (fewer[1] - fewer[0])
    difference = largest_difference(first["weights"], cut["weights"], limit=1e-4)
    task = (
        f"one step of {n:,} pairs in {parts} parts, gradient of the whole batch; whole process in MiB (in one part at "
        f"least {second['mib'] + slope * (n - fewer[1]):,.0f}, along a line from {fewer[0]:,} and {fewer[1]:,} pairs)"
    )
    note = "; ".join("{n:,} pairs in one part: {mib:,.0f} MiB".format(**one) for one in (first, second))
    timing = Timing(own["seconds"], own["seconds"], 1, own["mib"])
    return Line(task, "", timing, None, None, "", 0, difference, note)


def alone(*steps: tuple[int, int], small: bool) -> list[dict[str, Any]]:
    """Return what a process of its own reports of each step, of so many pairs in so many parts."""
    command = [sys.executable, "-m", "benchmarks.contrastive_step", "--memory", *(str(k) for one in steps for k in one)]
    command += ["--small"] if small else []
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()[-len(steps) :]]


def one_step(size: Sequence[int], n: int, parts: int) -> dict[str, Any]:
    """Take one step; return its seconds, the most memory that the process ever had, and some of the new weights."""
    fit = our_fit(size[:4], pairs(size[0], n), n, parts)
    start = time.perf_counter()
    fit._step(fit._batches(0))
    seconds = time.perf_counter() - start
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    weights = fit.task.module.clip.visual.proj.detach()[:4, :4].flatten().tolist()
    return {"n": n, "seconds": seconds, "mib": mib, "weights": weights}


def config(size: Sequence[int]) -> dict[str, Any]:
    pixels, patch, width, layers = size
    vision = {"image_size": pixels, "patch_size": patch, "width": width, "layers": layers, "head_width": 32}
    text = {
        "context_length": _CONTEXT, "vocab_size": _VOCABULARY, "width": width, "heads": width // 32, "layers": layers
    }  # fmt: skip
    return {"embed_dim": width, "vision_cfg": vision, "text_cfg": text}


def pairs(pixels: int, n: int) -> tuple[Any, Any]:
    import torch

    generator = torch.Generator().manual_seed(1)
    images = torch.randn(n, 3, pixels, pixels, generator=generator)
    texts = torch.randint(1, _VOCABULARY - 1, (n, _CONTEXT), generator=generator)
    texts[:, -1] = _VOCABULARY - 1  # the end mark, which open_clip finds as the largest id
    return images, texts


def our_fit(size: Sequence[int], batch: tuple[Any, Any], n: int, parts: int) -> Any:
    """Return the training loop with a CLIP of these sizes, as it stands before its first step."""
    import torch

    from alignkit.models._build_clip import build_clip
    from alignkit.train._contrastive import contrastive_loss
    from alignkit.train._loop import _Fit
    from alignkit.train._processes import Processes
    from alignkit.train.config import LoopConfig, OptimConfig

    class Towers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.clip = build_clip(config(size), seed=0)

        def forward(self, inputs: tuple[Any, Any]) -> dict[str, Any]:
            return dict(zip(("image", "text", "scale"), self.clip(*inputs), strict=True))

    class Task:
        n_samples = n

        def __init__(self) -> None:
            self.module = Towers()

        def inputs(self, samples: Any) -> tuple[Any, Any]:
            index = torch.tensor(samples.index)
            return batch[0][index], batch[1][index]

        def targets(self, samples: Any) -> None:
            return None

        def loss(self, outputs: Mapping[str, Any], targets: None) -> dict[str, Any]:
            return {"loss": contrastive_loss(outputs["image"], outputs["text"], outputs["scale"])}

        def after_step(self, module: Any) -> None:
            with torch.no_grad():
                module.clip.logit_scale.clamp_(0, math.log(100))

    loop = LoopConfig(batch_size=n, accumulate=parts, epochs=10**6, device="cpu", progress=False)
    folder = SimpleNamespace(config=loop, path=None)
    fit = _Fit(Task(), loop, OptimConfig(**_OPTIM), folder, Processes(device=torch.device("cpu")))  # type: ignore[arg-type]
    fit.module.train()
    return fit


def rival_step(size: Sequence[int]) -> tuple[Any, Callable[[Any, Any], float]]:
    """Return a CLIP of the same weights, and a step of it with open_clip's loss, parameter groups and order of work."""
    import torch
    from open_clip.loss import ClipLoss

    from alignkit.models._build_clip import build_clip

    model: Any = build_clip(config(size), seed=0)
    model.output_dict = True
    model.train()
    loss = ClipLoss(local_loss=True, gather_with_grad=True, cache_labels=True)
    undecayed = [p for name, p in model.named_parameters() if p.ndim < 2 or "ln" in name or "bias" in name]
    ids = {id(p) for p in undecayed}
    decayed = [p for p in model.parameters() if id(p) not in ids]
    groups = [{"params": undecayed, "weight_decay": 0.0}, {"params": decayed, "weight_decay": _OPTIM["weight_decay"]}]
    betas = (_OPTIM["beta1"], _OPTIM["beta2"])
    # in one kernel, as here: the same rounding, so that weights can be held to be the same
    optimizer = torch.optim.AdamW(groups, lr=_OPTIM["lr"], betas=betas, eps=_OPTIM["eps"], fused=True)

    def step(images: Any, texts: Any) -> float:
        optimizer.zero_grad()
        total = sum(loss(**model(images, texts), output_dict=True).values())
        total.backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        return float(total.detach())

    return model, step


if __name__ == "__main__":
    main()
