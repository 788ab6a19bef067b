"""What was judged so far, kept in a file, so that a comparison that was killed goes on where it stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any, Self

import numpy as np

from alignkit import __version__
from alignkit._io import load_npz, save_npz
from alignkit._typing import AnyArray, BoolArray, PathLike
from alignkit.meg._inputs import Inputs
from alignkit.meg._judge import Judged
from alignkit.rsa._compare_rows import Options

#: Seconds between two versions of the file.
_EVERY = 2.0


@dataclasses.dataclass(slots=True, eq=False)
class JudgedFile:
    """What was judged, which of it is ``done``, shape (model, time), and the file for it, where there is one.

    ``key`` tells the comparison apart from others.
    """

    judged: Judged
    done: BoolArray
    path: Path | None
    key: str
    written: float = 0.0

    @classmethod
    def of(cls, path: PathLike | None, given: Inputs, options: Options, pooling: str) -> Self:
        """Start, or go on from the file that the same comparison left.

        Raises
        ------
        FileExistsError
            The file is another comparison's.
        ValueError
            A damaged file, or one that is not of this kind.
        """
        n_rows, slices = len(given.rows), given.slices
        judged = _nothing(n_rows, slices.n_subjects, slices.n_times)
        done = np.zeros((n_rows, slices.n_times), dtype=np.bool_)
        if path is None:
            return cls(judged, done, None, "")
        found = cls(judged, done, Path(path), key_of(given, options, pooling))
        if found.path is not None and found.path.exists():
            found._read(found.path)
        return found

    def _read(self, path: Path) -> None:
        read_start(path, "comparison", "time course", self.key, {**_arrays(self.judged), "done": self.done})

    def keep(self, *, now: bool = False) -> None:
        """Write what there is, every few seconds or ``now``."""
        if self.path is None or (not now and time.monotonic() - self.written < _EVERY):
            return
        save_npz(self.path, {**_arrays(self.judged), "done": self.done}, {"comparison": self.key})
        self.written = time.monotonic()


def read_start(path: Path, kind: str, what: str, key: str, into: dict[str, AnyArray]) -> None:
    """Fill arrays with those of a file that was started, if its ``kind`` says ``key``.

    Raises
    ------
    FileExistsError
        The file is another comparison's.
    ValueError
        A damaged file, or one that is not of this kind.
    """
    arrays, meta = load_npz(path)
    if kind not in meta:
        msg = f"{path} does not hold the start of a {what}; choose another name."
        raise ValueError(msg)
    if meta[kind] != key:
        msg = (
            f"{path} holds the start of another {what} (of other models, data or options); remove it, or choose "
            "another name."
        )
        raise FileExistsError(msg)
    for name, array in into.items():
        if name not in arrays or arrays[name].shape != array.shape or arrays[name].dtype != array.dtype:
            msg = f"{path} is damaged: {name} is missing or has another shape; remove it."
            raise ValueError(msg)
        array[...] = arrays[name]


def _nothing(n_rows: int, n_subjects: int, n_times: int) -> Judged:
    shape = (n_subjects, n_times)
    return Judged(
        similarity=np.full((n_rows, *shape), np.nan),
        n_pairs=np.zeros((n_rows, *shape), dtype=np.int64),
        lower=np.full(shape, np.nan),
        upper=np.full(shape, np.nan),
        missing=np.zeros(shape, dtype=np.bool_),
        flat=np.zeros(shape, dtype=np.bool_),
        negative=np.zeros(shape),
        model_negative=np.zeros(n_rows),
    )


def _arrays(judged: Judged) -> dict[str, AnyArray]:
    return {field.name: getattr(judged, field.name) for field in dataclasses.fields(judged)}


def key_of(given: Inputs, options: Options, *others: Any) -> str:
    """Return a code of all that the numbers depend on; of the data, a few of its times stand for all."""
    slices = given.slices
    settings: dict[str, Any] = {
        "version": __version__,
        "options": [options.method, options.nan_policy, options.partial, *others],
        "models": [given.models.names, given.models.n_times],
        "data": [slices.subjects, slices.labels, slices.metric, [source.metric for source in slices.sources]],
    }
    found = hashlib.sha256(json.dumps(settings).encode())
    last = slices.n_times - 1
    probes = [slices.read(at, at + 1) for at in sorted({0, last // 2, last})]
    for array in (slices.times, given.rows, given.controls, options.sigma_k, *probes):
        found.update(b"|" if array is None else repr((array.shape, array.dtype.str)).encode())
        for row in () if array is None else np.atleast_2d(array):
            found.update(np.ascontiguousarray(row).tobytes())
    return found.hexdigest()
