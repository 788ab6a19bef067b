"""A map from features to a human embedding's dimensions, and its file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Self

import numpy as np

from alignkit._check import as_float_array
from alignkit._io import load_npz, save_npz
from alignkit._typing import AnyArray, FloatArray, PathLike
from alignkit._versions import versions
from alignkit.align._regressors import PENALTIES, at_least_zero, predict
from alignkit.models import Transform

_SCHEMA = "alignkit.embedding-map/1"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class EmbeddingMap:
    """Dimensions from features: their dot products are the similarities of odd-one-out answers.

    Attributes
    ----------
    method : str
        ``ridge``, ``kernel-ridge`` or ``mlp``.
    arrays : dict of ndarray
        What was fitted.
    temperature : float
        Of the softmax over dot products of :meth:`predict`, fitted to items that were held out within.
    settings : dict
        What was chosen on them: ``penalty`` and, for kernels, ``bandwidth``.
    error : dict of float
        Mean squared error on them of every setting tried, by its numbers in words.
    n_items, n_channels, n_dims, n_parameters : int
        Items fitted to, numbers per item before and after, and numbers fitted.
    nonnegative : bool
        Whether predictions below 0 count as 0.
    """

    method: str
    arrays: dict[str, AnyArray]
    temperature: float
    settings: dict[str, float]
    error: dict[str, float]
    n_items: int
    n_channels: int
    n_dims: int
    n_parameters: int
    nonnegative: bool

    def __repr__(self) -> str:
        chosen = ", ".join(f"{name} {value:.3g}" for name, value in self.settings.items())
        return (
            f"<EmbeddingMap {self.method}: {self.n_channels} channels -> {self.n_dims} dimensions, {chosen}, "
            f"temperature {self.temperature:.3g}, fitted to {self.n_items:,} items>"
        )

    @property
    def transform(self) -> Transform:
        """The map as a linear transform, whose dot products answer at temperature 1; ridge that is not cut at 0 only.

        Raises
        ------
        ValueError
            A map that is not linear.
        """
        if self.method != "ridge":
            msg = f"a map by {self.method} is not linear; use apply, or method='ridge'."
            raise ValueError(msg)
        if self.nonnegative:
            msg = "a map whose predictions are cut at 0 is not linear; use apply, or fit it with nonnegative=False."
            raise ValueError(msg)
        root = np.sqrt(self.temperature)
        return Transform(self.arrays["weight"].T / root, self.arrays["bias"] / root, name=self.method)

    def predict(self, features: object, /) -> FloatArray:
        """Return the dimensions of each row of features.

        Parameters
        ----------
        features : array_like, shape (items, channels)

        Returns
        -------
        ndarray, shape (items, dims)

        Raises
        ------
        ValueError
            Another number of channels than the map was fitted to.
        """
        x = as_float_array("features", features, ndim=2)
        if x.shape[1] != self.n_channels:
            msg = f"the map takes features of {self.n_channels} channels; got shape {x.shape}."
            raise ValueError(msg)
        return at_least_zero(predict(self.method, self.arrays, x), self.nonnegative)

    def apply(self, features: object, /) -> FloatArray:
        """Return the dimensions over the root of the temperature: plain dot products then answer at temperature 1."""
        return self.predict(features) / np.sqrt(self.temperature)

    def save(self, path: PathLike, /) -> None:
        """Write the map to an ``.npz``, atomically.

        Raises
        ------
        ValueError
            Another suffix.
        """
        if Path(path).suffix.lower() != ".npz":
            msg = f"maps are saved as .npz; got {str(path)!r}."
            raise ValueError(msg)
        plain = {name: getattr(self, name) for name in _plain_fields()}
        save_npz(path, self.arrays, {"schema": _SCHEMA, "made_with": versions(), **plain})

    @classmethod
    def load(cls, path: PathLike, /) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError
            No such file.
        ValueError
            A damaged file, or one of another kind.
        """
        arrays, meta = load_npz(path)
        if meta.get("schema") != _SCHEMA or meta.get("method") not in PENALTIES:
            msg = f"{path} does not hold a map from features to an embedding (EmbeddingMap.save writes one)."
            raise ValueError(msg)
        try:
            meta = {"nonnegative": False, **meta}  # maps were not cut before they said so
            loaded = cls(arrays=arrays, **{name: meta[name] for name in _plain_fields()})
            shape = loaded.predict(np.zeros((1, loaded.n_channels))).shape
        except (KeyError, TypeError, ValueError, IndexError) as error:
            msg = f"{path} lacks a part of the map ({error}); it is damaged or of another version."
            raise ValueError(msg) from error
        if shape != (1, loaded.n_dims) or not loaded.temperature > 0 or not isinstance(loaded.nonnegative, bool):
            msg = f"{path} holds parts that do not fit together; it is damaged."
            raise ValueError(msg)
        return loaded


def _plain_fields() -> list[Any]:
    return [field.name for field in dataclasses.fields(EmbeddingMap) if field.name != "arrays"]
