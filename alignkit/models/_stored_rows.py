"""Any rows of stored features, read from disk when they are needed."""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import as_labels
from alignkit._io import check_file
from alignkit._typing import AnyArray, IntArray
from alignkit.models._manifest import read_manifest
from alignkit.models._shards import shard_name, stored_dtype

#: A header of a few thousand layers; more is no file of ours.
_LONGEST_HEADER = 1 << 20


class StoredRows:
    """Rows of one layer of a complete features folder (safetensors), mapped into memory, not loaded.

    Parameters
    ----------
    folder : pathlib.Path
        Written by :func:`alignkit.models.extract`.
    layer : str
        Which layer.

    Attributes
    ----------
    labels : tuple of str
        One per row.
    shape : tuple of int
        Rows and channels.

    Raises
    ------
    FileNotFoundError
        No such folder, or a shard is gone.
    ValueError
        An unfinished extraction, another format or layer, or shards that are truncated or damaged.
    """

    def __init__(self, folder: Path, layer: str, /) -> None:
        manifest = read_manifest(folder)
        if manifest["state"] != "complete" or manifest["format"] != "safetensors":
            msg = f"{folder} holds no finished features in safetensors shards; extract them anew."
            raise ValueError(msg)
        dtype = np.dtype(stored_dtype(manifest)).newbyteorder("<")
        self.labels = as_labels(f"the labels in {folder}", manifest["labels"], manifest["n_items"])
        self._shards = [_map(folder / shard_name(i), layer, dtype) for i in range(manifest["n_shards"])]
        widths = {shard.shape[1] for shard in self._shards}
        self._starts = np.cumsum([0, *(len(shard) for shard in self._shards)])
        if len(widths) != 1 or self._starts[-1] != len(self.labels):
            msg = f"{folder} does not hold {len(self.labels)} rows of one width for {layer!r}; extract them anew."
            raise ValueError(msg)
        self.shape = (len(self.labels), widths.pop())

    def read(self, rows: IntArray) -> AnyArray:
        """Return these rows, shape (len(rows), channels), in the dtype they are stored in."""
        result = np.empty((len(rows), self.shape[1]), dtype=self._shards[0].dtype.newbyteorder("="))
        shard = np.searchsorted(self._starts, rows, side="right") - 1
        for k, (i, row) in enumerate(zip(shard, rows, strict=True)):
            result[k] = self._shards[i][row - self._starts[i]]
        return result

    def let_go(self) -> None:
        """Give back the memory that mapped rows take once they were read; they are read again when asked for."""
        advice = getattr(mmap, "MADV_DONTNEED", None)
        for shard in self._shards:
            pages = getattr(shard, "_mmap", None)
            if advice is not None and pages is not None:
                pages.madvise(advice)


def _map(path: Path, layer: str, dtype: np.dtype[Any]) -> AnyArray:
    """Return one tensor of a safetensors file, mapped; its place is checked against the file's size."""
    size = check_file(path).stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length <= _LONGEST_HEADER else b""
    try:
        entry: Mapping[str, Any] = json.loads(text)[layer]
        start, stop = (8 + length + int(offset) for offset in entry["data_offsets"])
        n, width = (int(side) for side in entry["shape"])
        fits = entry["dtype"] == f"F{8 * dtype.itemsize}" and min(n, width) > 0
        fits = fits and stop - start == n * width * dtype.itemsize and 8 + length <= start and stop <= size
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        fits = False
    if not fits:
        msg = f"{path} is no whole shard of {layer!r} in {dtype.name}; it is truncated or damaged: extract anew."
        raise ValueError(msg)
    return np.memmap(path, dtype, "r", offset=start, shape=(n, width))
