"""Features read a stretch of rows at a time, from memory, a mapped array or a store that is larger than memory."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import as_floats, as_labels, check_choice, is_tensor, join_names
from alignkit._io import load_npy
from alignkit._typing import AnyArray
from alignkit.models._features import Features, as_rows
from alignkit.models._layer_files import read_names
from alignkit.models._manifest import NAME, read_manifest
from alignkit.models._open_features import names_beside, open_features
from alignkit.models._shards import GROUP
from alignkit.models._stored_rows import StoredRows

#: Bytes of features that are read into memory as a whole; larger stores stay on disk.
IN_MEMORY = 1 << 30
#: Rows that are copied, or hashed, at once.
_ROWS = 1 << 13
#: Rows whose values stand for all where two sets of features are told apart.
_SAMPLE = 1024

Read = Callable[[int, int], AnyArray]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """Features of shape (n_items, n_channels) as floats; ``read(start, stop)`` gives a stretch of them.

    ``array`` holds them all where they are in memory or mapped into it; ``labels`` is None where items have no names.
    """

    name: str
    labels: tuple[str, ...] | None
    n_items: int
    n_channels: int
    dtype: np.dtype[Any]
    read: Read
    array: AnyArray | None = None
    manifest: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return self.n_items * self.n_channels * self.dtype.itemsize

    def blocks(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield the bounds of stretches of ``size`` rows."""
        for start in range(0, self.n_items, size):
            yield start, min(start + size, self.n_items)

    def take(self, rows: AnyArray) -> AnyArray:
        """Return these rows, given in rising order."""
        if self.array is not None:
            return np.asarray(self.array[rows])
        parts = []
        for start, stop in self.blocks(_ROWS):
            first, last = np.searchsorted(rows, (start, stop))
            if last > first:
                parts.append(self.read(start, stop)[rows[first:last] - start])
        return np.concatenate(parts)

    def fingerprint(self) -> str:
        """Return a hash of the shape and of a thousand rows: features of another model have another."""
        rows = np.unique(np.linspace(0, self.n_items - 1, _SAMPLE).astype(np.int64))
        digest = hashlib.sha256(f"{self.n_items} {self.n_channels}".encode())
        digest.update(np.ascontiguousarray(self.take(rows), dtype="<f4").data)
        return digest.hexdigest()

    @contextmanager
    def indexable(self, folder: Path) -> Iterator[AnyArray]:
        """Give all rows as an array: in memory where they are few, else mapped from a copy in ``folder``."""
        if self.array is not None:
            yield self.array
        elif self.nbytes <= IN_MEMORY:
            yield self.read(0, self.n_items)
        else:
            with tempfile.TemporaryDirectory(dir=folder, prefix=".features.") as scratch:
                path = Path(scratch, "rows.npy")
                described = {
                    "descr": np.lib.format.dtype_to_descr(self.dtype),
                    "fortran_order": False,
                    "shape": (self.n_items, self.n_channels),
                }
                with open(path, "wb") as file:  # mapped for writing, it would be in memory as a whole
                    np.lib.format.write_array_header_1_0(file, described)
                    for start, stop in self.blocks(_ROWS):
                        file.write(np.ascontiguousarray(self.read(start, stop), dtype=self.dtype).data)
                yield np.asarray(load_npy(path, mmap=True))


def as_feature_rows(features: object, *, layer: str | None = None) -> FeatureRows:
    """Return the rows of features, of a path to them, or of an array.

    Raises
    ------
    TypeError
        Something else than numbers.
    ValueError
        Unknown or several layers, an array of other than two axes, a damaged store.
    FileNotFoundError
        No such path.
    """
    if isinstance(features, str | os.PathLike):
        return _from_path(Path(features), layer)
    if isinstance(features, Features):
        return _of_array(features.array(layer), features.labels, features.name, features.manifest)
    if layer is not None:
        msg = f"layer is for features of several layers; got {layer!r} with an array."
        raise ValueError(msg)
    if is_tensor(features):
        features = as_floats("features", features).detach().cpu().numpy()
    return _of_array(features, None, "features", {})


def _of_array(x: object, labels: Sequence[str] | None, name: str, manifest: Mapping[str, Any]) -> FeatureRows:
    plain = isinstance(x, np.ndarray) and x.ndim == 2 and x.size and x.dtype.kind == "f" and x.dtype.itemsize <= 8
    masked = isinstance(x, np.ma.MaskedArray)
    array: AnyArray = np.asarray(x) if plain and not masked else as_rows("features", x)

    def read(start: int, stop: int) -> AnyArray:
        return array[start:stop]

    names = None if labels is None else as_labels("labels", labels, len(array))
    return FeatureRows(name, names, len(array), array.shape[1], array.dtype, read, array, manifest)


def _from_path(path: Path, layer: str | None) -> FeatureRows:
    if path.suffix.lower() == ".npy" and path.is_file():
        beside = names_beside(path)
        array = load_npy(path, mmap=True)
        names = None if beside is None else read_names(beside)
        return _of_array(array, names, path.stem, {})
    if path.is_dir() and (path / NAME).exists() and (manifest := read_manifest(path))["state"] == "complete":
        return _from_store(path, manifest, layer)
    return as_feature_rows(open_features(path), layer=layer)


def _from_store(folder: Path, manifest: Mapping[str, Any], layer: str | None) -> FeatureRows:
    layers = [str(one) for one in manifest["layers"]]
    if layer is None and len(layers) != 1:
        msg = f"{folder} holds the layers {join_names(layers)}; name one with layer=."
        raise ValueError(msg)
    layer = layers[0] if layer is None else layer
    check_choice("layer", layer, layers)
    name = folder.name or folder.resolve().name
    labels = as_labels(f"the labels in {folder}", manifest["labels"], manifest["n_items"])
    if manifest["format"] == "zarr":
        width, read = _zarr_reader(folder, layer, len(labels))
    else:
        rows = StoredRows(folder, layer)
        width = rows.shape[1]

        def read(start: int, stop: int) -> AnyArray:
            found = rows.read(np.arange(start, stop)).astype(np.float32, copy=False)
            rows.let_go()  # whoever passes through all of them would hold all of them in the end
            return found

    return FeatureRows(name, labels, len(labels), width, np.dtype(np.float32), read, None, manifest)


def _zarr_reader(folder: Path, layer: str, n_items: int) -> tuple[int, Read]:
    import zarr

    path = folder / GROUP
    try:
        # version 3 only: version 2 has a filter that unpickles
        stored: Any = zarr.open_group(path, mode="r", zarr_format=3)[layer]
        if stored.ndim != 2 or stored.shape[0] != n_items or stored.chunks[1] != stored.shape[1]:
            msg = f"shape {stored.shape} in chunks of {stored.chunks} where {n_items} items are counted"
            raise ValueError(msg)
    except Exception as error:  # zarr raises many kinds on damaged stores
        msg = f"{path} is not a readable Zarr group with {layer!r} ({error}); it is incomplete or damaged."
        raise ValueError(msg) from error

    def read(start: int, stop: int) -> AnyArray:
        try:
            rows = np.asarray(stored[start:stop], dtype=np.float32)
        except Exception as error:
            msg = f"{path} is damaged: rows {start} to {stop} of {layer!r} cannot be read ({error})."
            raise ValueError(msg) from error
        if np.isnan(rows).any():  # a lost chunk reads as NaN, which is never stored
            msg = f"{path} has lost chunks of {layer!r}; extract anew."
            raise ValueError(msg)
        return rows

    return int(stored.shape[1]), read
