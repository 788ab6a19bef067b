"""The manifest beside stored features: what is in it, what makes two runs the same, and its checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alignkit._io import read_json

NAME = "manifest.json"
KIND = "alignkit.features"
#: Raised when a reader of the old number would misread the new files.
SCHEMA = 1
#: The entries that decide the features: a run continues another only when all of them are equal.
IDENTITY = ("model", "layers", "pool", "precision", "format", "inputs")
#: Entries of the identity that only some manifests have.
_OPTIONAL = ("dtype",)
#: The type of each entry, from the start on and in a complete store.
_TYPES: dict[str, type] = dict.fromkeys(("model", "pool", "inputs"), dict)
_TYPES |= dict.fromkeys(("precision", "format", "state"), str)
_TYPES |= {"layers": list, "n_inputs": int, "shard_size": int, "chunk": int}
_COMPLETE: dict[str, type] = dict.fromkeys(("labels", "item_sha256", "skipped"), list)
_COMPLETE |= {"n_items": int, "n_shards": int}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a features folder, complete or not.

    Raises
    ------
    FileNotFoundError
        No manifest.
    ValueError
        A damaged manifest, one of something else, or one of a newer schema.
    """
    path = folder / NAME
    if not path.is_file():
        msg = f"{folder} is no features folder: it has no {NAME} (alignkit extract makes one)."
        raise FileNotFoundError(msg)
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != KIND:
        msg = f"{path} is not a features manifest (its kind is not {KIND!r})."
        raise ValueError(msg)
    if content.get("schema") != SCHEMA:
        schema = content.get("schema")
        msg = f"{path} has schema {schema!r} and this alignkit reads {SCHEMA}; update alignkit or extract anew."
        raise ValueError(msg)
    _check_fields(path, content)
    return content


def _check_fields(path: Path, content: dict[str, Any]) -> None:
    types = {**_TYPES, **(_COMPLETE if content.get("state") == "complete" else {})}
    missing = [name for name in types if name not in content]
    if missing:
        msg = f"{path} lacks {', '.join(missing)}; it is damaged, so extract anew into another folder."
        raise ValueError(msg)
    wrong = [name for name, kind in types.items() if type(content[name]) is not kind]
    if not wrong and content["format"] not in ("safetensors", "zarr"):
        wrong = ["format"]
    if not wrong and content.get("dtype", "float32") not in ("float32", "float16"):
        wrong = ["dtype"]
    if not wrong and not (content["layers"] and all(isinstance(name, str) for name in content["layers"])):
        wrong = ["layers"]
    if wrong:
        msg = f"{path} is damaged: it holds no usable {', '.join(wrong)}; extract anew into another folder."
        raise ValueError(msg)


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return, for each entry of the identity that differs, its name and both values."""
    old, new = (
        _flatten({"dtype": "float32", **{n: run[n] for n in (*IDENTITY, *_OPTIONAL) if n in run}})
        for run in (there, here)
    )
    return [
        f"{name} is {old.get(name)!r} there and {new.get(name)!r} here"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            flat |= _flatten(item, f"{prefix}{name}.")
        else:
            flat[prefix + name] = item
    return flat
