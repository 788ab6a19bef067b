"""Features as people have them, one array or many layers, labelled or not, as rows in one order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from alignkit._check import as_float_array, as_floats, as_labels, check_n_items, check_same_labels, is_tensor, shown
from alignkit._typing import IntArray
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._container import RDM
from alignkit.rsa._feature_rows import rows_per_block
from alignkit.rsa._namespace import like
from alignkit.rsa._repeats import row_names


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """One or more layers of the same items.

    ``names`` is None for a single array. Of every layer the rows ``orders`` are meant, which ``labels`` name.
    """

    name: str
    arrays: tuple[Any, ...]
    names: tuple[Any, ...] | None
    labels: tuple[str, ...] | None
    orders: tuple[IntArray, ...]

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.orders[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """The axis that the layers make in a result."""
        return () if self.names is None else (len(self.names),)

    def title(self, layer: int) -> str:
        """Return what messages call a layer."""
        return self.name if self.names is None else f"{self.name}[{self.names[layer]!r}]"

    def item(self, position: int) -> str:
        """Return what messages call an item."""
        return f"item {position}" if self.labels is None else self.labels[position]

    def select(self, labels: Sequence[str]) -> Layers:
        """Return the named items, in that order."""
        assert self.labels is not None
        if tuple(labels) == self.labels:
            return self
        place = {label: i for i, label in enumerate(self.labels)}
        rows = np.array([place[label] for label in labels], dtype=np.int64)
        return dataclasses.replace(self, labels=tuple(labels), orders=tuple(order[rows] for order in self.orders))


def as_layers(
    name: str, x: Any, labels: Iterable[Any] | None, on_mismatch: OnMismatch, *, labels_name: str = ""
) -> Layers:
    """Return features as layers over the same items in the order of the first.

    ``labels_name`` is what the caller calls ``labels``, by default ``labels_`` and ``name``.

    Raises
    ------
    ValueError
        No layers, layers of different items, or labels that do not fit.
    TypeError
        Something else than numbers.
    """
    named = _named(name, x)
    layers = [_as_layer(f"{name}[{key!r}]" if named else name, one) for key, one in (named or {None: x}).items()]
    arrays = tuple(array for array, _ in layers)
    names = None if named is None else tuple(named)
    own = [found for _, found in layers]
    if labels is not None:
        own = [as_labels(labels_name or f"labels_{name}", labels, len(arrays[0]))] * len(arrays)
    _check_together(name, names, arrays, own)
    first = _single(name, arrays[0], names, 0, own[0])
    parts = [first, *(_single(name, array, names, i, own[i]) for i, array in enumerate(arrays[1:], start=1))]
    for part in parts[1:]:
        first, _ = align_layers(first, part, on_mismatch)
    orders = tuple(align_layers(first, part, on_mismatch)[1].orders[0] for part in parts)
    return Layers(name, arrays, names, first.labels, orders)


def _named(name: str, x: Any) -> dict[Any, Any] | None:
    """Return layers by name, or None for a single array."""
    if isinstance(x, Mapping):
        named = {key if isinstance(key, int) else str(key): one for key, one in x.items()}
    elif isinstance(x, list | tuple) and x and (_is_table(x[0]) or isinstance(x[0], RDM)):
        named = dict(enumerate(x))
    else:
        return None
    if not named:
        msg = f"{name} holds no layer; give at least one array of shape (items, channels)."
        raise ValueError(msg)
    return named


def _is_table(x: Any) -> bool:
    nested = isinstance(x, list | tuple) and bool(x) and isinstance(x[0], list | tuple)
    return nested or getattr(x, "ndim", 0) >= 2


def _as_layer(title: str, x: Any) -> tuple[Any, tuple[str, ...] | None]:
    if isinstance(x, RDM):
        msg = f"{title} is an RDM, and features (items by channels) are compared here; compare() takes RDMs."
        raise TypeError(msg)
    labels = row_names(x)
    array = _as_stored(title, x)
    if array.ndim != 2 or 0 in array.shape:
        msg = (
            f"{title} must have shape (items, channels); got {tuple(array.shape)}. Flatten further axes with "
            "reshape(len(x), -1); give several layers as a list or a mapping of arrays."
        )
        raise ValueError(msg)
    check_n_items(title, len(array))
    return array, None if labels is None else as_labels(f"the row labels of {title}", labels)


def _as_stored(title: str, x: Any) -> Any:
    """Return float16 as it is, like float32: layers stored to save memory are widened block by block."""
    if not isinstance(x, np.ndarray) or x.dtype != np.float16 or isinstance(x, np.ma.MaskedArray) or x.ndim != 2:
        return as_floats(title, x)
    n_rows = rows_per_block(max(1, x.shape[1]))
    for start in range(0, len(x), n_rows):
        as_float_array(title, x[start : start + n_rows])  # which says when values overflowed
    return x


def _check_together(
    name: str, names: tuple[Any, ...] | None, arrays: Sequence[Any], labels: Sequence[tuple[str, ...] | None]
) -> None:
    if len({found is None for found in labels}) > 1:
        which = next(key for key, found in zip(names or (), labels, strict=True) if found is None)
        msg = f"some layers of {name} have row labels and {shown(which)} has none; label all of them or none."
        raise ValueError(msg)
    counts = {len(array) for array in arrays}
    if labels[0] is None and len(counts) > 1:
        msg = f"the layers of {name} must hold the same items; got {sorted(counts)} of them. Label them to align them."
        raise ValueError(msg)
    if len({str(array.device) for array in arrays if is_tensor(array)}) > 1:
        msg = f"the layers of {name} lie on different devices; move them to one with .to(device)."
        raise ValueError(msg)


def _single(name: str, array: Any, names: tuple[Any, ...] | None, i: int, labels: tuple[str, ...] | None) -> Layers:
    if names is not None:
        name = f"{name}[{names[i]!r}]"
    return Layers(name, (array,), None, labels, (np.arange(len(array)),))


def align_layers(a: Layers, b: Layers, on_mismatch: OnMismatch) -> tuple[Layers, Layers]:
    """Return both over the same items in the same order, that of ``a``: matched by label, or else by position.

    Raises
    ------
    ValueError
        Different labels under ``"raise"``, no three in common, or unlabelled features of different numbers of items.
    """
    if a.labels is None or b.labels is None:
        if a.n_items != b.n_items:
            msg = (
                f"{a.name} and {b.name} have {a.n_items} and {b.n_items} items; give both of them labels to compare "
                "the items they share."
            )
            raise ValueError(msg)
        return a, b
    if on_mismatch == "raise":
        check_same_labels(a.name, a.labels, b.name, b.labels)
    held = set(b.labels)
    shared = [label for label in a.labels if label in held]
    check_n_items(f"the set of items that {a.name} and {b.name} share", len(shared))
    return a.select(shared), b.select(shared)


def align_with_rdm(a: Layers, name: str, rdm: RDM, on_mismatch: OnMismatch) -> tuple[Layers, RDM]:
    """Return features and RDMs over the same items in the order of the features, as :func:`align_layers` does."""
    items = Layers(name, (), None, rdm.labels, (np.arange(rdm.n_items),))
    a, items = align_layers(a, items, on_mismatch)
    return a, rdm if items.labels is None or items.labels == rdm.labels else rdm.select(items.labels)


def of_one_kind(a: Layers, b: Layers) -> tuple[Layers, Layers]:
    """Return both as tensors on one device where one of them holds a tensor.

    Raises
    ------
    ValueError
        Tensors on different devices.
    """
    tensors = [array for layers in (a, b) for array in layers.arrays if is_tensor(array)]
    if len({str(array.device) for array in tensors}) > 1:
        msg = f"{a.name} and {b.name} lie on different devices; move them to one with .to(device)."
        raise ValueError(msg)
    if not tensors:
        return a, b
    moved = {id(array): like(array, tensors[0]) for layers in (a, b) for array in layers.arrays}
    return _replaced(a, moved), _replaced(b, moved)


def _replaced(layers: Layers, moved: Mapping[int, Any]) -> Layers:
    return dataclasses.replace(layers, arrays=tuple(moved[id(array)] for array in layers.arrays))
