"""Random numbers that are a function of a seed, whatever was drawn before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def seed_of(*parts: int) -> int:
    """Return one seed made of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0])


def draw_from(seed: int, device: torch.device, /) -> None:
    """Let torch's random numbers on a device begin at a seed."""
    import torch

    if device.type == "cpu":
        # what manual_seed does too, after milliseconds of preparing devices that are not there
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


@contextmanager
def own_random_numbers(device: torch.device, /) -> Iterator[None]:
    """Leave the caller's random numbers as they were."""
    import torch

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def seeded(device: torch.device, /, *parts: int) -> Iterator[None]:
    """Draw from a seed made of ``parts`` for a while, and leave the caller's random numbers as they were."""
    with own_random_numbers(device):
        draw_from(seed_of(*parts), device)
        yield
