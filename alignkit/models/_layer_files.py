"""Folders of feature files from elsewhere: one file or subfolder per layer, in parts or whole, beside names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from alignkit._check import as_labels, join_names
from alignkit._io import check_file
from alignkit._natural import natural
from alignkit._typing import AnyArray
from alignkit.models._content import Content, in_order, without_suffix
from alignkit.models._features import Features, as_rows
from alignkit.models._read_file import SUFFIXES, read_file

#: Where a folder lists its items, one per line; the first is thingsvision's.
NAME_FILES = ("file_names.txt", "names.txt", "labels.txt")
#: ``features_0-128.npy``: the rows from 0 to 128.
_CHUNK = re.compile(r"(?P<base>.+?)_(?P<start>\d+)-(?P<stop>\d+)")
_SPLIT = re.compile(r"(?P<base>features)_(?P<number>\d{2,})")
#: Gives a layer's file, rows and the names of its rows.
_Reader = Callable[[str], tuple[Path, AnyArray, Sequence[str] | None]]


def find_layers(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each layer, its parts in order; none where the folder holds no arrays.

    Raises
    ------
    ValueError
        A layer in several formats.
    """
    layers = _group(folder)
    for inner in sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: natural(path.name)):
        if inner.name.startswith(".") or inner.suffix == ".zarr":
            continue
        found = _group(inner)
        layers |= {inner.name if len(found) == 1 else f"{inner.name}/{base}": parts for base, parts in found.items()}
    return layers


def open_layer_files(folder: Path, layers: dict[str, list[Path]], labels: Sequence[str] | None) -> Features:
    """Return the features of a folder, each layer read when asked for.

    Raises
    ------
    ValueError
        A damaged file, missing parts, or layers and names of different lengths.
    """
    beside = _names_beside(folder) if labels is None else None
    names = labels if beside is None else read_names(beside)
    shown, read_layer = _reading(layers, names)
    path, rows, own = read_layer(shown[0])
    given = own if names is None else names
    checked = None if given is None else as_labels(f"the names in {folder}", given, len(rows))
    _order(path, own, checked)  # what does not fit is said when the folder is opened
    first, n_items = path.name, len(rows)

    def read(layer: str) -> AnyArray:
        path, rows, own = read_layer(layer)
        if len(rows) != n_items:
            msg = f"{path} holds {len(rows)} rows where {first} holds {n_items}."
            raise ValueError(msg)
        order = _order(path, own, checked)
        return rows if order is None else rows[order]

    manifest = {"source": {"folder": folder.name, "names": None if beside is None else beside.name}}
    return Features(folder.name or folder.resolve().name, checked, shown, manifest, n_items, read)


def _reading(layers: dict[str, list[Path]], names: Sequence[str] | None) -> tuple[tuple[str, ...], _Reader]:
    """Return the names of the layers and what reads one: from the arrays of one file, or from the files of each."""
    files = [path for parts in layers.values() for path in parts]
    content = read_file(files[0], known=names or ()) if len(files) == 1 else None
    if content is None or len(content.layers) == 1:
        return tuple(layers), lambda layer: (layers[layer][0], *_read_parts(layers[layer], names))
    several = content
    return tuple(several.layers), lambda layer: (files[0], _rows(files[0], several, layer), several.names)


def _names_beside(folder: Path) -> Path | None:
    """Return the list of names that lies in a folder, or above it where thingsvision keeps it for all layers."""
    files = (*(folder / name for name in NAME_FILES), folder.resolve().parent / NAME_FILES[0])
    return next((path for path in files if path.is_file()), None)


