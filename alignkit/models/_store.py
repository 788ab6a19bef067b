"""Where extracted features go: memory, or a folder written shard by shard so that a killed run can continue."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from alignkit._io import read_json, write_json
from alignkit._lock import FolderLock
from alignkit._typing import AnyArray
from alignkit.models._features import Features
from alignkit.models._manifest import NAME, differences, read_manifest
from alignkit.models._open_features import open_features
from alignkit.models._shards import GROUP, PARTIAL, SafetensorsWriter, Writer, ZarrWriter


@dataclasses.dataclass(slots=True)
class Record:
    """What is known about the inputs done so far (of one shard, or of all).

    Parameters
    ----------
    labels, item_sha256 : list of str
        Of the items whose features are stored, in row order.
    skipped : list of dict
        Label, reason and SHA-256 (None where there was nothing to hash) of the inputs left out.
    stop : int
        Number of the first input not done yet.
    batch_size : int
        Items that went through the network at once, where whole batches did not fit the memory; else 0.
    """

    labels: list[str] = dataclasses.field(default_factory=list)
    item_sha256: list[str] = dataclasses.field(default_factory=list)
    skipped: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    stop: int = 0
    batch_size: int = 0

    def extend(self, other: Record) -> None:
        """Append what another record holds."""
        self.labels += other.labels
        self.item_sha256 += other.item_sha256
        self.skipped += other.skipped
        self.stop = other.stop
        self.batch_size = other.batch_size or self.batch_size


class Store(Protocol):
    """What the extraction loop needs of a place for features."""

    done: Record

    @property
    def room(self) -> int:
        """Rows that fit before the next shard begins."""

    def append(self, arrays: Mapping[str, AnyArray], record: Record) -> None:
        """Take one batch of rows and its record."""

    def finish(self) -> Features:
        """Close the store and return what it holds."""

    def abandon(self) -> None:
        """Drop what does not count yet."""


class MemoryStore:
    """Features kept in memory, for small sets."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self.done = Record()
        self.room = 2**62
        self._manifest = dict(manifest)
        self._rows: dict[str, list[AnyArray]] = {layer: [] for layer in manifest["layers"]}

    def append(self, arrays: Mapping[str, AnyArray], record: Record) -> None:
        """Take one batch of rows and its record."""
        for layer, rows in arrays.items():
            self._rows[layer].append(rows)
        self.done.extend(record)

    def finish(self) -> Features:
        """Return what was appended."""
        manifest = {**self._manifest, **finished(self.done)}
        arrays = {layer: np.concatenate(rows) for layer, rows in self._rows.items()}
        return Features.from_arrays(arrays, self.done.labels, name=manifest["model"]["name"], manifest=manifest)

    def abandon(self) -> None:
        """Nothing is left behind."""


