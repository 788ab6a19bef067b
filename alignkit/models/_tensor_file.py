"""Tensors by name in one safetensors file, streamed to the disk with its checksum and read back only when that fits."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._io import atomic_write, check_file, sha256
from alignkit._typing import PathLike

if TYPE_CHECKING:
    import torch

#: torch's names of dtypes, and those of the format.
_DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], /, *, metadata: Mapping[str, str] | None = None
) -> str:
    """Write tensors, whatever their device, to a safetensors file, atomically; return its SHA-256.

    One tensor at a time is brought to the CPU, and tensors that share their memory may: every name gets its own copy.
    The metadata go into the file's header.

    Raises
    ------
    TypeError
        What is no dense tensor of a dtype that the format knows.
    OSError
        A disk that takes no more.
    """
    digest = hashlib.sha256()
    with atomic_write(path) as file:
        for part in _parts(tensors, metadata or {}):
            digest.update(part)
            file.write(part)
    return digest.hexdigest()


def read_tensors(path: Path, expected: str) -> dict[str, torch.Tensor]:
    """Read what :func:`write_tensors` wrote, onto the CPU, when its checksum is the expected one.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A truncated or changed file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if sha256(check_file(path)) != expected:
        msg = f"{path} is truncated or damaged: its checksum is not the one noted when it was written."
        raise ValueError(msg)
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        msg = f"{path} is not a readable safetensors file ({error})."
        raise ValueError(msg) from error


def file_header(parts: Mapping[str, tuple[str, Sequence[int], int]], metadata: Mapping[str, str]) -> bytes:
    """Return what a safetensors file begins with.

    Parameters
    ----------
    parts : mapping
        For each name, the format's dtype, the shape and the bytes of an item, in the order in which the data follow.
    metadata : mapping of str to str
        What the file says besides.
    """
    entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name, (dtype, shape, itemsize) in parts.items():
        stop = start + math.prod(shape) * itemsize
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)  # the format aligns its data to 8 bytes
    return len(text).to_bytes(8, "little") + text


def as_tensors_path(out: PathLike) -> Path:
    """Return the path of a file to write, which says what it is.

    Raises
    ------
    ValueError
        Another suffix than .safetensors.
    """
    out = Path(out)
    if out.suffix != ".safetensors":
        msg = f"out must be the name of a .safetensors file; got {str(out)!r}."
        raise ValueError(msg)
    return out


def _parts(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    dtypes = {name: _dtype(name, tensor) for name, tensor in tensors.items()}
    # the largest items first, so that every tensor starts at a multiple of its own
    names = sorted(tensors, key=lambda name: -tensors[name].element_size())
    parts = {name: (dtypes[name], tensors[name].shape, tensors[name].element_size()) for name in names}
    yield file_header(parts, {"format": "pt", **metadata})
    yield from (_bytes(tensors[name]) for name in names)


def _dtype(name: str, tensor: torch.Tensor) -> str:
    """Return the format's name of a tensor's dtype."""
    dtype = _DTYPES.get(str(getattr(tensor, "dtype", "")).removeprefix("torch."))
    if dtype is None or str(tensor.layout) != "torch.strided" or tensor.is_meta:
        msg = f"{name} cannot be saved: dense tensors of real numbers are expected; got {_described(tensor)}."
        raise TypeError(msg)
    return dtype


def _bytes(tensor: torch.Tensor) -> memoryview:
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _described(value: Any) -> str:
    if not hasattr(value, "layout"):
        return f"a {type(value).__name__}"
    layout = "" if str(value.layout) == "torch.strided" else f"{value.layout} "
    return f"a {layout}tensor of {value.dtype}" + (" without values" if value.is_meta else "")
