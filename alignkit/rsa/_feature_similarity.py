"""The similarity of features, with what it was computed from and what chance gives."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._result import Result
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._condensed import as_host

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class FeatureSimilarity(Result):
    """Similarities (or distances) of features, one per pair of layers.

    Attributes
    ----------
    values : ndarray or tensor, float64
        Shape (layers of x, layers of y); a side that is a single array has no axis, so that two arrays give a 0-d
        value (use ``float(result)``).
    baseline : ndarray or None, same shape
        Mean of the same measure over permutations of the items of y: what unrelated features of these sizes give.
    p_values : ndarray or None, same shape
        (b + 1) / (m + 1), with b of m permutations at least as similar as the features are.
    n_items : ndarray of int, same shape
        Items that each value rests on (0 where NaN was propagated).
    measure : str
        The method with its settings, as a figure calls it.
    sentence : str
        The same, as a Methods section calls it.
    method : str
    settings : dict
        The options of the method.
    is_distance : bool
        Whether smaller means more alike.
    n_permutations : int
    nan_policy : str
    dims : tuple of str
        Names of the axes of ``values``: "layer_x", "layer_y" or neither.
    coords : dict
        Names of the layers along them.
    n_channels_x, n_channels_y : tuple of int
        Width of every layer.
    aligned_by : {"label", "position"}
        How the rows were matched.
    """

    values: np.ndarray[Any, np.dtype[np.float64]]
    baseline: np.ndarray[Any, np.dtype[np.float64]] | None
    p_values: np.ndarray[Any, np.dtype[np.float64]] | None
    n_items: np.ndarray[Any, np.dtype[np.int64]]
    measure: str
    sentence: str
    method: str
    settings: dict[str, Any]
    is_distance: bool
    n_permutations: int
    nan_policy: str
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    n_channels_x: tuple[int, ...]
    n_channels_y: tuple[int, ...]
    aligned_by: str

    def numpy(self) -> FeatureSimilarity:
        """Return the same with an array in place of a tensor."""
        return dataclasses.replace(self, values=as_host(self.values))

    def __float__(self) -> float:
        """Return the one value of a single pair."""
        if self.n_items.size != 1:
            msg = f"this holds {self.n_items.size} values; index .values."
            raise TypeError(msg)
        return float(self.numpy().values.reshape(())[()])

    def __repr__(self) -> str:
        values = self.numpy().values
        if values.size == 1:
            chance = "" if self.baseline is None else f" (chance {self.baseline.item():.4f}, {self._p_text()})"
            return f"<FeatureSimilarity {self.measure} = {float(self):.4f}{chance}, {self._items_text()}>"
        axes = ", ".join(f"{name}: {size}" for name, size in zip(self.dims, values.shape, strict=True))
        finite = values[np.isfinite(values)]
        spread = f"{finite.min():.4f} to {finite.max():.4f}, mean {finite.mean():.4f}" if finite.size else "all NaN"
        return f"<FeatureSimilarity {self.measure}, {axes}: {spread}, {self._items_text()}>"

    def _p_text(self) -> str:
        assert self.p_values is not None
        return f"p = {self.p_values.item():.3g}"

    def _items_text(self) -> str:
        rested = self.n_items[self.n_items > 0] if self.nan_policy == "propagate" else self.n_items
        if not rested.size:
            return "items with NaN"
        low, high = int(rested.min()), int(rested.max())
        return f"{high:,} items" if low == high else f"{low:,} to {high:,} items"

    def to_dict(self) -> dict[str, Any]:
        """Return every field in JSON's own types, with the result's kind and the versions it was made with."""
        # super() without arguments knows another class once slots have made a new one
        return Result.to_dict(self.numpy())

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per pair of layers: their names, ``value``, ``n_items``, ``measure`` and what chance gives."""
        import pandas as pd

        columns = axis_columns(self.dims, self.coords, self.n_items.shape)
        table = pd.DataFrame(columns, index=range(self.n_items.size)).assign(value=self.numpy().values.ravel())
        if self.baseline is not None and self.p_values is not None:
            table = table.assign(baseline=self.baseline.ravel(), p_value=self.p_values.ravel())
        return table.assign(n_items=self.n_items.ravel(), measure=self.measure)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        if self.nan_policy == "propagate" and not self.n_items.any():
            return f"Similarity of features ({self.sentence}) is undefined here: there are items with NaN."
        left_out = ", those with NaN in either left out," if self.nan_policy == "omit" else ""
        text = (
            f"Features of {self._items_text()}{left_out} with {_widths(self.n_channels_x)} and "
            f"{_widths(self.n_channels_y)} channels were compared by {self.sentence}, rows matched by "
            f"{self.aligned_by}."
        )
        if self.baseline is None:
            return text
        return (
            f"{text} Chance is the mean over {self.n_permutations:,} permutations of the items; p values are "
            "one-sided, (b + 1)/(m + 1)."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the values: a heat map for layers by layers, else bars."""
        from alignkit.rsa._draw import plot_comparison

        return plot_comparison(dataclasses.replace(self.numpy(), method=self.measure), ax)


def _widths(n_channels: tuple[int, ...]) -> str:
    low, high = min(n_channels), max(n_channels)
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"
