"""MATLAB structures of any version as dictionaries, by pymatreader, checked before it sets memory aside."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from alignkit._check import require
from alignkit._hdf5 import check_inside, is_hdf5, open_hdf5
from alignkit._io import MAX_BYTES, check_file, check_mat_size

#: Bytes that an entry of a cell array or a structure takes at least, once it is Python's.
_PER_ENTRY = 100
#: What FieldTrip keeps of earlier steps, which can be larger than the data.
_LEFT_OUT = ["previous"]


def read_matlab(path: Path) -> dict[str, Any]:
    """Return the variables of a ``.mat`` or ``.set`` file, v5 to v7.3; nothing in it is run or lies elsewhere.

    Structures are dictionaries (of lists, where there are several in a row), cell arrays are lists, and axes of
    length one are gone.

    Raises
    ------
    ValueError
        A damaged file, one that unpacks to more than 8 GiB or refers to other files.
    """
    check_matlab(path)
    pymatreader = require("pymatreader", "meg")
    try:
        with warnings.catch_warnings():  # about objects of classes, which nobody asks for here
            warnings.simplefilter("ignore")
            content: dict[str, Any] = pymatreader.read_mat(path, ignore_fields=_LEFT_OUT)
    except Exception as error:  # scipy and h5py raise a dozen kinds on damaged files
        raise ValueError(damaged(path, "a MATLAB file", error)) from error
    return {name: value for name, value in content.items() if not name.startswith("__")}


def damaged(path: Path, what: str, error: BaseException) -> str:
    """Return the sentence for what another library raises on a file."""
    reason = " ".join(str(error).split()).rstrip(".")[:200]
    return f"{path} cannot be read as {what} ({reason or type(error).__name__}); it is damaged, or of another kind."


def check_matlab(path: Path) -> None:
    """Raise unless a file can be handed to readers that trust the sizes and the links in it."""
    check_file(path)
    if not is_hdf5(path):
        check_mat_size(path)
        return
    with open_hdf5(path) as file:
        try:
            size = sum(_unfolded(path, file, file[name], {}) for name in file if _is_inside(path, file, name))
        except RecursionError:
            size = MAX_BYTES + 1
    if size > MAX_BYTES:
        msg = f"{path} expands to more than the {MAX_BYTES / 2**30:g} GiB allowed, or its parts hold each other."
        raise ValueError(msg)


def _is_inside(path: Path, group: Any, name: str) -> bool:
    """Return whether a part of a group is read at all; raise where it points elsewhere."""
    if type(group.get(name, getlink=True)).__name__ != "HardLink":
        msg = f"{path}: {name!r} only points elsewhere, which alignkit does not follow; save the numbers themselves."
        raise ValueError(msg)
    return name not in ("#refs#", "#subsystem#", *_LEFT_OUT)


def _unfolded(path: Path, file: Any, item: Any, known: dict[int, int]) -> int:
    """Return the bytes that an item takes with all that it holds and refers to, each as often as it is reached."""
    import h5py

    address = h5py.h5o.get_info(item.id).addr
    if address in known:
        return known[address]
    known[address] = MAX_BYTES + 1  # whoever comes back here before it is known goes in a circle
    if isinstance(item, h5py.Group):
        parts = [item[name] for name in item if _is_inside(path, item, name)]
        size = 0
    else:
        check_inside(path, item.name, item)
        size = item.size * item.dtype.itemsize if item.shape is not None else 0
        refers = h5py.check_ref_dtype(item.dtype) is not None and size <= MAX_BYTES
        parts = [file[reference] for reference in item[()].ravel() if reference] if refers else []
    size += sum(_PER_ENTRY + _unfolded(path, file, part, known) for part in parts)
    known[address] = size
    return size
