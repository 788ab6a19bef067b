"""Where epochs lie: in memory, behind mne, or in several sessions; each gives them a block of trials at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import threading
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from alignkit._typing import AnyArray, IntArray

#: Bytes of a block of trials: what a core's cache holds while it is turned round.
BLOCK = 1 << 21
#: Epochs that mne reads one by one are held in memory where all of them take no more than this.
_HELD = 1 << 28
#: Bytes of a number as mne gives it.
_DOUBLE = 8


class Source(Protocol):
    """Trials of one recording, with their channels chosen.

    ``blocks(trials, start, stop, step)`` gives the samples ``start:stop:step`` of the trials at the positions
    ``trials`` (ascending) as pairs: which of the positions, and an array of shape (trials, channels, samples).
    """

    @property
    def n_trials(self) -> int:
        """Number of trials."""

    @property
    def n_channels(self) -> int:
        """Number of channels chosen."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """What loses nothing of the data."""

    @property
    def in_memory(self) -> bool:
        """Whether no file is behind it: a few samples cost no pass over all, and threads need not take turns."""

    def blocks(self, trials: IntArray, start: int, stop: int, step: int) -> Iterator[tuple[slice, AnyArray]]:
        """Give the chosen samples of the chosen trials, a block of trials at a time."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """Trials in memory (or mapped into it): ``data``, shape (trials, all channels, times)."""

    data: AnyArray
    channels: IntArray

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.data)

    @property
    def n_channels(self) -> int:
        """Number of channels chosen."""
        return len(self.channels)

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the array."""
        return self.data.dtype

    @property
    def in_memory(self) -> bool:
        """Whether no file is behind the array, nor behind that of which it is a view."""
        base: Any = self.data
        while isinstance(base, np.ndarray):
            base = base.base
        return not isinstance(base, mmap.mmap | memoryview)

    def blocks(self, trials: IntArray, start: int, stop: int, step: int) -> Iterator[tuple[slice, AnyArray]]:
        """Give the chosen samples of the chosen trials, a block of trials at a time."""
        per_trial = self.n_channels * len(range(start, stop, step)) * self.dtype.itemsize
        for rows in pieces(len(trials), BLOCK // per_trial):
            of, channels = _as_slice(trials[rows]), _as_slice(self.channels)
            if not isinstance(of, slice) and not isinstance(channels, slice):
                of = of[:, np.newaxis]
            yield rows, self.data[of, channels, start:stop:step]


class MneSource:
    """Epochs that mne reads from disk one by one: from a raw file, a compressed one, or changed since it was opened.

    They are read once and held where they are few, else anew for each stretch of time, as a block of trials needs
    them: whole epochs pass through memory, but only a block at a time.
    """

    dtype: np.dtype[Any] = np.dtype(np.float64)
    in_memory = False

    def __init__(self, epochs: Any, channels: IntArray) -> None:
        self._epochs = epochs
        self._channels = channels
        self._per_trial = len(epochs.ch_names) * len(epochs.times) * _DOUBLE
        self._lock = threading.Lock()  # mne moves about in one open file
        self._held: ArraySource | None = None

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self._epochs.events)

    @property
    def n_channels(self) -> int:
        """Number of channels chosen."""
        return len(self._channels)

    def blocks(self, trials: IntArray, start: int, stop: int, step: int) -> Iterator[tuple[slice, AnyArray]]:
        """Give the chosen samples of the chosen trials, a block of trials at a time."""
        if self.n_trials * self._per_trial <= _HELD:
            yield from self._hold().blocks(trials, start, stop, step)
            return
        for rows in pieces(len(trials), 8 * BLOCK // self._per_trial):
            yield rows, self._read(trials[rows])[..., start:stop:step]

    def _hold(self) -> ArraySource:
        if self._held is None:
            data = self._read(np.arange(self.n_trials))
            self._held = ArraySource(data, np.arange(self.n_channels))
        return self._held

    def _read(self, trials: IntArray) -> AnyArray:
        with self._lock, _damage(self._epochs):
            return check_real(self._epochs.get_data(self._channels, trials, copy=False, verbose="error"))


def check_real(values: AnyArray) -> AnyArray:
    """Return numbers, or raise where they are complex."""
    if values.dtype.kind == "c":
        msg = "data must hold real numbers; got complex ones (take their real part, power or phase first)."
        raise TypeError(msg)
    return values


@contextlib.contextmanager
def _damage(epochs: Any) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error) as error:
        msg = f"{epochs.filename or 'the epochs'} cannot be read to the end ({error}); copy the file again."
        raise ValueError(msg) from error


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class JoinedSource:
    """The trials of several sessions, one after the other."""

    sources: Sequence[Source]

    @property
    def n_trials(self) -> int:
        """Number of trials of all sessions."""
        return sum(source.n_trials for source in self.sources)

    @property
    def n_channels(self) -> int:
        """Number of channels chosen, the same in each session."""
        return self.sources[0].n_channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """What loses nothing of any session."""
        return np.result_type(*(source.dtype for source in self.sources))

    @property
    def in_memory(self) -> bool:
        """Whether no file is behind any session."""
        return all(source.in_memory for source in self.sources)

    def blocks(self, trials: IntArray, start: int, stop: int, step: int) -> Iterator[tuple[slice, AnyArray]]:
        """Give the chosen samples of the chosen trials, a block of trials at a time."""
        first = 0
        for source in self.sources:
            begin, end = (int(i) for i in np.searchsorted(trials, [first, first + source.n_trials]))
            for rows, block in source.blocks(trials[begin:end] - first, start, stop, step):
                yield slice(begin + rows.start, begin + rows.stop), block
            first += source.n_trials


def _as_slice(positions: IntArray) -> IntArray | slice:
    """Return a slice, which copies nothing, in place of positions that follow each other."""
    first, n = int(positions[0]), len(positions)
    return slice(first, first + n) if (np.diff(positions) == 1).all() else positions


def pieces(n: int, size: int) -> Iterator[slice]:
    """Give the slices that cut ``n`` into pieces of ``size``, at least one each."""
    size = max(1, size)
    for first in range(0, n, size):
        yield slice(first, min(first + size, n))