def read_names(path: Path) -> list[str]:
    """Return the names in a text file, one per line; Windows' separators become the usual ones.

    Raises
    ------
    ValueError
        A file that is not UTF-8 text.
    """
    try:
        lines = check_file(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        msg = f"{path} must be UTF-8 text with one label per line ({error})."
        raise ValueError(msg) from error
    return [line.replace("\\", "/") for line in lines]


def _group(folder: Path) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir(), key=lambda path: natural(path.name)):
        known = path.suffix.lower() in SUFFIXES and path.name not in NAME_FILES and not path.name.startswith(".")
        if known and path.is_file():
            groups.setdefault(_base(path), []).append(path)
    for base, paths in groups.items():
        if len({path.suffix for path in paths}) > 1 or (len(paths) > 1 and any(path.stem == base for path in paths)):
            msg = f"{folder} holds {base!r} more than once ({join_names(path.name for path in paths)}); keep one."
            raise ValueError(msg)
    return groups


def _base(path: Path) -> str:
    found = _CHUNK.fullmatch(path.stem) or _SPLIT.fullmatch(path.stem)
    return found["base"] if found else path.stem


def _read_parts(paths: Sequence[Path], names: Sequence[str] | None) -> tuple[AnyArray, Sequence[str] | None]:
    """Return the rows of one layer, its parts joined, and the names that the files give them."""
    if len(paths) == 1 and not _CHUNK.fullmatch(paths[0].stem):
        content = _only(paths[0], names)
        return _rows(paths[0], content), content.names
    contents = [(path, _only(path, names)) for path in _ordered(paths)]
    parts = [_rows(path, content) for path, content in contents]
    stop = 0
    for (path, _), part in zip(contents, parts, strict=True):
        found = _CHUNK.fullmatch(path.stem)
        # thingsvision counts the start wrongly when it writes several layers at once; the stop is right
        if found and len(part) != int(found["stop"]) - stop:
            msg = (
                f"{path} holds {len(part)} rows where its name and the file before it leave "
                f"{int(found['stop']) - stop}; a part is missing or cut off."
            )
            raise ValueError(msg)
        stop += len(part)
    if len({part.shape[1] for part in parts}) > 1:
        msg = f"{join_names(path.name for path in paths)} in {paths[0].parent} have different numbers of channels."
        raise ValueError(msg)
    texts = [content.names for _, content in contents]
    return np.concatenate(parts), None if None in texts else [name for text in texts for name in text or ()]


def _ordered(paths: Sequence[Path]) -> list[Path]:
    chunks = {int(found["stop"]): path for path in paths if (found := _CHUNK.fullmatch(path.stem))}
    if chunks:
        return [chunks[stop] for stop in sorted(chunks)]
    by_stem = {path.stem: path for path in paths}
    return [by_stem[stem] for stem in in_order(paths[0].parent, by_stem)]


def _only(path: Path, names: Sequence[str] | None) -> Content:
    content = read_file(path, known=names or ())
    if len(content.layers) > 1:
        msg = f"{path} holds the arrays {join_names(content.layers)}; beside other files it must hold one."
        raise ValueError(msg)
    return content


def _rows(path: Path, content: Content, layer: str | None = None) -> AnyArray:
    try:
        return as_rows("the array", content.read(layer or next(iter(content.layers))))
    except (TypeError, ValueError) as error:
        msg = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise type(error)(msg) from error


def _order(path: Path, own: Sequence[str] | None, labels: Sequence[str] | None) -> list[int] | None:
    """Return which rows the labels name, by the names that a file gives its rows; None for all as they are."""
    if own is None or labels is None:
        return None
    given = as_labels(f"the names in {path}", own)
    if given == tuple(labels):
        return None
    position = {name: i for i, name in enumerate(given)}
    bare = [without_suffix(label) for label in labels]
    wanted = bare if set(bare) == set(position) else labels
    if set(wanted) != set(position) or len(wanted) != len(position):
        lone = [name for name in (*position, *wanted) if (name in position) != (name in set(wanted))]
        msg = f"{path} does not name the items that the folder lists ({join_names(lone)} stand in one of them only)."
        raise ValueError(msg)
    return [position[name] for name in wanted]
