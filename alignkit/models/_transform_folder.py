"""Transforms with all that is known of them, in folders: weights as safetensors, the rest as JSON."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import check_positive
from alignkit._io import MAX_BYTES, atomic_write, check_file, read_json, sha256, write_json
from alignkit._typing import AnyArray, FloatArray, PathLike

NAME = "manifest.json"
KIND = "alignkit.teacher"
#: Raised when a reader of the old number would misread the new files.
SCHEMA = 1


def write_transform_folder(folder: PathLike, arrays: Mapping[str, FloatArray], entries: Mapping[str, Any]) -> None:
    """Write arrays and what is to be known of them; the folder is a teacher's once its manifest is there.

    Raises
    ------
    FileExistsError
        A file of that name, or a folder that holds something else.
    FileNotFoundError
        No folder above it.
    """
    path = Path(folder)
    check_transform_folder(path)
    from safetensors.numpy import save

    path.mkdir(exist_ok=True)
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    digest = hashlib.sha256(content).hexdigest()
    manifest = {"kind": KIND, "schema": SCHEMA, "file": f"teacher-{digest[:16]}.safetensors", "sha256": digest}
    with atomic_write(path / str(manifest["file"])) as file:
        file.write(content)
    write_json(path / NAME, {**manifest, **entries})
    for other in path.glob("teacher-*.safetensors"):  # of a teacher that stood here before
        if other.name != manifest["file"]:
            other.unlink(missing_ok=True)


def check_transform_folder(path: Path) -> None:
    """Raise unless a teacher can be written there.

    Raises
    ------
    FileExistsError
        A file of that name, or a folder that holds something else.
    FileNotFoundError
        No folder above it.
    """
    if path.is_file():
        msg = f"{path} is a file; a teacher is saved as a folder."
        raise FileExistsError(msg)
    if path.is_dir() and any(path.iterdir()) and not _is_ours(path):
        msg = f"{path} is not empty and holds no teacher; choose another folder."
        raise FileExistsError(msg)
    if not path.parent.is_dir():
        msg = f"the folder {path.parent} does not exist; create it first."
        raise FileNotFoundError(msg)


def read_transform_folder(folder: PathLike) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    """Return the arrays (weights, mean, std and maybe bias) and the manifest of a teacher's folder.

    Raises
    ------
    FileNotFoundError
        No such folder, or one without a teacher.
    ValueError
        A damaged or changed teacher, or one of a newer schema.
    """
    path = Path(folder)
    if not (path / NAME).is_file():
        what = f"holds no teacher: it has no {NAME} (alignkit align fit makes one)"
        msg = f"{path} {what if path.is_dir() else 'does not exist' if not path.exists() else 'is not a folder'}."
        raise FileNotFoundError(msg)
    manifest = read_json(path / NAME)
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        msg = f"{path / NAME} is not a teacher's manifest (its kind is not {KIND!r})."
        raise ValueError(msg)
    if manifest.get("schema") != SCHEMA:
        schema = manifest.get("schema")
        msg = f"{path} has schema {schema!r} and this alignkit reads {SCHEMA}; update alignkit or fit the teacher anew."
        raise ValueError(msg)
    name = manifest.get("file")
    if not isinstance(name, str) or name != os.path.basename(name) or not name.endswith(".safetensors"):
        msg = f"{path / NAME} is damaged: it names no file of weights; fit the teacher anew."
        raise ValueError(msg)
    return _arrays(check_file(path / name), manifest), manifest


def temperature_of(folder: PathLike, manifest: Mapping[str, Any]) -> float:
    """Return the temperature that a manifest notes.

    Raises
    ------
    ValueError
        None, or one that is no number above 0.
    """
    try:
        return check_positive("temperature", manifest.get("temperature"))  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        msg = f"{Path(folder) / NAME} is damaged: {error}"
        raise ValueError(msg) from error


def _arrays(path: Path, manifest: Mapping[str, Any]) -> dict[str, FloatArray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if path.stat().st_size > MAX_BYTES:
        msg = f"{path} is larger than the {MAX_BYTES / 2**30:g} GiB allowed."
        raise ValueError(msg)
    if sha256(path) != manifest.get("sha256"):
        msg = f"{path} is truncated or damaged: its checksum is not the one noted when it was written."
        raise ValueError(msg)
    try:
        arrays: dict[str, AnyArray] = load(path.read_bytes())
    except SafetensorError as error:
        msg = f"{path} is not a readable safetensors file ({error})."
        raise ValueError(msg) from error
    if not {"weights", "mean", "std"} <= set(arrays) <= {"weights", "mean", "std", "bias"}:
        msg = f"{path} does not hold a teacher: weights, mean, std and maybe bias; got {', '.join(sorted(arrays))}."
        raise ValueError(msg)
    return {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}


def _is_ours(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    known = {name for name in names if name == NAME or (name.startswith("teacher-") and name.endswith(".safetensors"))}
    return names == known  # hidden files are what a stopped write, or the system, left behind
