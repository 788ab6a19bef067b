"""Which samples make which step: a pure function of the seed and the step, with no state to save.

Any process can compute any batch, so that a run resumes in the middle of an epoch, on another number of processes
too: ranks take slices of the same global batch.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from alignkit._typing import FloatArray, IntArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of one step (or a rank's slice of them).

    Parameters
    ----------
    index : ndarray of int, shape (n,)
        Which training samples.
    position : ndarray of int, shape (n,)
        When, counted over the whole run: no two draws share one, so that it numbers what is random about a sample.
    seed : int
        Of the run.
    """

    index: IntArray
    position: IntArray
    seed: int

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, part: slice | IntArray) -> Samples:
        return dataclasses.replace(self, index=self.index[part], position=self.position[part])

    def uniform(self, stream: int = 0) -> FloatArray:
        """Return one number in [0, 1) per sample, shape (n,): the same wherever and whenever it is drawn."""
        return _uniform(self.seed, stream, self.position)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The order of samples in a run: every epoch is a permutation of its own.

    Parameters
    ----------
    n_samples : int
        Training samples.
    batch_size : int
        Samples of one optimiser step, over all processes.
    seed : int
        Of the run.
    drop_last : bool
        Leave out what does not fill the last batch of an epoch; otherwise that batch is smaller.
    """

    n_samples: int
    batch_size: int
    seed: int
    drop_last: bool = False

    def __post_init__(self) -> None:
        if self.n_samples < 1 or (self.drop_last and self.n_samples < self.batch_size):
            msg = (
                f"there are {self.n_samples} training samples and batches of {self.batch_size}: not one whole batch; "
                "give more data or choose a smaller batch_size."
            )
            raise ValueError(msg)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one pass over the data."""
        whole, rest = divmod(self.n_samples, self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    @property
    def smallest_batch(self) -> int:
        """Samples of the last batch of an epoch, than which none is smaller."""
        rest = self.n_samples % self.batch_size
        return self.batch_size if self.drop_last or not rest else rest

    def batch(self, step: int) -> Samples:
        """Return the samples of optimiser step ``step`` (from 0), over all processes."""
        epoch, within = divmod(step, self.steps_per_epoch)
        start = within * self.batch_size
        stop = min(start + self.batch_size, self.n_samples)
        index = _permutation(self.seed, epoch, self.n_samples)[start:stop]
        return Samples(index, epoch * self.n_samples + np.arange(start, stop), self.seed)


def share(samples: Samples, rank: int, world_size: int) -> Samples:
    """Return the slice of a global batch that one of ``world_size`` processes takes: as equal as can be, in order."""
    bounds = np.linspace(0, len(samples), world_size + 1).round().astype(int)
    return samples[bounds[rank] : bounds[rank + 1]]


def joined(parts: Sequence[Samples]) -> Samples:
    """Return the samples of several slices of one batch, one slice after the other."""
    index, position = (np.concatenate([getattr(part, name) for part in parts]) for name in ("index", "position"))
    return Samples(index, position, parts[0].seed)


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, n: int) -> IntArray:
    order = np.random.default_rng([seed, epoch]).permutation(n)
    order.flags.writeable = False
    return order


def _uniform(seed: int, stream: int, position: IntArray) -> FloatArray:
    """Return SplitMix64 of (seed, stream, position) as fractions of 2**53; a counter-based generator."""
    key = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)
    z = key + (position.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
