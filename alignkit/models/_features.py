"""Features of labelled items, wherever they are kept. Needs no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from alignkit._check import as_float_array, as_labels, check_choice, join_names
from alignkit._io import save_npz
from alignkit._typing import AnyArray, PathLike

if TYPE_CHECKING:
    from alignkit.models._transform import Transform


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Features:
    """Features of labelled items, one array per layer, read when asked for.

    Made by :func:`alignkit.models.extract`, :func:`alignkit.models.open_features` or :meth:`from_array`.

    Parameters
    ----------
    name : str
        Shown in tables: the model's name, or the stem of the folder or file that was opened.
    labels : tuple of str or None
        One unique name per item; ``None`` for a bare array without labels.
    layers : tuple of str
        What :meth:`array` gives.
    manifest : mapping
        Where the features come from (model, weights, preprocessing, hashes ...); empty for bare arrays.
    n_items : int
        Number of items.

    Examples
    --------
    >>> feats = Features.from_array([[1.0, 2.0], [3.0, 4.0]], ["cat", "dog"], name="toy")
    >>> feats
    <Features 'toy': 2 items, layers: features>
    >>> feats.select(["dog"]).array()
    array([[3., 4.]])
    """

    name: str
    labels: tuple[str, ...] | None
    layers: tuple[str, ...]
    manifest: Mapping[str, Any]
    n_items: int
    _read: Callable[[str], AnyArray]

    @classmethod
    def from_array(
        cls,
        array: object,
        labels: Iterable[Any] | None = None,
        *,
        name: str = "features",
        layer: str = "features",
        manifest: Mapping[str, Any] | None = None,
    ) -> Self:
        """Wrap one array.

        Parameters
        ----------
        array : array_like, shape (items, channels) or (items, ...)
            Further axes are flattened, so (items, 1, channels) becomes (items, channels). float32 stays; other
            numbers become float64.
        labels : sequence of str, shape (items,), optional
        name, layer : str
        manifest : mapping, optional

        Raises
        ------
        TypeError
            Not real numbers.
        ValueError
            No items, one axis only, float16 that overflowed, or labels that do not fit.
        """
        return cls.from_arrays({layer: array}, labels, name=name, manifest=manifest)

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, object],
        labels: Iterable[Any] | None = None,
        *,
        name: str = "features",
        manifest: Mapping[str, Any] | None = None,
    ) -> Self:
        """Wrap one array per layer, all of the same items; otherwise as :meth:`from_array`."""
        rows = {layer: as_rows(f"the features {name!r}", array) for layer, array in arrays.items()}
        counts = {layer: len(array) for layer, array in rows.items()}
        if len(set(counts.values())) != 1:
            msg = f"all layers must hold the same items; got {counts or 'no layer'}."
            raise ValueError(msg)
        n = next(iter(counts.values()))
        names = None if labels is None else as_labels("labels", labels, n)
        return cls(name, names, tuple(rows), dict(manifest or {}), n, rows.__getitem__)

    def __len__(self) -> int:
        """Return the number of items."""
        return self.n_items

    def __repr__(self) -> str:
        unlabelled = ", unlabelled" if self.labels is None else ""
        return f"<Features {self.name!r}: {self.n_items} items{unlabelled}, layers: {', '.join(self.layers)}>"

    def array(self, layer: str | None = None) -> AnyArray:
        """Return the features of one layer.

        Parameters
        ----------
        layer : str, optional
            May be left out when there is one layer only.

        Returns
        -------
        ndarray, shape (items, channels)
            float32 or float64; read-only.

        Raises
        ------
        ValueError
            An unknown layer, none named where there are several, or a damaged file.
        """
        if layer is None:
            if len(self.layers) != 1:
                msg = f"{self.name} holds the layers {join_names(self.layers)}; name one with layer=."
                raise ValueError(msg)
            layer = self.layers[0]
        check_choice("layer", layer, self.layers)
        view = self._read(layer).view()
        view.flags.writeable = False
        return view

    def select(self, labels: Iterable[Any]) -> Features:
        """Return the features of the named items, in the order given, held in memory.

        Raises
        ------
        ValueError
            Unlabelled features, or labels they do not hold.
        """
        if self.labels is None:
            msg = f"the features {self.name!r} have no labels; open them with labels= to select items by name."
            raise ValueError(msg)
        wanted = as_labels("labels", labels)
        position = {label: i for i, label in enumerate(self.labels)}
        missing = [label for label in wanted if label not in position]
        if missing:
            msg = f"the features {self.name!r} do not hold {join_names(missing)}."
            raise ValueError(msg)
        rows = [position[label] for label in wanted]
        arrays = {layer: self.array(layer)[rows] for layer in self.layers}
        return Features.from_arrays(arrays, wanted, name=self.name, manifest=self.manifest)

    def transform(self, by: Transform, /, *, layer: str | None = None) -> Features:
        """Return one layer's features after a linear transform, with both names and the transform's hash noted.

        Raises
        ------
        ValueError
            Another number of channels than the transform takes.
        """
        from alignkit.models._transform import seen_by

        seen = seen_by(self.manifest.get("transform"), by.fitted_items)
        manifest = {**self.manifest, "transform": {"name": by.name, "sha256": by.sha256, **seen}}
        array = by.apply(self.array(layer))
        chosen = layer or self.layers[0]
        return Features.from_array(array, self.labels, name=f"{self.name} + {by.name}", layer=chosen, manifest=manifest)

    def save(self, path: PathLike, /, *, layer: str | None = None) -> None:
        """Write one layer, its labels and the manifest to an ``.npz`` that :func:`open_features` reads, atomically.

        Raises
        ------
        ValueError
            Another suffix, or several layers and none named.
        """
        if Path(path).suffix.lower() != ".npz":
            msg = f"features are saved as .npz; got {str(path)!r}."
            raise ValueError(msg)
        arrays = {"features": self.array(layer)}
        if self.labels is not None:
            arrays["labels"] = np.array(self.labels)
        save_npz(path, arrays, self.manifest)


def as_rows(name: str, values: object) -> AnyArray:
    """Return numbers as shape (items, channels), float32 where they are and float64 otherwise.

    Raises
    ------
    TypeError
        Not real numbers.
    ValueError
        No items, one axis only, or float16 that overflowed.
    """
    single = isinstance(values, np.ndarray) and values.dtype == np.float32
    array: AnyArray = np.asarray(values) if single else as_float_array(name, values)
    if array.ndim < 2 or 0 in array.shape:
        msg = f"{name} must have shape (items, channels) with at least one of each; got {array.shape}."
        raise ValueError(msg)
    return array.reshape(len(array), -1)
