"""One door for randomness (SPEC 7): generators from seeds, and independent children."""

from __future__ import annotations

import numpy as np

from alignkit._check import shown
from alignkit._typing import RNGLike


def as_rng(rng: RNGLike) -> np.random.Generator:
    """Return ``rng`` itself, or a new generator seeded by it."""
    allowed = rng is None or isinstance(rng, np.random.Generator | int | np.integer)
    if not allowed or isinstance(rng, bool):
        msg = f"rng must be a numpy Generator, a non-negative integer or None; got {shown(rng)}."
        raise TypeError(msg)
    if isinstance(rng, int | np.integer) and rng < 0:
        msg = f"rng must be a numpy Generator, a non-negative integer or None; got {rng}."
        raise ValueError(msg)
    return np.random.default_rng(rng)


def spawn(rng: RNGLike, n: int) -> list[np.random.Generator]:
    """Return ``n`` independent children, the same whatever the number of workers that use them.

    A generator counts its children: a second call on it gives others, as drawing from it would.
    """
    return as_rng(rng).spawn(n)
