"""Features after a teacher's transform, in memory or streamed to a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import as_flag, as_labels, shown
from alignkit._typing import PathLike
from alignkit._versions import versions
from alignkit.align._feature_rows import FeatureRows, as_feature_rows
from alignkit.align._teacher_transform import TeacherTransform
from alignkit.models import Features, Transform, load_transform, open_features
from alignkit.models._manifest import KIND, SCHEMA
from alignkit.models._store import FolderStore, Record
from alignkit.models._transform import seen_by
from alignkit.models._transform_folder import NAME

#: Rows that are transformed at once, and that one shard holds.
_ROWS = 4096


def apply_teacher(
    features: object,
    teacher: TeacherTransform | Transform | PathLike,
    /,
    *,
    out: PathLike | None = None,
    labels: PathLike | Iterable[Any] | None = None,
    layer: str | None = None,
    progress: bool = False,
) -> Features:
    """Transform features of any size by a teacher: dot products of the result are calibrated similarities.

    Parameters
    ----------
    features : Features, path-like or array_like, shape (items, channels)
        Of the model and the layer that the teacher was fitted on. A folder of :func:`alignkit.models.extract` may be
        larger than memory.
    teacher : TeacherTransform, Transform or path-like
        As fitted, its folder, or a published gLocal ``.npz`` (see :func:`alignkit.models.load_transform`).
    out : path-like, optional
        Folder to stream to, which a killed call goes on with when it is repeated, or an ``.npz``; by default the
        result is kept in memory.
    labels : path-like or sequence of str, optional
        Names of the rows of features without any. A single string is a path.
    layer : str, optional
        Which layer, of features with several.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Features

    Raises
    ------
    FileNotFoundError
        No such features or teacher.
    FileExistsError
        A folder with something else in it.
    ValueError
        Features of another model or of another number of channels, damaged files, or a folder asked for where items
        have no names.
    TypeError
        Values that are not real numbers, or no teacher.

    Examples
    --------
    >>> from alignkit.align import fit_transform
    >>> x = np.random.default_rng(0).normal(size=(6, 2))
    >>> teacher = fit_transform(x, [[0, 1, 2], [3, 4, 5], [0, 2, 4]], penalty=1.0, calibrate=False)
    >>> aligned = apply_teacher(x, teacher, labels=list("abcdef"))
    >>> aligned.labels, bool(np.allclose(aligned.array(), teacher.apply(x)))
    (('a', 'b', 'c', 'd', 'e', 'f'), True)
    """
    show = as_flag("progress", progress)
    rows = _opened(features, labels, layer)
    layer = _layer_of(rows, layer)
    transform = _as_transform(teacher, rows, layer)
    if rows.n_channels != len(transform.weights):
        transform.apply(np.zeros((1, rows.n_channels)))  # says what does not fit before anything is written
    if out is not None and Path(out).suffix.lower() != ".npz":
        return _to_folder(rows, transform, Path(out), layer, show)
    parts = [transform.apply(rows.read(start, stop)) for start, stop in _shown(rows, 0, show)]
    array = np.concatenate(parts).astype(np.float32 if rows.dtype.itemsize <= 4 else np.float64, copy=False)
    entries = {**rows.manifest, "transform": _noted(rows, transform)}
    name = f"{rows.name} + {transform.name}"
    result = Features.from_array(array, rows.labels, name=name, layer=layer, manifest=entries)
    if out is not None:
        result.save(out)
    return result


def _opened(features: object, labels: PathLike | Iterable[Any] | None, layer: str | None) -> FeatureRows:
    if labels is None:
        return as_feature_rows(features, layer=layer)
    if isinstance(features, str | os.PathLike):
        named: Any = labels if isinstance(labels, str | os.PathLike) else as_labels("labels", labels)
        return as_feature_rows(open_features(features, labels=named), layer=layer)
    if isinstance(features, Features) or isinstance(labels, str | os.PathLike):
        msg = "labels are for a file or an array without names: a sequence, or a path beside a path of features."
        raise ValueError(msg)
    rows = as_feature_rows(features, layer=layer)
    return as_feature_rows(Features.from_array(rows.read(0, rows.n_items), as_labels("labels", labels, rows.n_items)))


def _layer_of(rows: FeatureRows, layer: str | None) -> str:
    """Return the layer's name; that of a store of one layer need not be given."""
    held = rows.manifest.get("layers")
    only = held[0] if isinstance(held, list) and len(held) == 1 else "features"
    return layer or str(only)


