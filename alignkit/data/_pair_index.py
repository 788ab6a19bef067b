"""What is known about the pairs of one file without opening it again: where each one is, and which are bad."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alignkit._io import load_npz, save_npz
from alignkit._typing import AnyArray

_SCHEMA = 1


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PairIndex:
    """The pairs of one file.

    Parameters
    ----------
    table : ndarray of uint32 or int64, shape (pairs, columns)
        Where each pair is; what the columns mean is the reader's.
    keys : ndarray of uint8
        The pairs' names in UTF-8, one after the other; the table knows where each ends, if there are any.
    bad : tuple of (name, reason)
        What is left out.
    """

    table: AnyArray
    keys: npt.NDArray[np.uint8]
    bad: tuple[tuple[str, str], ...]


def make_index(
    rows: Sequence[Sequence[int]], n_columns: int, bad: Mapping[str, str], *, keys: bytes = b""
) -> PairIndex:
    """Return an index of plain lists; half as large where no number needs more than 32 bits."""
    table: AnyArray = np.array(rows, dtype=np.int64).reshape(len(rows), n_columns)
    if table.max(initial=0) < 2**32:
        table = table.astype(np.uint32)
    return PairIndex(table, np.frombuffer(keys, dtype=np.uint8), tuple(bad.items()))


def named_bad(indices: Sequence[PairIndex], labels: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return what is left out of several files, named by the file too."""
    return tuple(
        (f"{label}/{name}", reason) for index, label in zip(indices, labels, strict=True) for name, reason in index.bad
    )


def kept_index(
    folder: Path | None, path: Path, settings: Mapping[str, Any], n_columns: int, make: Callable[[], PairIndex]
) -> PairIndex:
    """Return the index of a file from ``folder``, or make it and keep it there.

    An index is used for a file of the same place, size and time of change, and the same settings; one that is
    damaged is made again.
    """
    if folder is None:
        return make()
    status = path.stat()
    place = os.fsencode(path.resolve()).decode("utf-8", "backslashreplace")
    identity = {"schema": _SCHEMA, "path": place, "size": status.st_size, "mtime_ns": status.st_mtime_ns, **settings}
    target = folder / f"{path.stem[:80]}-{hashlib.sha256(place.encode()).hexdigest()[:12]}.npz"
    found = _read(target, identity, n_columns)
    if found is None:
        found = make()
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"table": found.table, "keys": found.keys}
        save_npz(target, arrays, {"identity": identity, "bad": [list(one) for one in found.bad]})
    return found


def _read(target: Path, identity: Mapping[str, Any], n_columns: int) -> PairIndex | None:
    if not target.is_file():
        return None
    try:
        arrays, meta = load_npz(target)
        table, keys = arrays["table"], arrays["keys"]
        bad = tuple((str(name), str(reason)) for name, reason in meta["bad"])
        same = meta["identity"] == identity
    except (ValueError, KeyError, TypeError):
        return None
    numbers = table.dtype in (np.uint32, np.int64) and keys.dtype == np.uint8
    fits = table.ndim == 2 and table.shape[1] == n_columns and keys.ndim == 1
    return PairIndex(table, keys, bad) if same and numbers and fits else None
