"""Stored features, wherever they come from: a folder of ours, thingsvision's, or files of arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alignkit._check import as_labels
from alignkit._io import check_file
from alignkit._typing import AnyArray, PathLike
from alignkit.models._content import Content
from alignkit.models._features import Features, as_rows
from alignkit.models._layer_files import NAME_FILES, find_layers, open_layer_files, read_names
from alignkit.models._manifest import NAME, read_manifest
from alignkit.models._read import read_layer
from alignkit.models._read_file import SUFFIXES, read_file


def open_features(
    path: PathLike, /, *, labels: PathLike | Sequence[str] | None = None, dataset: str | None = None
) -> Features:
    r"""Open stored features: what :func:`alignkit.models.extract` wrote, or arrays from elsewhere.

    Parameters
    ----------
    path : path-like
        - A folder with a manifest, as ``extract`` writes it.
        - A folder of array files, as thingsvision writes it or a script of yours: each file or subfolder is a layer.
          Parts such as ``features_0-128.npy`` or ``features_01.npy`` are joined. ``file_names.txt`` (also in the
          folder above), ``names.txt`` or ``labels.txt`` in it names the items, one per line.
        - A ``.npy`` array, items first; ``file_names.txt`` or ``STEM_names.txt`` beside it names the items.
        - A ``.csv``, ``.tsv`` or ``.txt`` table of numbers, with or without a header; one column of text, or one
          called ``name``, ``id`` or the like, names the items.
        - A ``.npz``, ``.mat`` (any version), ``.h5`` or ``.hdf5`` file: each array with the same number of rows is a
          layer, and a text of that length names the items; arrays of one row each are the items, by name.
        - A torch file (``.pt``, ``.pth``) of one tensor, or of tensors by name, without pickled objects.
    labels : path-like or sequence of str, optional
        For features that name no items: a text file with one label per line, or the labels. A single string is a path.
    dataset : str, optional
        The one array to take of a file with several.

    Returns
    -------
    Features
        Arrays of shape (items, channels); further axes are flattened.

    Raises
    ------
    FileNotFoundError
        No such folder or file, or a folder without a manifest or arrays.
    ValueError
        An unfinished, damaged, truncated or oversized store, pickled objects, arrays of different numbers of rows,
        labels for features that have their own, or labels that do not fit.
    TypeError
        An array that does not hold real numbers.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> np.save(folder / "clip.npy", np.ones((2, 1, 5), dtype="float32"))
    >>> open_features(folder / "clip.npy", labels=["cat", "dog"]).array().shape
    (2, 5)
    >>> _ = (folder / "file_names.txt").write_text("cat.jpg\ndog.jpg\n")
    >>> open_features(folder).labels
    ('cat.jpg', 'dog.jpg')
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path, labels, dataset)
    return _open_file(check_file(path), labels, dataset)


def _open_folder(folder: Path, labels: PathLike | Sequence[str] | None, dataset: str | None) -> Features:
    if dataset is not None:
        msg = f"{folder} is a folder, so it has no use for dataset=; name a file in it."
        raise ValueError(msg)
    ours = (folder / NAME).exists()
    layers = {} if ours else find_layers(folder)
    if labels is not None and (ours or (layers and (folder / NAME_FILES[0]).exists())):
        raise _has_labels(folder)
    if layers:
        return open_layer_files(folder, layers, None if labels is None else _read_labels(labels))
    if not ours:
        msg = (
            f"{folder} is no features folder: it has no {NAME} (alignkit extract makes one) and no arrays "
            f"({', '.join(SUFFIXES)})."
        )
        raise FileNotFoundError(msg)
    return _open_store(folder)


def _open_store(folder: Path) -> Features:
    manifest = read_manifest(folder)
    if manifest["state"] != "complete":
        msg = (
            f"the extraction of {manifest['n_inputs']} inputs into {folder} did not finish; run the same command again "
            "and it continues where it stopped."
        )
        raise ValueError(msg)
    layers = tuple(str(layer) for layer in manifest["layers"])
    labels = as_labels(f"the labels in {folder}", manifest["labels"], manifest["n_items"])
    name = folder.name or folder.resolve().name

    def read(layer: str) -> AnyArray:
        return read_layer(folder, manifest, layer)

    return Features(name, labels, layers, manifest, len(labels), read)


def _open_file(path: Path, labels: PathLike | Sequence[str] | None, dataset: str | None) -> Features:
    beside = names_beside(path) if labels is None else None
    content = read_file(path, dataset=dataset, known=() if beside is None else read_names(beside))
    if content.names is not None and labels is not None:
        raise _has_labels(path)
    names = content.names if labels is None else _read_labels(labels)
    manifest: dict[str, Any] = {**content.manifest}
    if names is None and beside is not None:
        names = read_names(beside)
        manifest["source"] = {"file": path.name, "names": beside.name}
    try:
        return _features(path.stem, content, names, manifest)
    except (TypeError, ValueError) as error:
        msg = f"{path}: {error}"
        raise type(error)(msg) from error


def _features(name: str, content: Content, names: Sequence[str] | None, manifest: dict[str, Any]) -> Features:
    layers = tuple(content.layers)
    if len(layers) == 1:
        return Features.from_array(content.read(layers[0]), names, name=name, layer=layers[0], manifest=manifest)
    labels = None if names is None else as_labels("labels", names, content.n_items)

    def read(layer: str) -> AnyArray:
        return as_rows(f"the features {name!r}", content.read(layer))

    return Features(name, labels, layers, manifest, content.n_items, read)


def names_beside(path: Path) -> Path | None:
    """Return the list of names that lies beside an array: one that bears its name, or thingsvision's."""
    own = [path.with_name(path.stem + end) for end in ("_names.txt", ".names.txt", "_labels.txt", ".labels.txt")]
    return next((file for file in (*own, path.with_name(NAME_FILES[0])) if file.is_file() and file != path), None)


def _read_labels(labels: PathLike | Sequence[str]) -> Sequence[str]:
    if not isinstance(labels, str | os.PathLike):
        return [str(label) for label in labels]
    return read_names(Path(labels))


def _has_labels(path: Path) -> ValueError:
    return ValueError(f"{path} stores its own labels; leave labels out, or select items with Features.select.")
