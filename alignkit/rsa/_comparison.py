"""What a comparison of RDMs gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._result import Result
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._condensed import as_host
from alignkit.rsa._matrix_methods import DISTANCES, SENTENCES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SIGMA_K = {
    "identity": "equal, independent errors of all items",
    "variances": "given error variances of the items",
    "covariance": "a given error covariance of the items",
}
_PARTIAL = {"both": "both RDMs", "first": "the first RDM alone", "second": "the second RDM alone"}


def name_of(method: str, partial: str) -> str:
    """Return what tables and figures call a method, given which side (if any) the controls were taken out of."""
    if not partial:
        return method
    return f"{'partial' if partial == 'both' else 'semi-partial'} {method}"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(Result):
    """Similarities of RDMs and how they were computed.

    Attributes
    ----------
    values : ndarray or tensor, shape (*a.shape, *b.shape)
        One similarity per pair of RDMs; a single pair gives a 0-d array (use ``float(result)``). A tensor where a
        tensor was compared.
    n_pairs : ndarray of int, same shape
        Item pairs that each value rests on (0 where NaN was propagated).
    method, nan_policy : str
        As asked for.
    dims : tuple of str
        Names of the axes of ``values``; an axis that both stacks have is called ``name`` and ``name_2``.
    coords : dict
        Coordinates of those axes, as lists.
    n_items : int
        Items compared.
    aligned_by : {"label", "position"}
        How the rows were matched.
    sigma_k : {"", "identity", "variances", "covariance"}
        What the whitened methods took the errors of the items to be.
    n_controls : int
        RDMs that were controlled for.
    partial : {"", "both", "first", "second"}
        Which side the controls were taken out of.
    note : str
        What to know about the numbers; otherwise empty.
    """

    values: np.ndarray[Any, np.dtype[np.float64]]
    n_pairs: np.ndarray[Any, np.dtype[np.int64]]
    method: str
    nan_policy: str
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    n_items: int
    aligned_by: str
    sigma_k: str = ""
    n_controls: int = 0
    partial: str = ""
    note: str = ""

    @property
    def quantity(self) -> str:
        """What the values are: ``"similarity"`` or, where smaller is more alike, ``"distance"``."""
        return "distance" if self.method in DISTANCES else "similarity"

    def __float__(self) -> float:
        """Return the one value of a single comparison."""
        values = as_host(self.values)
        if values.size != 1:
            msg = f"this comparison holds {values.size} values; index .values."
            raise TypeError(msg)
        return float(values.reshape(())[()])

    def __repr__(self) -> str:
        values = as_host(self.values)
        note = f"; {self.note}" if self.note else ""
        if values.size == 1:
            return f"<Comparison {self._name()} = {float(self):.4f}, {self.n_items} items{note}>"
        axes = ", ".join(f"{name}: {size}" for name, size in zip(self.dims, values.shape, strict=True))
        finite = values[np.isfinite(values)]
        spread = f"{finite.min():.4f} to {finite.max():.4f}, mean {finite.mean():.4f}" if finite.size else "all NaN"
        return f"<Comparison {self._name()}, {axes}: {spread}, {self.n_items} items{note}>"

    def _name(self) -> str:
        return name_of(self.method, self.partial)

    def to_dict(self) -> dict[str, Any]:
        """Return every field in JSON's own types, with the result's kind and the versions it was made with."""
        return Result.to_dict(dataclasses.replace(self, values=as_host(self.values)))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per pair of RDMs: the axes, ``similarity`` (or ``distance``), ``n_pairs`` and ``method``.

        With controls, the method is called ``"partial spearman"`` or ``"semi-partial spearman"``.
        """
        import pandas as pd

        values = as_host(self.values)
        columns = axis_columns(self.dims, self.coords, values.shape)
        table = pd.DataFrame(columns, index=range(values.size))
        numbers = {self.quantity: values.ravel(), "n_pairs": self.n_pairs.ravel()}
        return table.assign(**numbers, method=self._name())

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        low, high = int(self.n_pairs.min()), int(self.n_pairs.max())
        pairs = f"{high:,} item pairs" if low == high else f"{low:,} to {high:,} item pairs"
        left_out = ", those without a value in either RDM left out" if self.nan_policy == "omit" else ""
        how = SENTENCES[self.method]
        if self.sigma_k:
            how += f", assuming {_SIGMA_K[self.sigma_k]}"
        if self.n_controls:
            how += (
                f" ({'partial' if self.partial == 'both' else 'semi-partial'}: {self.n_controls} control RDM(s) "
                f"regressed out of {_PARTIAL[self.partial]})"
            )
        return (
            f"RDMs of {self.n_items} items were compared by {how} over the upper triangle "
            f"({pairs}{left_out}), rows matched by {self.aligned_by}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the values: bars for one axis, a heat map for two."""
        from alignkit.rsa._draw import plot_comparison

        return plot_comparison(dataclasses.replace(self, values=as_host(self.values), method=self._name()), ax)
