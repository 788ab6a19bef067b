"""Write epochs of any size as FIF, a few at a time: MNE's own ``Epochs.save`` needs all of them in memory."""

from __future__ import annotations

import dataclasses
import json
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_count, require
from alignkit._io import atomic_write
from alignkit._typing import AnyArray, FloatArray, IntArray

if TYPE_CHECKING:
    import mne
    import pandas as pd

#: FIF files use signed 32-bit positions.
LARGEST = 2**31 - 1


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EpochsHeader:
    """What a FIF file says about its epochs: sensors, ``events`` (trial, 3), metadata, and the samples of each."""

    info: mne.Info
    events: IntArray
    metadata: pd.DataFrame
    first_sample: int
    n_times: int

    @property
    def epoch_bytes(self) -> int:
        """Bytes of one epoch on disk."""
        return 4 * len(self.info["chs"]) * self.n_times

    @property
    def calibration(self) -> FloatArray:
        """What stored values are multiplied by when they are read, shape (channel, 1)."""
        return np.array([ch["cal"] * ch.get("scale", 1.0) for ch in self.info["chs"]])[:, None]


def write_epochs_fif(
    path: Path, header: EpochsHeader, blocks: Iterable[AnyArray], *, split_size: int = LARGEST
) -> list[Path]:
    """Write ``blocks`` of epochs, shape (some trials, channel, time), as one FIF file or as several that link on.

    Values are stored as float32, divided by the channels' calibrations as FIF has it. The parts are named as MNE
    names them (``x-epo.fif``, ``x-epo-1.fif`` ...); either all of them appear or none.

    Raises
    ------
    ValueError
        A ``split_size`` above FIF's limit of 2 GB or too small for one epoch.
    """
    tags = _Tags(header)
    sizes = _part_sizes(header, tags, split_size)
    paths = [path.with_name(f"{path.stem}-{part}{path.suffix}" if part else path.name) for part in range(len(sizes))]
    feed, start = _Feed(blocks), 0
    with ExitStack() as stack:  # the files appear when all are written
        for part, size in enumerate(sizes):
            file = stack.enter_context(atomic_write(paths[part]))
            file.write(tags.before(start, start + size) + tags.of_values(size))
            for block in feed.take(size):
                file.write((block / header.calibration).astype(">f4").tobytes())
            following = paths[part + 1].name if part + 1 < len(sizes) else None
            file.write(tags.after(start, start + size, part, following))
            start += size
    return paths


