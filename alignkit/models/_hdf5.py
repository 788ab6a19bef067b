"""Arrays and names in HDF5 files, MATLAB's v7.3 among them: nothing outside the file is followed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._hdf5 import as_text, check_inside, matlab_class, open_hdf5
from alignkit._natural import natural
from alignkit._typing import AnyArray
from alignkit.models._content import Entry, check_size

#: Names that are read at most: a text of more items is no list of names.
_MOST_NAMES = 10_000_000


def read_hdf5(path: Path) -> tuple[dict[str, Entry], dict[str, Sequence[str]]]:
    """Return the arrays of numbers of a file, not read yet, and its texts, both by their full names.

    Arrays in files of MATLAB are turned round to the shape they have there.

    Raises
    ------
    ValueError
        A damaged or truncated file, or data that lie in other files.
    """
    arrays: dict[str, Entry] = {}
    texts: dict[str, Sequence[str]] = {}
    with open_hdf5(path) as file:
        found: dict[str, Any] = {}
        # visits what lies in the file, once each: no links to other files, no circles
        file.visititems(lambda name, item: found.update({name: item}) if hasattr(item, "shape") else None)
        for name in sorted(found, key=natural):
            if not name.startswith("#"):  # where MATLAB keeps the cells of its cell arrays
                _sort_out(path, file, name, found[name], arrays, texts)
    return arrays, texts


def _sort_out(
    path: Path, file: Any, name: str, data: Any, arrays: dict[str, Entry], texts: dict[str, Sequence[str]]
) -> None:
    kind = matlab_class(data)
    shape = data.shape
    if shape is None or not data.size:
        return
    check_inside(path, name, data)
    if kind in ("char", "cell"):
        names = _matlab_names(file, data, kind)
        if names is not None:
            texts[name] = names
    elif data.dtype.kind in "fiub":
        shape = shape[::-1] if kind else shape
        arrays[name] = Entry(shape, data.size * data.dtype.itemsize, lambda: _read_array(path, name))
    elif (names := _names(path, name, data)) is not None:
        texts[name] = names


def _read_array(path: Path, name: str) -> AnyArray:
    with open_hdf5(path) as file:
        data = file[name]
        check_size(path, name, data.size * data.dtype.itemsize)
        array: AnyArray = data[()]
        return array.T if matlab_class(data) else array


def _names(path: Path, name: str, data: Any) -> Sequence[str] | None:
    import h5py

    text = data.dtype.kind == "S" or h5py.check_string_dtype(data.dtype) is not None
    if not text or max(data.shape, default=1) != data.size or data.size > _MOST_NAMES:
        return None
    check_size(path, name, data.size * data.dtype.itemsize)
    return [as_text(value) for value in np.asarray(data[()]).ravel()]


def _matlab_names(file: Any, data: Any, kind: str) -> Sequence[str] | None:
    import h5py

    if data.size > _MOST_NAMES:
        return None
    if kind == "char":  # a row per name, turned round
        return [_letters(row) for row in np.atleast_2d(data[()].T)] if data.dtype.kind in "iu" else None
    if h5py.check_ref_dtype(data.dtype) is None or max(data.shape) != data.size:
        return None
    cells = [file[reference] for reference in data[()].ravel() if reference]
    if len(cells) != data.size or not all(matlab_class(cell) == "char" and cell.size < 2**16 for cell in cells):
        return None
    return [_letters(cell[()].ravel()) for cell in cells]


def _letters(codes: AnyArray) -> str:
    return codes.astype("<u2").tobytes().decode("utf-16-le", "replace").rstrip()
