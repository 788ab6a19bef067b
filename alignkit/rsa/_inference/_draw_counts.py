"""How often each of n things is drawn when n are drawn with replacement."""

from __future__ import annotations

import numpy as np

from alignkit._random import spawn
from alignkit._typing import IntArray, RNGLike

#: Resamples drawn by one child of a seed: part of what a seed means, never to be changed.
_BLOCK = 256


def draw_counts(n: int, n_bootstrap: int, rng: RNGLike = None) -> IntArray:
    """Return the multiplicities of ``n_bootstrap`` resamples of ``n`` things, shape (n_bootstrap, n).

    Every row sums to ``n``. Resample b of a seed is the same however many are drawn.
    """
    counts = np.empty((n_bootstrap, n), dtype=np.int64)
    n_blocks = -(-n_bootstrap // _BLOCK)
    for block, own in enumerate(spawn(rng, n_blocks)):
        part = counts[block * _BLOCK : (block + 1) * _BLOCK]
        drawn = own.integers(n, size=part.shape) + n * np.arange(len(part))[:, None]
        part[:] = np.bincount(drawn.ravel(), minlength=part.size).reshape(part.shape)
    return counts
