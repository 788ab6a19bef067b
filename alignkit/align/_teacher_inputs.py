"""Features and triplets of a teacher, brought together by the names of their items."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from alignkit._check import as_float_array, as_floats, as_labels, check_finite, is_tensor
from alignkit._typing import FloatArray, IntArray
from alignkit.models import Features
from alignkit.rsa import Triplets
from alignkit.rsa._similarity_matrix import _as_row_numbers

#: Share of the standard deviation of all values that is rounding.
_SMALLEST_SPREAD = 1e-12


@dataclasses.dataclass(frozen=True, slots=True)
class TeacherInputs:
    """The rows that triplets speak of, standardised, and the triplets in their numbers."""

    x: Any
    mean: float
    std: float
    center: FloatArray | None
    """Mean of each standardised channel, which ``x`` is without; None: it was left in."""
    items: IntArray
    soft: FloatArray | None
    labels: tuple[str, ...] | None
    rows: IntArray
    """Row of each item among all features."""
    all_labels: tuple[str, ...] | None
    n_rows: int
    source: Mapping[str, Any]


def teacher_inputs(
    features: object, triplets: object, labels: Iterable[Any] | None, layer: str | None, *, center: bool = False
) -> TeacherInputs:
    """Check features and triplets, find each item's row by name, and standardise the rows that are used.

    Parameters
    ----------
    features, triplets, labels, layer
        As :func:`alignkit.align.fit_transform` takes them.
    center : bool
        Whether each channel's mean is taken from it, so that the standard deviation is that around these means.

    Raises
    ------
    TypeError
        Values that are not real numbers.
    ValueError
        Items without features, NaN or infinities, constant features, or labels that do not fit.
    """
    array, names, source = _as_rows(features, labels, layer)
    if triplets is None:
        rows: IntArray = np.arange(len(array))
        items: IntArray = np.empty((0, 3), dtype=np.int64)
        soft = None
    else:
        answers = triplets if isinstance(triplets, Triplets) else Triplets(triplets)
        found = _as_row_numbers(answers, len(array), names if answers.labels is not None else None)
        rows, items = np.unique(found, return_inverse=True)
        items, soft = items.reshape(found.shape), answers.soft
    used = array[rows]
    mean, std = _standards(used)
    x, offset = (used - mean) / std, None
    if center:
        spread = float(((x - x.mean(0)) ** 2).mean()) ** 0.5
        if spread <= _SMALLEST_SPREAD:
            msg = "features are constant in every channel: all items used have the same."
            raise ValueError(msg)
        std *= spread
        x = x / spread
        offset = x.mean(0)
        x = x - offset
        offset = offset.cpu().numpy() if is_tensor(offset) else offset
    inner = None if names is None else tuple(names[i] for i in rows)
    return TeacherInputs(x, mean, std, offset, items, soft, inner, rows, names, len(array), source)


def as_targets(targets: object, inputs: TeacherInputs) -> FloatArray:
    """Return the rows of an embedding that belong to the teacher's items, shape (items, dims).

    Raises
    ------
    TypeError
        Values that are not real numbers.
    ValueError
        Another number of rows than the features have, items without a row, or NaN.
    """
    if isinstance(targets, Features):
        if inputs.labels is None:
            msg = "targets have labels and the features have none; label the features, or pass targets as an array."
            raise ValueError(msg)
        embedding = as_float_array("targets", targets.select(inputs.labels).array(), ndim=2)
    else:
        embedding = as_float_array("targets", targets, ndim=2)
        if len(embedding) != inputs.n_rows:
            msg = f"targets must have one row per row of the features: expected {inputs.n_rows}, got {len(embedding)}."
            raise ValueError(msg)
        embedding = embedding[inputs.rows]
    check_finite("targets", embedding)
    return embedding


def _as_rows(
    features: object, labels: Iterable[Any] | None, layer: str | None
) -> tuple[Any, tuple[str, ...] | None, dict[str, Any]]:
    """Return an array or tensor of shape (items, channels), the labels, and where it comes from."""
    if isinstance(features, Features):
        if labels is not None:
            msg = "labels belong to bare arrays; Features have their own."
            raise ValueError(msg)
        array = as_float_array("features", features.array(layer))
        chosen = layer or features.layers[0]
        # lists of every item's name and hash do not identify a model
        manifest = {key: value for key, value in features.manifest.items() if not isinstance(value, list | tuple)}
        return array, features.labels, {"name": features.name, "layer": chosen, "manifest": manifest}
    if layer is not None:
        msg = "layer belongs to Features with several layers; leave it out with an array."
        raise ValueError(msg)
    array = as_floats("features", features)
    if array.ndim != 2 or 0 in tuple(array.shape):
        msg = f"features must have shape (items, channels) with at least one of each; got {tuple(array.shape)}."
        raise ValueError(msg)
    names = None if labels is None else as_labels("labels", labels, len(array))
    if is_tensor(array):
        array = array.detach()
        if array.device.type == "cuda":
            array = array.double()
        elif array.device.type == "cpu":
            array = array.numpy()
    return (
        array if is_tensor(array) else array.astype(np.float64, copy=False),
        names,
        {"name": "features", "layer": None, "manifest": {}},
    )


def _standards(used: Any) -> tuple[float, float]:
    """Return one mean and one standard deviation of all values."""
    mean = float(used.mean())
    std = float(((used - mean) ** 2).mean()) ** 0.5
    if not np.isfinite(std):
        if not is_tensor(used):
            check_finite("features", used)
        msg = "features hold NaN, infinities, or values whose squares overflow."
        raise ValueError(msg)
    if std == 0.0:
        msg = "features are constant: every value of the items used is the same."
        raise ValueError(msg)
    return mean, std
