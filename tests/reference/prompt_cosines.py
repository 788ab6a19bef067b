"""Plain-loop scaled cosines between images and prompts, as CLIP-HBA has them for dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence


def prompt_cosines(
    images: Sequence[Sequence[float]],
    prompts: Sequence[Sequence[float]],
    log_scale: float,
    slope: Sequence[float] | None = None,
    offset: Sequence[float] | None = None,
) -> list[list[float]]:
    rows = []
    for x in images:
        row = []
        for d, t in enumerate(prompts):
            dot = sum(a * b for a, b in zip(x, t, strict=True))
            cosine = dot / math.sqrt(sum(a * a for a in x)) / math.sqrt(sum(b * b for b in t))
            value = math.exp(log_scale) * cosine
            if slope is not None and offset is not None:
                value = value * slope[d] + offset[d]
            row.append(value)
        rows.append(row)
    return rows
