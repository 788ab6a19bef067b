"""The two ways rows reach the disk: safetensors shards, and a Zarr group."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from alignkit._io import atomic_write
from alignkit._typing import AnyArray
from alignkit.models._tensor_file import file_header

#: Rows that no shard holds yet wait in a folder of this name.
PARTIAL = ".partial-"
#: The Zarr group's folder.
GROUP = "features.zarr"


class Writer(Protocol):
    """What a store needs of a format."""

    def append(self, arrays: Mapping[str, AnyArray]) -> None:
        """Write one batch of rows per layer."""

    def commit(self, number: int) -> None:
        """Make the rows since the last commit a whole shard."""

    def finish(self, n_rows: int) -> None:
        """Settle the final number of rows."""

    def close(self) -> None:
        """Drop rows of no shard and close what is open."""


class SafetensorsWriter:
    """Shards of one safetensors file each, streamed: rows wait in plain files until the shard is closed."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], _n_rows: int) -> None:
        self._folder = folder
        self._layers = list(manifest["layers"])
        self._dtype = np.dtype(stored_dtype(manifest)).newbyteorder("<")
        self._parts: dict[str, IO[bytes]] = {}
        self._shapes: dict[str, tuple[int, int]] = {}
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def append(self, arrays: Mapping[str, AnyArray]) -> None:
        """Write one batch of rows per layer to the waiting files."""
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(dir=self._folder, prefix=PARTIAL)
        for i, layer in enumerate(self._layers):
            if layer not in self._parts:
                self._parts[layer] = open(Path(self._temporary.name, str(i)), "w+b")  # noqa: SIM115 - closed in close
            rows = np.ascontiguousarray(arrays[layer], dtype=self._dtype)
            n = self._shapes.get(layer, (0, 0))[0]
            self._shapes[layer] = (n + rows.shape[0], rows.shape[1])
            self._parts[layer].write(rows.data)

    def commit(self, number: int) -> None:
        """Make one safetensors file of the waiting rows, atomically."""
        with atomic_write(self._folder / shard_name(number)) as file:
            file.write(self._header())
            for layer in self._layers:
                part = self._parts[layer]
                part.seek(0)
                shutil.copyfileobj(part, file)
                part.seek(0)
                part.truncate()
        self._shapes.clear()

    def _header(self) -> bytes:
        size = self._dtype.itemsize
        return file_header({layer: (f"F{8 * size}", shape, size) for layer, shape in self._shapes.items()}, {})

    def finish(self, n_rows: int) -> None:
        """Every shard is whole already."""

    def close(self) -> None:
        """Drop the waiting rows."""
        for part in self._parts.values():
            part.close()
        self._parts.clear()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None


class ZarrWriter:
    """One Zarr array per layer; a chunk is written once, by the batch that fills it."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], n_rows: int) -> None:
        import zarr

        self._group: Any = zarr.open_group(folder / GROUP, mode="a")
        self._layers = list(manifest["layers"])
        self._n_inputs = int(manifest["n_inputs"])
        self._chunk = int(manifest["chunk"])
        self._dtype = stored_dtype(manifest)
        self._row = n_rows
        self._fresh = n_rows == 0

    def append(self, arrays: Mapping[str, AnyArray]) -> None:
        """Write one batch of rows per layer in place."""
        for layer, rows in arrays.items():
            if self._fresh:
                shape, chunks = (self._n_inputs, rows.shape[1]), (self._chunk, rows.shape[1])
                # a lost chunk reads as the fill value: NaN cannot be mistaken for features
                options = {"dtype": self._dtype, "fill_value": float("nan"), "overwrite": True}
                self._group.create_array(layer, shape=shape, chunks=chunks, **options)
            self._group[layer][self._row : self._row + len(rows)] = rows
        self._fresh = False
        self._row += len(next(iter(arrays.values())))

    def commit(self, number: int) -> None:
        """Rows are in place already: the shard's record makes them count."""

    def finish(self, n_rows: int) -> None:
        """Cut the arrays, made for all inputs, to the rows that were stored."""
        for layer in self._layers:
            array = self._group[layer]
            array.resize((n_rows, array.shape[1]))

    def close(self) -> None:
        """Nothing is open between writes."""


def stored_dtype(manifest: Mapping[str, Any]) -> str:
    """Return the dtype in which rows are stored."""
    return str(manifest.get("dtype", "float32"))


def shard_name(number: int) -> str:
    """Return the file name of a shard."""
    return f"shard-{number:05d}.safetensors"