class FolderStore:
    """Features in a folder: ``manifest.json`` beside safetensors shards or a Zarr group.

    Rows go to files at once, so no more than one batch is in memory. A shard counts when its record
    (``shard-00000.json``) is there; the record is renamed into place after the shard's data, so a kill leaves whole
    shards only. When all inputs are done the records move into the manifest.

    Raises
    ------
    FileExistsError
        A folder with something else in it, or with the features of another run.
    BlockingIOError
        Another process is writing to the folder.
    ValueError
        A damaged manifest or record.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.done = Record()
        self._folder = folder
        self._manifest = dict(manifest)
        self._n_shards = 0  # with a record
        self._n_files = 0  # with rows: a last shard of unreadable inputs has none
        self._pending = Record()
        if folder.is_file():
            msg = f"{folder} is a file; out must be a folder."
            raise FileExistsError(msg)
        self._made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        try:
            self._data = self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> Writer:
        if self._is_new():
            self._tidy()
            write_json(self._folder / NAME, self._manifest)
        else:
            self._continue()
        self._complete = self._manifest["state"] == "complete"
        kind = ZarrWriter if self._manifest["format"] == "zarr" else SafetensorsWriter
        return kind(self._folder, self._manifest, len(self.done.labels))

    def _is_new(self) -> bool:
        # a run killed before its first manifest leaves at most temporary files
        real = [path for path in self._folder.iterdir() if not path.name.startswith(f".{NAME}.")]
        if real and not (self._folder / NAME).exists():
            msg = f"{self._folder} is not empty and holds no features; choose another out."
            raise FileExistsError(msg)
        return not real

    def _continue(self) -> None:
        there = read_manifest(self._folder)
        different = differences(there, self._manifest)
        if different:
            msg = (
                f"{self._folder} holds the features of another run ({'; '.join(different[:3])}); "
                "choose another out or delete that folder."
            )
            raise FileExistsError(msg)
        self._manifest = there
        self._tidy()
        if there["state"] == "complete":
            self.done = Record(there["labels"], there["item_sha256"], there["skipped"], there["n_inputs"])
            return
        while (path := self._record_path(self._n_shards)).is_file():
            self._count(_read_record(path))

    def _tidy(self) -> None:
        """Remove what a killed run was about to write."""
        for leftover in self._folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for name in (NAME, "shard-"):
            for leftover in self._folder.glob(f".{name}*.tmp"):
                leftover.unlink(missing_ok=True)

    def _record_path(self, number: int) -> Path:
        return self._folder / f"shard-{number:05d}.json"

    @property
    def room(self) -> int:
        """Rows that fit before the next shard begins."""
        return int(self._manifest["shard_size"]) - len(self._pending.labels)

    def append(self, arrays: Mapping[str, AnyArray], record: Record) -> None:
        """Write one batch of rows; close the shard when it is full."""
        if record.labels:
            self._data.append(arrays)
        self._pending.extend(record)
        if self.room == 0 or record.stop == self._manifest["n_inputs"]:
            self._commit()

    def _commit(self) -> None:
        if self._pending.labels:
            self._data.commit(self._n_shards)
        write_json(self._record_path(self._n_shards), dataclasses.asdict(self._pending))
        self._count(self._pending)
        self._pending = Record()

    def _count(self, record: Record) -> None:
        self.done.extend(record)
        self._n_shards += 1
        self._n_files += bool(record.labels)

    def finish(self) -> Features:
        """Move the records into the manifest and open what was written."""
        self._data.close()
        if not self._complete:
            entries = finished(self.done)
            self._data.finish(len(self.done.labels))
            write_json(self._folder / NAME, {**self._manifest, **entries, "n_shards": self._n_files})
        for path in self._folder.glob("shard-*.json"):
            path.unlink()
        self._lock.release()
        return open_features(self._folder)

    def abandon(self) -> None:
        """Drop what no shard's record covers: everything, where no row is stored yet."""
        self._data.close()
        if not self.done.labels:
            self._remove()
        self._lock.release()

    def _remove(self) -> None:
        (self._folder / NAME).unlink(missing_ok=True)
        for path in self._folder.glob("shard-*.json"):
            path.unlink()
        shutil.rmtree(self._folder / GROUP, ignore_errors=True)
        if self._made:
            with suppress(OSError):  # somebody put something there
                self._folder.rmdir()


def finished(done: Record) -> dict[str, Any]:
    """Return the manifest entries that are known once all inputs are done."""
    if not done.labels:
        first = done.skipped[0]
        msg = f"none of the {done.stop} inputs could be read; the first, {first['label']!r}: {first['reason']}."
        raise ValueError(msg)
    return {
        "state": "complete",
        "n_items": len(done.labels),
        "labels": done.labels,
        "item_sha256": done.item_sha256,
        "skipped": done.skipped,
        **({"reduced_batch_size": done.batch_size} if done.batch_size else {}),
    }


def _read_record(path: Path) -> Record:
    content = read_json(path)
    try:
        record = Record(**content)
        numbers = isinstance(record.stop, int) and isinstance(record.batch_size, int)
        whole = numbers and len(record.labels) == len(record.item_sha256)
    except TypeError:
        whole = False
    if not whole:
        msg = f"{path} is not a shard's record; delete the folder and extract anew."
        raise ValueError(msg)
    return record
