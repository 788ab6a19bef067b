"""What people's answers say about items: dimensions, and how sure they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from alignkit._check import as_array, as_float_array, as_labels, check_count, check_finite
from alignkit._io import atomic_write, load_npz, save_npz
from alignkit._random import as_rng
from alignkit._result import Result, jsonable
from alignkit._typing import FloatArray, PathLike, RNGLike
from alignkit._versions import versions
from alignkit.models import Features
from alignkit.rsa import Triplets, choice_probabilities

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SCHEMA = "alignkit.HumanEmbedding/1"
#: Items named in a picture.
_SHOWN = 8


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class HumanEmbedding(Result):
    """Items on the dimensions that explain people's odd-one-out answers, by decreasing total weight.

    Parameters
    ----------
    labels : tuple of str, shape (items,)
        Names of the items.
    values : ndarray, shape (items, dims)
        Not negative; dot products are similarities, at temperature 1.
    mean, sd : ndarray, shape (items, dims), optional
        Of the posterior's normal distributions before they are rectified (VICE).
    method : str
        What they were learnt with.
    settings : dict
        Of the method.

    Raises
    ------
    ValueError
        Other shapes, values below zero, or standard deviations that are not positive.

    Examples
    --------
    >>> embedding = HumanEmbedding(("cat", "dog", "car"), [[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> embedding.choice_probabilities([[0, 1, 2]]).round(3)
    array([[0.107, 0.107, 0.787]])
    >>> embedding
    <HumanEmbedding 3 items, 2 dimensions>
    """

    labels: tuple[str, ...]
    values: FloatArray
    mean: FloatArray | None = None
    sd: FloatArray | None = None
    method: str = ""
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        values = _as_table("values", self.values)
        if (values < 0).any():
            msg = f"values must not be negative; the smallest is {values.min():.4g}."
            raise ValueError(msg)
        put = object.__setattr__
        put(self, "labels", as_labels("labels", self.labels, len(values)))
        put(self, "values", values)
        if (self.mean is None) != (self.sd is None):
            msg = "mean and sd belong together: give both, or neither."
            raise ValueError(msg)
        if self.mean is None:
            return
        for name in ("mean", "sd"):
            put(self, name, _as_table(name, getattr(self, name), values.shape))
        if self.sd is not None and (self.sd <= 0).any():
            msg = f"sd must be above 0; the smallest is {self.sd.min():.4g}."
            raise ValueError(msg)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.values)

    @property
    def n_dims(self) -> int:
        """Number of dimensions."""
        return self.values.shape[1]

    def choice_probabilities(
        self, triplets: object, /, *, n_posterior: int | None = None, rng: RNGLike = 0
    ) -> FloatArray:
        """Return how probable each item of a triplet is as the odd one out: soft targets, mean over the posterior.

        Parameters
        ----------
        triplets : Triplets or array_like of int, shape (n, 3)
            Items; those of labelled triplets are found by name, other numbers are rows.
        n_posterior : int, optional
            Draws from the posterior that are averaged over; 0: the values alone. By default the method's setting, 25
            where it has none, where there is a posterior.
        rng : Generator, int or None
            Seed of the draws.

        Returns
        -------
        ndarray, shape (n, 3)
            Rows sum to 1; column k belongs to the item in column k.

        Raises
        ------
        ValueError
            Items that the embedding does not have.
        """
        answers = triplets if isinstance(triplets, Triplets) else Triplets(triplets)
        names = None if answers.labels is None else self.labels
        default = int(self.settings.get("n_posterior", 25))
        n = default if n_posterior is None else check_count("n_posterior", n_posterior)
        if self.mean is None or self.sd is None or n == 0:
            return choice_probabilities(self.values, answers, labels=names)
        generator = as_rng(rng)
        total = np.zeros(())
        for _ in range(n):
            drawn = np.maximum(self.mean + self.sd * generator.standard_normal(self.mean.shape), 0.0)
            total = total + choice_probabilities(drawn, answers, labels=names)
        return total / n

    def to_features(self) -> Features:
        """Return the values as features, which every score and comparison takes."""
        return Features.from_array(self.values, self.labels, name=self.method or "embedding", layer="dimensions")

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per item, one column per dimension."""
        import pandas as pd

        columns = [f"dimension_{d + 1}" for d in range(self.n_dims)]
        return pd.DataFrame(self.values, columns=columns, index=pd.Index(self.labels, name="item")).reset_index()

    def to_csv(self, path: PathLike) -> None:
        """Write :meth:`to_dataframe` as a table with a header."""
        with atomic_write(path, "w") as file:
            self.to_dataframe().to_csv(file, index=False)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        sources = {
            "SPoSE": "SPoSE (Hebart et al. 2020, doi:10.1038/s41562-020-00951-3)",
            "VICE": "VICE (Muttenthaler et al. 2022, NeurIPS 35)",
        }
        how = f" by {sources.get(self.method, self.method)}" if self.method else ""
        n = self.settings.get("n_answers")
        answers = f" from {n:,} odd-one-out answers" if n is not None else " from odd-one-out answers"
        return f"{self.n_dims} non-negative dimensions of {self.n_items:,} items were learnt{answers}{how}."

    def save(self, path: PathLike) -> None:
        """Write everything to ``.npz`` (without pickle) or ``.json``, or the values to ``.csv``, atomically.

        Raises
        ------
        ValueError
            Another suffix.
        """
        if Path(path).suffix.lower() != ".npz":
            Result.save(self, path)
            return
        arrays = {"values": self.values, "labels": np.array(self.labels)}
        if self.mean is not None and self.sd is not None:
            arrays |= {"mean": self.mean, "sd": self.sd}
        meta = {"schema": _SCHEMA, "method": self.method, "settings": jsonable(self.settings), "made_with": versions()}
        save_npz(path, arrays, meta)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what :meth:`save` wrote as ``.npz`` or ``.json``.

        Raises
        ------
        ValueError
            A damaged file, or one that holds something else.
        """
        if Path(path).suffix.lower() != ".npz":
            return Result.load.__func__(cls, path)  # type: ignore[attr-defined]
        arrays, meta = load_npz(path)
        if meta.get("schema") != _SCHEMA or not {"values", "labels"} <= set(arrays):
            msg = f"{path} does not hold a HumanEmbedding."
            raise ValueError(msg)
        names, settings = as_array("labels", arrays["labels"]).tolist(), meta.get("settings")
        tables = {name: arrays[name] for name in ("values", "mean", "sd") if name in arrays}
        own = dict(settings) if isinstance(settings, dict) else {}
        return cls(tuple(names), **tables, method=str(meta.get("method", "")), settings=own)

    def plot(self, ax: Axes | None = None, *, dimension: int = 0) -> Axes:
        """Draw the items with the largest values on a dimension (counted from 0)."""
        from alignkit._plot import new_axes

        check_count("dimension", dimension)
        if dimension >= self.n_dims:
            msg = f"dimension must be below {self.n_dims}; got {dimension}."
            raise ValueError(msg)
        ax = new_axes(ax)
        column = self.values[:, dimension]
        top = np.argsort(-column)[:_SHOWN][::-1]
        error = None if self.sd is None else self.sd[top, dimension]
        ax.barh([self.labels[i] for i in top], column[top], xerr=error)
        ax.set_xlabel(f"value on dimension {dimension + 1}")
        return ax

    def __repr__(self) -> str:
        how = f" ({self.method})" if self.method else ""
        sure = ", with standard deviations" if self.sd is not None else ""
        return f"<HumanEmbedding{how} {self.n_items:,} items, {self.n_dims} dimensions{sure}>"


def _as_table(name: str, x: object, shape: tuple[int, ...] | None = None) -> FloatArray:
    table = as_float_array(name, x, ndim=2)
    check_finite(name, table)
    if shape is None and 0 in table.shape:
        msg = f"{name} must have items and dimensions; got shape {table.shape}."
        raise ValueError(msg)
    if shape is not None and table.shape != shape:
        msg = f"{name} must have the shape {shape} of the values; got {table.shape}."
        raise ValueError(msg)
    return table
