"""Tensors on a GPU beside arrays on the processor: RDMs, rank correlations and CKA; nothing where there is no GPU."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit.rsa import compare, rdm, similarity
from benchmarks._harness import Line, in_turn, keep, largest_difference

N_ITEMS, N_CHANNELS, N_RDMS = 1854, 768, 10


def main(device: str = "cuda") -> None:
    try:
        import torch
    except ImportError:
        print("torch is not installed: nothing is measured")
        return

    if device == "cuda" and not torch.cuda.is_available():
        print("torch sees no GPU: nothing is measured")
        return

    def finished(function: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            result = function()
            if device == "cuda":
                torch.cuda.synchronize()
            return result

        return call

    rng = np.random.default_rng(0)
    x = rng.normal(size=(N_ITEMS, N_CHANNELS)).astype(np.float32)
    y = (x + rng.normal(size=x.shape)).astype(np.float32)
    common = rng.random(N_ITEMS * (N_ITEMS - 1) // 2)
    stacks = [(common + rng.random((N_RDMS, common.size))).astype(np.float32) for _ in range(2)]
    there = [torch.from_numpy(array).to(device) for array in (x, y, *stacks)]
    tasks: dict[str, tuple[Callable[[], Any], Callable[[], Any], Callable[[], Any], float]] = {
        f"correlation RDM, {N_ITEMS:,} x {N_CHANNELS}, float32": (
            lambda: rdm(there[0]),
            lambda: rdm(x, dtype="float32"),
            lambda: there[0] @ there[0].T,
            2e-6,
        ),
        f"Spearman, {N_RDMS} x {N_RDMS} RDMs of {N_ITEMS:,} items, float32": (
            lambda: compare(there[2], there[3]),
            lambda: compare(*stacks),
            lambda: torch.sort(torch.cat(there[2:]), dim=1),
            1e-12,
        ),
        f"debiased linear CKA, {N_ITEMS:,} x {N_CHANNELS}, float32": (
            lambda: similarity(there[0], there[1]),
            lambda: similarity(x, y),
            lambda: there[0].T @ there[1],
            1e-9,
        ),
    }
    floors = ("the product in float32", "the sort", "one product in float32")
    lines = []
    for (task, (ours, theirs, floor, limit)), floor_is in zip(tasks.items(), floors, strict=True):
        difference = largest_difference(ours().values.cpu(), theirs().values, limit=limit)
        timings = in_turn({"ours": finished(ours), "theirs": theirs, "floor": finished(floor)})
        lines.append(Line(task, "the same on the processor", *timings.values(), floor_is, 0, difference))
    name = torch.cuda.get_device_name() if device == "cuda" else device
    keep("gpu", [*lines], device=name)


if __name__ == "__main__":
    main(*sys.argv[1:])
