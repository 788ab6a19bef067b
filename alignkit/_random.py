"""One door for randomness (SPEC 7): generators from seeds, and independent children."""

from __future__ import annotations

import numpy as np

from alignkit._typing import RNGLike


def as_rng(rng: RNGLike) -> np.random.Generator:
    """Return ``rng`` itself, or a new generator seeded by it."""
    if isinstance(rng, bool):
        msg = "rng must be a numpy Generator, a non-negative integer or None; got a bool."
        raise TypeError(msg)
    return np.random.default_rng(rng)


def spawn(rng: RNGLike, n: int) -> list[np.random.Generator]:
    """Return ``n`` independent children, the same whatever the number of workers that use them."""
    return as_rng(rng).spawn(n)
