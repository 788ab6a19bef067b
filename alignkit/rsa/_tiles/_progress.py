"""How far a pass over all pairs has come, how fast, and how long it will take."""

from __future__ import annotations

from typing import Any


def pairs_bar(n_pairs: int, what: str, *, shown: bool) -> Any:
    """Return a bar over pairs of items, with pairs per second and the time left."""
    from tqdm import tqdm

    return tqdm(total=n_pairs, desc=what, unit=" pairs", unit_scale=True, disable=not shown)
