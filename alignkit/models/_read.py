"""Reading one layer back from a features folder, with every length checked against the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._io import check_file
from alignkit._typing import AnyArray
from alignkit.models._shards import GROUP, shard_name, stored_dtype


def read_layer(folder: Path, manifest: Mapping[str, Any], layer: str) -> AnyArray:
    """Return one layer of a complete store, shape (items, channels), float32 (whatever it is stored in).

    Raises
    ------
    FileNotFoundError
        A shard is gone.
    ValueError
        A truncated or damaged file, or one that does not hold what the manifest says.
    """
    read = _read_zarr if manifest["format"] == "zarr" else _read_shards
    array = read(folder, manifest, layer)
    if array.ndim != 2 or len(array) != manifest["n_items"]:
        n = manifest["n_items"]
        msg = f"{folder} holds {array.shape} for {layer!r} and its manifest counts {n} items; extract anew."
        raise ValueError(msg)
    return array


def _read_shards(folder: Path, manifest: Mapping[str, Any], layer: str) -> AnyArray:
    # one shard at a time into a result made once: twice the layer in memory would be too much
    result: AnyArray | None = None
    row = 0
    for number in range(int(manifest["n_shards"])):
        rows = _read_shard(check_file(folder / shard_name(number)), layer, stored_dtype(manifest))
        if result is None:
            result = np.empty((manifest["n_items"], rows.shape[1]), dtype=np.float32)
        if rows.shape[1] != result.shape[1] or row + len(rows) > len(result):
            msg = f"{folder}: shard {number} does not fit the others ({rows.shape}); extract anew."
            raise ValueError(msg)
        result[row : row + len(rows)] = rows
        row += len(rows)
    if result is None or row != len(result):
        msg = f"{folder} holds {row} rows of {layer!r} where its manifest counts {manifest['n_items']}; extract anew."
        raise ValueError(msg)
    return result


def _read_shard(path: Path, layer: str, dtype: str) -> AnyArray:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            rows: AnyArray = file.get_tensor(layer)
    except SafetensorError as error:
        msg = f"{path} is not a readable safetensors file with {layer!r} ({error}); it is truncated or damaged."
        raise ValueError(msg) from error
    if rows.ndim != 2 or rows.dtype != dtype:
        msg = f"{path} holds {rows.dtype} of shape {rows.shape} for {layer!r}; it is no shard of features."
        raise ValueError(msg)
    return rows


def _read_zarr(folder: Path, manifest: Mapping[str, Any], layer: str) -> AnyArray:
    import zarr

    path = folder / GROUP
    try:
        # version 3 only: version 2 has a filter that unpickles
        stored: Any = zarr.open_group(path, mode="r", zarr_format=3)[layer]
        # a few bytes of metadata can claim any shape: only what is there is read
        if stored.ndim != 2 or stored.shape[0] != manifest["n_items"] or stored.chunks[1] != stored.shape[1]:
            msg = f"shape {stored.shape} in chunks of {stored.chunks} where {manifest['n_items']} items are counted"
            raise ValueError(msg)
        lost = stored.nchunks - stored.nchunks_initialized
        array = np.asarray(stored, dtype=np.float32) if not lost else np.empty(0)
    except Exception as error:  # zarr and its codecs raise many kinds on damaged stores
        msg = f"{path} is not a readable Zarr group with {layer!r} ({error}); it is incomplete or damaged."
        raise ValueError(msg) from error
    if lost or np.isnan(array).any():  # a lost chunk reads as NaN, which is never stored
        msg = f"{path} has lost chunks of {layer!r}; extract anew."
        raise ValueError(msg)
    return array
