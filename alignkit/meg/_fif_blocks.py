"""Epochs of uncompressed FIF files, read a block at a time: several times as fast as mne's one by one.

A part of a file of epochs is one matrix (epochs, channels, samples), big-endian, single or double precision, that the
channels' calibrations turn into volts and tesla. Its place and its shape are mne's; the header in front of the matrix
and the size of the file must agree with them, and what is read must be what mne reads. Whatever else there is to do to
the epochs (compression, complex numbers, a baseline or a decimation that is still pending) is left to mne.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import counted
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.meg._sources import BLOCK

_HEADER = struct.Struct(">4i")  # kind, type, bytes, next
_KIND_EPOCHS = 302
_MATRIX = 1 << 30
#: What the last tag of a file says about the next.
_LAST = -1
#: FIF's number of a type, by that of numpy.
_TYPES = {">f4": 4, ">f8": 5}


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    path: Path
    offset: int
    n_epochs: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FifSource:
    """Epochs in FIF files: trial i is the epoch ``rows[i]`` of ``parts[part_of[i]]``.

    ``projection``, shape (channels chosen, channels it needs), is None where no projector is active; ``channels`` are
    the positions of the channels it needs, else of those chosen; ``scale``, shape (those channels, 1), their
    calibrations, or None where they are 1.
    """

    parts: tuple[_Part, ...]
    part_of: IntArray
    rows: IntArray
    shape: tuple[int, int]
    stored: np.dtype[Any]
    channels: IntArray
    scale: FloatArray | None
    projection: FloatArray | None

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.rows)

    @property
    def in_memory(self) -> bool:
        """Whether it is no file."""
        return False

    @property
    def n_channels(self) -> int:
        """Number of channels chosen."""
        return len(self.channels if self.projection is None else self.projection)

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the file, in the order of bytes of this machine."""
        return self.stored.newbyteorder("=")

    @property
    def _epoch_bytes(self) -> int:
        return self.shape[0] * self.shape[1] * self.stored.itemsize

    def blocks(self, trials: IntArray, start: int, stop: int, step: int) -> Iterator[tuple[slice, AnyArray]]:
        """Give the chosen samples of the chosen trials, a block of trials at a time."""
        longest = max(1, BLOCK // self._epoch_bytes)
        buffer = bytearray(longest * self._epoch_bytes)
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(part.path.open("rb", buffering=0)) for part in self.parts]
            for run in _runs(self.part_of[trials], self.rows[trials], longest):
                rows = self.rows[trials[run]]
                part = int(self.part_of[trials[run.start]])
                block = self._read(files[part], self.parts[part], buffer, rows)
                chosen = block[(rows - rows[0])[:, np.newaxis], self.channels, start:stop:step]  # a copy of the buffer
                yield run, self._turned(chosen)

    def _read(self, file: io.FileIO, part: _Part, buffer: bytearray, rows: IntArray) -> AnyArray:
        """Fill the buffer with a part's epochs from the first to the last of ``rows``, as they are stored."""
        n_epochs = int(rows[-1] - rows[0]) + 1
        file.seek(part.offset + int(rows[0]) * self._epoch_bytes)
        with memoryview(buffer)[: n_epochs * self._epoch_bytes] as window:
            if file.readinto(window) != len(window):
                msg = f"{part.path} ended while it was read: it is shorter than when it was opened."
                raise ValueError(msg)
        block = np.frombuffer(buffer, self.stored, n_epochs * self.shape[0] * self.shape[1])
        return block.reshape(n_epochs, *self.shape)

    def _turned(self, block: AnyArray) -> AnyArray:
        """Return stored numbers of the channels that are needed as values of those chosen."""
        if self.scale is not None:
            block = block * self.scale
        return block if self.projection is None else self.projection @ block.astype(np.float64, copy=False)


def fif_source(epochs: Any, channels: IntArray) -> FifSource | None:
    """Return a reader of epochs that mne has opened and not loaded, or None where they are left to mne.

    Raises
    ------
    ValueError
        A file that is shorter than its header says.
    """
    try:
        source = _source_of(epochs, channels)
    except (AttributeError, TypeError, KeyError):  # another version of mne, with other insides
        return None
    if source is None:
        return None
    return source if _equals_mne(source, epochs, channels) else None


