"""Fits of a cross-validation on disk, found again by what they were fitted to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._io import load_npz, save_npz
from alignkit._typing import AnyArray, PathLike
from alignkit._versions import versions
from alignkit.align._answer_splits import AnswerSplit
from alignkit.align._item_rows import as_item_rows
from alignkit.align._judgements import Judgements
from alignkit.align._teacher_methods import Compared, Fitted
from alignkit.rsa import Triplets

#: Settings that are said in full; others are arrays.
_PLAIN = (str, int, float, bool, type(None))


class KeptFits:
    """Fits a method to a division, or reads what it came to before.

    Parameters
    ----------
    folder : path or None
        Where fits are kept; None: nowhere.
    data : Judgements
        What is fitted to.
    """

    def __init__(self, folder: PathLike | None, data: Judgements) -> None:
        self._data = data
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            made = [versions(), data.n_options]
            self._known = _digest([data.items, data.x, data.embedding, data.groups], made)

    def fit(self, row: Compared, split: AnswerSplit, seed: int) -> Fitted:
        """Return what a method makes of all items, having seen the division's first side."""
        if self._folder is None or row.settings is None:
            return row.fit(self._data, split, seed)
        given = {name: value for name, value in row.settings.items() if not isinstance(value, _PLAIN)}
        plain = {name: value for name, value in row.settings.items() if name not in given}
        arrays = [_numbers(name, value) for name, value in sorted(given.items())]
        name = _digest(
            [split.train_items, split.train, *arrays], [self._known, plain, sorted(given), row.shuffled, seed]
        )
        path = self._folder / f"{name}.npz"
        if path.is_file():
            kept, meta = load_npz(path)
            return Fitted(kept["values"], **{key: np.nan if x is None else x for key, x in meta.items()})
        found = row.fit(self._data, split, seed)
        numbers = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
        values = numbers.pop("values")
        save_npz(path, {"values": values}, {key: float(x) if np.isfinite(x) else None for key, x in numbers.items()})
        return found


def _numbers(name: str, value: object) -> AnyArray:
    return value.items if isinstance(value, Triplets) else as_item_rows(name, value)[0]


def _digest(arrays: list[AnyArray | None], plain: Any) -> str:
    """Return a name for arrays and plain values."""
    found = hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode())
    for array in arrays:
        if array is not None:
            found.update(str((array.dtype.str, array.shape)).encode())
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:24]