def _part_sizes(header: EpochsHeader, tags: _Tags, split_size: int) -> list[int]:
    """Return how many epochs each part holds: as few parts as can be, as even as MNE makes them."""
    n = len(header.events)
    parts = (tags.before(0, n), tags.of_values(0), tags.after(0, n, 0, "x" * 255))
    overhead = sum(map(len, parts)) + 12 * n  # at most this in any part: 12 for a trial's mark that it lies elsewhere
    room = (check_count("split_size", split_size) - overhead) // header.epoch_bytes
    if room < 1 or split_size > LARGEST:
        smallest = overhead + header.epoch_bytes
        msg = f"split_size must lie between {smallest:,} (one epoch) and {LARGEST:,} bytes; got {split_size:,}."
        raise ValueError(msg)
    return [len(part) for part in np.array_split(np.arange(n), -(-n // room))]


class _Feed:
    """Blocks of trials, handed on in pieces of other sizes."""

    def __init__(self, blocks: Iterable[AnyArray]) -> None:
        self._blocks = iter(blocks)
        self._rest: AnyArray | None = None

    def take(self, n: int) -> Iterator[AnyArray]:
        """Yield pieces that hold the next ``n`` trials."""
        while n:
            block = next(self._blocks) if self._rest is None else self._rest
            piece, rest = block[:n], block[n:]
            self._rest = rest if len(rest) else None
            n -= len(piece)
            yield piece


class _Tags:
    """The tags of a FIF file of epochs, as MNE writes and reads them: kind, type, size, next, content."""

    def __init__(self, header: EpochsHeader) -> None:
        self._header = header
        self._fiff = require("mne.io.constants", "meg").FIFF
        self._opening = self._measurement()

    def _measurement(self) -> bytes:
        """Return what MNE writes about the sensors, up to where the measurement block would end."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "of-info.fif"
            require("mne.io", "meg").write_info(path, self._header.info, verbose="error")
            return path.read_bytes().removesuffix(self._closing())

    def before(self, start: int, stop: int) -> bytes:
        """Return what precedes the values of the trials from ``start`` to ``stop``."""
        fiff, header = self._fiff, self._header
        codes = np.unique(header.events[:, 2])
        names = ";".join(f"{code}:{code}" for code in codes.tolist())
        metadata = header.metadata.iloc[start:stop].to_json(orient="records")
        return b"".join(
            [
                self._opening,
                self._start(fiff.FIFFB_PROCESSED_DATA),
                self._start(fiff.FIFFB_MNE_EPOCHS),
                self._start(fiff.FIFFB_MNE_EVENTS),
                self._ints(fiff.FIFF_MNE_EVENT_LIST, header.events[start:stop]),
                self._text(fiff.FIFF_DESCRIPTION, names),
                self._end(fiff.FIFFB_MNE_EVENTS),
                self._start(fiff.FIFFB_MNE_METADATA),
                self._text(fiff.FIFF_DESCRIPTION, metadata),
                self._end(fiff.FIFFB_MNE_METADATA),
                self._ints(fiff.FIFF_FIRST_SAMPLE, header.first_sample),
                self._ints(fiff.FIFF_LAST_SAMPLE, header.first_sample + header.n_times - 1),
                self._tag(
                    fiff.FIFF_MNE_EPOCHS_RAW_SFREQ, fiff.FIFFT_FLOAT, np.array(header.info["sfreq"], ">f4").tobytes()
                ),
            ]
        )

    def of_values(self, n: int) -> bytes:
        """Return what announces the values of ``n`` trials."""
        fiff = self._fiff
        kind = fiff.FIFFT_FLOAT | fiff.FIFFT_MATRIX
        return struct.pack(">iiii", fiff.FIFF_EPOCH, kind, n * self._header.epoch_bytes + 16, 0)

    def after(self, start: int, stop: int, part: int, following: str | None) -> bytes:
        """Return what follows the values: their sizes, which trials they are, and the next file's name."""
        fiff, header = self._fiff, self._header
        n = len(header.events)
        log = json.dumps([[] if start <= trial < stop else ["IGNORED"] for trial in range(n)])
        link = []
        if following is not None:
            link = [
                self._start(fiff.FIFFB_REF),
                self._ints(fiff.FIFF_REF_ROLE, fiff.FIFFV_ROLE_NEXT_FILE),
                self._text(fiff.FIFF_REF_FILE_NAME, following),
                self._ints(fiff.FIFF_REF_FILE_NUM, part + 1),
                self._end(fiff.FIFFB_REF),
            ]
        return b"".join(
            [
                struct.pack(">iiii", header.n_times, len(header.info["chs"]), stop - start, 3),
                self._text(fiff.FIFF_MNE_EPOCHS_DROP_LOG, log),
                self._ints(fiff.FIFF_MNE_EPOCHS_SELECTION, np.arange(start, stop)),
                *link,
                self._end(fiff.FIFFB_MNE_EPOCHS),
                self._end(fiff.FIFFB_PROCESSED_DATA),
                self._closing(),
            ]
        )

    def _closing(self) -> bytes:
        no_more = struct.pack(">iiii", self._fiff.FIFF_NOP, 0, 0, self._fiff.FIFFV_NEXT_NONE)
        return self._end(self._fiff.FIFFB_MEAS) + no_more

    def _start(self, block: int) -> bytes:
        return self._ints(self._fiff.FIFF_BLOCK_START, block)

    def _end(self, block: int) -> bytes:
        return self._ints(self._fiff.FIFF_BLOCK_END, block)

    def _ints(self, kind: int, values: Any) -> bytes:
        return self._tag(kind, self._fiff.FIFFT_INT, np.array(values, dtype=">i4").tobytes())

    def _text(self, kind: int, text: str) -> bytes:
        return self._tag(kind, self._fiff.FIFFT_STRING, text.encode("ascii", "xmlcharrefreplace"))

    def _tag(self, kind: int, form: int, content: bytes) -> bytes:
        return struct.pack(">iiii", kind, form, len(content), 0) + content
