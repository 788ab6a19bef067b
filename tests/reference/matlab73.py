"""What MATLAB's ``save -v7.3`` writes: structures as groups, cells as references, arrays turned round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write_matlab73(path: Path, content: dict[str, Any]) -> None:
    """Write dictionaries, lists (cell arrays), texts and arrays of numbers."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_group("#refs#")
        for name, value in content.items():
            _put(file, name, value)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def _put(group: h5py.Group, name: str, value: Any) -> h5py.Dataset | h5py.Group:
    if isinstance(value, dict):
        item = group.create_group(name)
        kind = "struct"
        for key, part in value.items():
            _put(item, key, part)
    elif isinstance(value, list):
        refs = group.file["#refs#"]
        cells = np.empty((len(value), 1), dtype=h5py.ref_dtype)
        for i, part in enumerate(value):
            cells[i, 0] = _put(refs, f"{group.name}.{name}.{i}".replace("/", "."), part).ref
        item, kind = group.create_dataset(name, data=cells), "cell"
    elif isinstance(value, str):
        codes = np.frombuffer(value.encode("utf-16-le"), dtype="<u2").reshape(-1, 1)
        item, kind = group.create_dataset(name, data=codes), "char"
    else:
        array = np.atleast_2d(np.asarray(value, dtype=np.float64))
        item, kind = group.create_dataset(name, data=array.T), "double"
    item.attrs["MATLAB_class"] = np.bytes_(kind)
    return item