def _as_transform(teacher: object, rows: FeatureRows, layer: str) -> Transform:
    if isinstance(teacher, Transform):
        return teacher
    if isinstance(teacher, str | os.PathLike):
        if not (Path(teacher) / NAME).is_file():
            return load_transform(teacher)
        teacher = TeacherTransform.load(teacher)
    if not isinstance(teacher, TeacherTransform):
        msg = f"teacher must be a TeacherTransform, a Transform or the path of one; got {shown(teacher)}."
        raise TypeError(msg)
    teacher.check_source(rows, layer=layer)
    return teacher.calibrated


def _described(transform: Transform) -> dict[str, Any]:
    digest = hashlib.sha256()
    for part in (transform.weights, transform.bias, transform.mean, transform.std):
        digest.update(np.ascontiguousarray(0.0 if part is None else part, dtype="<f8").data)
    return {"name": transform.name, "sha256": transform.sha256, "values_sha256": digest.hexdigest()}


def _noted(rows: FeatureRows, transform: Transform) -> dict[str, Any]:
    """Return what a manifest says of a transform, and of the items that it and earlier ones were fitted to."""
    return {**_described(transform), **seen_by(rows.manifest.get("transform"), transform.fitted_items)}


def _to_folder(rows: FeatureRows, transform: Transform, out: Path, layer: str, show: bool) -> Features:
    if rows.labels is None:
        msg = "a folder of features names its items, and these have no names; pass labels=, or an .npz as out."
        raise ValueError(msg)
    store = FolderStore(out, _manifest(rows, rows.labels, transform, layer))
    hashes = rows.manifest.get("item_sha256")
    known = hashes if isinstance(hashes, list) and len(hashes) == rows.n_items else [""] * rows.n_items
    try:
        for start, stop in _shown(rows, store.done.stop, show):
            record = Record(list(rows.labels[start:stop]), known[start:stop], [], stop)
            store.append({layer: transform.apply(rows.read(start, stop))}, record)
    except BaseException:
        store.abandon()
        raise
    return store.finish()


def _manifest(rows: FeatureRows, labels: tuple[str, ...], transform: Transform, layer: str) -> dict[str, Any]:
    source = {key: rows.manifest[key] for key in ("model", "layers", "pool") if key in rows.manifest}
    order = hashlib.sha256("\n".join(labels).encode()).hexdigest()
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "state": "incomplete",
        "model": {"name": f"{rows.name} + {transform.name}", "source": source, "transform": _described(transform)},
        "layers": [layer],
        "pool": {},
        "precision": str(rows.manifest.get("precision", "fp32")),
        "format": "safetensors",
        "inputs": {"n": rows.n_items, "labels_sha256": order, "values_sha256": rows.fingerprint()},
        "n_inputs": rows.n_items,
        "shard_size": _ROWS,
        "chunk": _ROWS,
        "transform": _noted(rows, transform),
        "versions": versions(),
    }


def _shown(rows: FeatureRows, start: int, show: bool) -> Any:
    """Yield the bounds of the blocks from ``start`` on, under a bar of rows."""
    from tqdm import tqdm

    with tqdm(total=rows.n_items, initial=start, unit="item", desc=rows.name, disable=not show) as bar:
        for first in range(start, rows.n_items, _ROWS):
            stop = min(first + _ROWS, rows.n_items)
            yield first, stop
            bar.update(stop - first)
