"""The order of pairs in a run: shards shuffled in every epoch, and pairs within a window, with no state to save.

Which pair stands at a place is a pure function of the seed and the place, so that a run killed in the middle of an
epoch goes on with the pair that was next, on another number of processes too.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from alignkit._check import check_count
from alignkit._typing import ArrayLike, IntArray

#: What the draws of one epoch are for.
_SHARDS, _OFFSET, _WINDOW = 1, 2, 3


@dataclasses.dataclass(frozen=True, slots=True)
class PairOrder:
    """A permutation of all pairs for each epoch, in which neighbours come from few shards.

    The shards are put in a random order, one after the other; what that gives is cut into windows, the cuts elsewhere
    in every epoch, and each window is shuffled. No pair moves further than a window from its shard's place.

    Parameters
    ----------
    sizes : tuple of int
        Pairs of each shard.
    seed : int
        Of the run.
    window : int
        Pairs that are shuffled together.
    """

    sizes: tuple[int, ...]
    seed: int
    window: int

    def __post_init__(self) -> None:
        check_count("seed", self.seed)
        check_count("window", self.window, 1)

    @property
    def n(self) -> int:
        """Number of pairs, which is the length of an epoch."""
        return sum(self.sizes)

    def at(self, position: ArrayLike, /) -> IntArray:
        """Return which pairs stand at these places of the run; place ``epoch * n + k`` is the k-th of an epoch.

        Parameters
        ----------
        position : array_like of int, shape (n,)
            Such as ``Samples.position`` of a training step.

        Returns
        -------
        ndarray of int, shape (n,)
        """
        epochs, places = np.divmod(np.asarray(position, dtype=np.int64), self.n)
        result: IntArray = np.empty(places.shape, dtype=np.int64)
        for epoch in np.unique(epochs):
            of_epoch = epochs == epoch
            result[of_epoch] = self._of_epoch(int(epoch), places[of_epoch])
        return result

    def batch(self, epoch: int, step: int, *, batch_size: int, rank: int = 0, world_size: int = 1) -> IntArray:
        """Return the pairs that one process takes in one step of an epoch; all take equally many.

        Parameters
        ----------
        epoch, step : int
            Both from 0; the pairs that do not fill the last batch of an epoch are left out of it.
        batch_size : int
            Pairs of a step over all processes, a multiple of ``world_size``.
        rank, world_size : int
            Which of how many processes.

        Raises
        ------
        ValueError
            A batch that processes cannot share equally, or a step beyond the epoch.
        """
        for name, value, minimum in (("epoch", epoch, 0), ("step", step, 0), ("world_size", world_size, 1)):
            check_count(name, value, minimum)
        if check_count("batch_size", batch_size, 1) % world_size:
            msg = f"batch_size must be a multiple of the {world_size} processes; got {batch_size}."
            raise ValueError(msg)
        if check_count("rank", rank) >= world_size or step >= self.n // batch_size:
            msg = (
                f"rank must lie below {world_size} and step below {self.n // batch_size:,}, the whole batches of "
                f"{self.n:,} pairs; got {rank} and {step:,}."
            )
            raise ValueError(msg)
        share = batch_size // world_size
        return self.at(epoch * self.n + step * batch_size + rank * share + np.arange(share))

    def _of_epoch(self, epoch: int, places: IntArray) -> IntArray:
        # cut elsewhere in every epoch, so that pairs near a cut are not kept apart for good
        shift = np.random.default_rng([self.seed, epoch, _OFFSET])
        offset = int(shift.integers(self.window)) if self.window < self.n else 0
        windows = (places + offset) // self.window
        shuffled = np.empty_like(places)
        for number in np.unique(windows):
            of_window = windows == number
            start = max(0, int(number) * self.window - offset)
            stop = min(self.n, (int(number) + 1) * self.window - offset)
            window = _window(self.seed, epoch, int(number), stop - start)
            shuffled[of_window] = start + window[places[of_window] - start]
        order, ends = _shards(self.sizes, self.seed, epoch)
        shard = np.searchsorted(ends, shuffled, side="right")
        firsts = np.cumsum([0, *self.sizes[:-1]])
        within: IntArray = shuffled - (ends[shard] - np.asarray(self.sizes)[order[shard]])
        return firsts[order[shard]] + within


@functools.lru_cache(maxsize=2)
def _shards(sizes: tuple[int, ...], seed: int, epoch: int) -> tuple[IntArray, IntArray]:
    order = np.random.default_rng([seed, epoch, _SHARDS]).permutation(len(sizes))
    return order, np.cumsum(np.asarray(sizes)[order])


@functools.lru_cache(maxsize=4)
def _window(seed: int, epoch: int, number: int, size: int) -> IntArray:
    return np.random.default_rng([seed, epoch, _WINDOW, number]).permutation(size)
