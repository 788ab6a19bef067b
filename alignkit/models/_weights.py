"""Weight files: read without pickle, with one clear sentence when they are damaged or do not fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._check import join_names
from alignkit._io import check_file
from alignkit._typing import PathLike

if TYPE_CHECKING:
    import torch


def read_weights(path: PathLike) -> dict[str, torch.Tensor]:
    """Return the tensors of a ``.safetensors`` file or of a torch checkpoint without pickled objects.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A truncated or damaged file, pickled objects, or no tensors.
    """
    path = check_file(path)
    content = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_torch(path)
    state = {name.removeprefix("module."): value for name, value in content.items() if hasattr(value, "dtype")}
    if not state:
        msg = f"{path} holds no tensors by name; a state dict is expected."
        raise ValueError(msg)
    return state


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata in a safetensors file's header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(check_file(path), framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise _damaged(path, error) from error


def misfit(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> str:
    """Return, in words, how weights differ from those that a network has."""
    missing = [name for name in expected if name not in state]
    unexpected = [name for name in state if name not in expected]
    shapes = [
        f"{name} is {tuple(state[name].shape)} instead of {tuple(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    parts = [f"{len(missing)} missing: {join_names(missing)}"] if missing else []
    parts += [f"{len(unexpected)} unexpected: {join_names(unexpected)}"] if unexpected else []
    parts += [f"{len(shapes)} of another shape: {'; '.join(shapes[:3])}"] if shapes else []
    return "; ".join(parts)


def check_fit(problem: str, state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Raise where weights differ from those that a network has.

    Raises
    ------
    ValueError
        Other names or shapes: ``problem``, followed by which.
    """
    wrong = misfit(state, expected)
    if wrong:
        msg = f"{problem}: {wrong}."
        raise ValueError(msg)


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from error


def load_torch(path: Path) -> Any:
    """Return what a torch file holds, without pickled objects: tensors, and lists and dictionaries of them.

    Raises
    ------
    ValueError
        A truncated or damaged file, or one that holds more than that.
    """
    import pickle

    import torch

    try:
        with warnings.catch_warnings():
            # torch asks for a report when a pickle is not one of its own, and tells how it checks sparse tensors
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        msg = f"{path} holds more than plain tensors, which alignkit never loads; export it as safetensors."
        raise ValueError(msg) from error
    except Exception as error:  # what torch raises on damaged files has no end
        # of a text, torch tells no more than the number of a letter
        why = "" if isinstance(error, LookupError) else f" ({error})"
        msg = f"{path} is not a readable torch file{why}; it is truncated or damaged, or no weights."
        raise ValueError(msg) from error


def _read_torch(path: Path) -> Mapping[str, Any]:
    content = load_torch(path)
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        msg = f"{path} holds a {type(content).__name__}; a state dict (tensors by name) is expected."
        raise ValueError(msg)
    return content


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} is not a readable weights file ({error}); it is truncated or damaged.")
