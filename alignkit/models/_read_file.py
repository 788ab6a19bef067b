"""One file of features from elsewhere, by its suffix."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import require
from alignkit._hdf5 import is_hdf5
from alignkit._io import check_file, load_mat, load_npy, load_npz
from alignkit._typing import AnyArray
from alignkit.models._content import BARE, Content, Entry, check_size, settle
from alignkit.models._hdf5 import read_hdf5
from alignkit.models._text_table import read_text_table

#: What can hold features.
SUFFIXES = (".npy", ".npz", ".csv", ".tsv", ".txt", ".mat", ".h5", ".hdf5", ".pt", ".pth")


def read_file(path: Path, *, dataset: str | None = None, known: Sequence[str] = ()) -> Content:
    """Return what a file of features holds; large arrays are read later.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A suffix that is none of :data:`SUFFIXES`, or a damaged, truncated, oversized or pickled file.
    """
    path = check_file(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"{path}: cannot tell the format from the suffix {suffix!r}; use {', '.join(SUFFIXES)}."
        raise ValueError(msg)
    if suffix in (".npy", ".csv", ".tsv", ".txt") and dataset is not None:
        msg = f"{path} holds one array, so it has no use for dataset=; leave it out."
        raise ValueError(msg)
    if suffix == ".npy":
        array = load_npy(path, mmap=True)
        return Content({BARE: Entry(array.shape, array.nbytes, lambda: load_npy(path))})
    if suffix in (".csv", ".tsv", ".txt"):
        return read_text_table(path)
    if suffix in (".h5", ".hdf5") or (suffix == ".mat" and is_hdf5(path)):
        arrays, texts = read_hdf5(path)
        return settle(path, arrays, texts, dataset=dataset, known=known)
    manifest: Mapping[str, Any] = {}
    if suffix == ".npz":
        found, manifest = load_npz(path)
    else:
        found = load_mat(path) if suffix == ".mat" else _tensors(path)
    arrays, texts = _told_apart(found)
    return settle(path, arrays, texts, dataset=dataset, known=known, manifest=manifest)


def _told_apart(found: Mapping[str, Any]) -> tuple[dict[str, Entry], dict[str, Sequence[str]]]:
    arrays: dict[str, Entry] = {}
    texts: dict[str, Sequence[str]] = {}
    for name, value in found.items():
        if not isinstance(value, np.ndarray) or not value.size:
            continue
        if value.dtype.kind in "fiub":
            arrays[name] = Entry.of(value)
        elif (names := _as_names(value)) is not None:
            texts[name] = names
    return arrays, texts


def _as_names(values: AnyArray) -> Sequence[str] | None:
    """Return text, or the cells of a MATLAB cell array that hold one text each; None for anything else."""
    cells = values.ravel().tolist()
    if values.dtype.kind == "O":
        cells = [cell.item() if isinstance(cell, np.ndarray) and cell.size == 1 else cell for cell in cells]
    texts = [cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell for cell in cells]
    return [text.rstrip() for text in texts] if all(isinstance(text, str) for text in texts) else None


def _tensors(path: Path) -> dict[str, AnyArray]:
    """Return the tensors of a torch file by name; a bare tensor is called features."""
    require("torch", "train")
    import torch

    from alignkit.models._weights import load_torch

    check_size(path, "its content", _unpacked_bytes(path))
    content = load_torch(path)
    named = {BARE: content} if isinstance(content, torch.Tensor) else content
    if not isinstance(named, Mapping):
        msg = f"{path} holds a {type(content).__name__}; a tensor, or tensors by name, are expected."
        raise ValueError(msg)
    tensors = {str(name): value for name, value in named.items() if isinstance(value, torch.Tensor)}
    for name, value in tensors.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            msg = f"{path}: {name!r} is no plain dense tensor; save tensor.to_dense().float()."
            raise ValueError(msg)
        check_size(path, name, value.numel() * max(4, value.element_size()))  # a view can claim any shape
    return {name: _as_array(value) for name, value in tensors.items()}


def _unpacked_bytes(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError):  # torch's older format, or damage that torch will speak of
        return 0


def _as_array(tensor: Any) -> AnyArray:
    import torch

    plain = tensor.detach().cpu()
    # numpy knows no bfloat16; float32 holds each of its numbers
    array: AnyArray = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    return array