def _source_of(epochs: Any, channels: IntArray) -> FifSource | None:
    containers = epochs._raw
    if not isinstance(containers, list) or _is_pending(epochs):
        return None
    first = containers[0]
    shape = (int(first.epoch_shape[0]), int(first.epoch_shape[1]))
    if shape != (len(epochs.ch_names), len(epochs.times)) or first.fmt not in _TYPES:
        return None
    same = all(tuple(c.epoch_shape) == shape and c.fmt == first.fmt for c in containers)
    if not same or not all(np.array_equal(c.cals, first.cals) for c in containers):
        return None
    parts = [_part(container, shape) for container in containers]
    place = {int(event): (p, row) for p, c in enumerate(containers) for row, event in enumerate(c.event_samps)}
    places = np.array([place[int(event)] for event in epochs.events[:, 0]], dtype=np.int64).reshape(-1, 2)
    needed, projection = _projection(epochs, channels)
    scale = np.asarray(first.cals, dtype=np.float64)[needed]
    found = tuple(part for part in parts if part is not None)
    if len(found) < len(parts):
        return None
    return FifSource(
        parts=found,
        part_of=places[:, 0],
        rows=places[:, 1],
        shape=shape,
        stored=np.dtype(first.fmt),
        channels=needed,
        scale=None if (scale == 1.0).all() else scale,
        projection=projection,
    )


def _is_pending(epochs: Any) -> bool:
    """Return whether there is more to do to an epoch than to scale and to project it."""
    changed = epochs._do_baseline or epochs.detrend is not None or epochs._offset is not None
    return bool(changed or epochs._decim != 1 or len(epochs._raw_times) != len(epochs.times))


def _projection(epochs: Any, channels: IntArray) -> tuple[IntArray, FloatArray | None]:
    """Return the channels to read, and what turns them into those chosen where a projector is active."""
    projector = epochs._projector
    if projector is None or epochs._do_delayed_proj or not epochs.proj:
        return channels, None
    rows = np.asarray(projector, dtype=np.float64)[channels]
    needed = np.flatnonzero((rows != 0).any(axis=0))
    return needed, np.ascontiguousarray(rows[:, needed])


def _part(container: Any, shape: tuple[int, int]) -> _Part | None:
    """Return where a part's matrix lies, or None where the file is none that can be read directly."""
    if not isinstance(container.fid, io.BufferedReader):
        return None
    path = Path(os.fsdecode(container.fid.name))
    n_epochs = len(container.event_samps)
    n_bytes = n_epochs * shape[0] * shape[1] * np.dtype(container.fmt).itemsize
    start = int(container.data_tag.pos)
    end = start + _HEADER.size + n_bytes + 4 * (len(shape) + 2)
    with path.open("rb") as file:
        _check_length(file, path, end)
        file.seek(start)
        kind, stored, size, _ = _HEADER.unpack(file.read(_HEADER.size))
        file.seek(end - 16)
        axes = struct.unpack(">4i", file.read(16))  # the lengths of the axes, the last first, and how many they are
        fits = kind == _KIND_EPOCHS and stored == _TYPES[container.fmt] | _MATRIX and size == n_bytes + 16
        if not fits or axes != (shape[1], shape[0], n_epochs, 3):
            return None
        _check_end(file, path, end)
    return _Part(path, start + _HEADER.size, n_epochs)


def _check_length(file: io.BufferedReader, path: Path, end: int) -> None:
    missing = end - os.fstat(file.fileno()).st_size
    if missing > 0:
        msg = f"{path} is at least {counted(missing, 'byte')} shorter than it says it is; copy it again."
        raise ValueError(msg)


def _check_end(file: io.BufferedReader, path: Path, position: int) -> None:
    """Raise where a file stops within the tags behind its matrix: they name the part that is next."""
    size, following = os.fstat(file.fileno()).st_size, 0
    while following != _LAST and position != size:
        _check_length(file, path, position + _HEADER.size)
        file.seek(position)
        _, _, length, following = _HEADER.unpack(file.read(_HEADER.size))
        position = following if following > position else position + _HEADER.size + max(0, length)


def _runs(part_of: IntArray, rows: IntArray, longest: int) -> Iterator[slice]:
    """Cut trials into runs that lie in one part, in its order, and no further apart than ``longest`` epochs."""
    parts, places = part_of.tolist(), rows.tolist()
    first = 0
    for i in range(1, len(places) + 1):
        ends = i == len(places) or parts[i] != parts[first] or places[i] <= places[i - 1]
        if ends or places[i] - places[first] >= longest:
            yield slice(first, i)
            first = i


def _equals_mne(source: FifSource, epochs: Any, channels: IntArray) -> bool:
    """Return whether the first and the last epoch are read as mne reads them."""
    if source.n_trials == 0:
        return False
    trials = np.unique([0, source.n_trials - 1])
    expected = epochs.get_data(picks=channels, item=trials, copy=False, verbose="error")
    got = np.concatenate([block for _, block in source.blocks(trials, 0, source.shape[1], 1)])
    largest = np.abs(expected).max(axis=(0, 2), keepdims=True)
    unit = np.where(largest > 0, largest, 1.0)  # volts and tesla are small numbers
    return bool(np.isclose(got / unit, expected / unit, rtol=1e-6, atol=1e-6, equal_nan=True).all())
