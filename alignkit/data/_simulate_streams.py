"""Independent streams of random numbers: asking the lab for more of one thing never changes another."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from alignkit._check import check_count
from alignkit._random import as_rng
from alignkit._typing import RNGLike


class Stream(IntEnum):
    """What a stream is for. The numbers are part of what a seed means: append, never reorder."""

    LATENTS = 0
    STYLE = 1
    SCENE = 2
    PEOPLE = 3
    ANSWERS = 4
    HELD_OUT = 5
    REPEATS = 6
    VOTES = 7
    FMRI = 8
    MEG_ORDER = 9
    MEG = 10
    ASKED = 11
    MEG_SESSIONS = 12
    MEG_CATCH = 13
    MEG_FILES = 14
    MEG_DYNAMICS = 15


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of this seed and key, the same whatever else was drawn before."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(int(part) for part in key)))


def as_seed(rng: RNGLike) -> int:
    """Return the whole number that ``rng`` is, or one drawn from it."""
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        return check_count("rng", rng)
    return int(as_rng(rng).integers(2**63))
