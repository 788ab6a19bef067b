"""What a regression of RDMs gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.rsa._axes import axis_columns

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_METHODS = {"ols": "ordinary least squares", "nnls": "non-negative least squares"}
_SPLITS = {
    "items": "held-out items",
    "subjects": "held-out subjects, on items that were fitted",
    "both": "held-out items of held-out subjects",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Regression(Result):
    """Weights of model RDMs in data RDMs, what they explain, and on what that was measured.

    Attributes
    ----------
    weights : ndarray, shape (*data.shape, models)
        Units of the data per unit of the model; standard deviations of both where ``standardize``.
    intercept : ndarray, shape (*data.shape,)
        Constant term; 0 without one.
    r2_in_sample : ndarray, shape (*data.shape,)
        Share of the variance explained on the very pairs that the weights were fitted to: no measure of alignment.
    r2_held_out : ndarray, shape (*data.shape,)
        The same on what was left out of the fit (``split``); negative where the mean would have done better.
    unique_in_sample, unique_held_out : ndarray, shape (*data.shape, models)
        What each model adds to that share: the share with all models less the share without that one.
    split : {"none", "items", "subjects", "both"}
        What was held out.
    n_folds : int
        Folds of items; 0 where items were not split.
    method : {"ols", "nnls"}
        Ordinary or non-negative least squares.
    models : list of str
        Names of the models.
    dims, coords : tuple of str, dict
        Leading axes of the data, their coordinates as lists.
    n_pairs : ndarray of int, shape (*data.shape,)
        Item pairs that each fit rests on.
    n_items : int
        Items.
    fit_intercept, standardize : bool
        As asked for.
    nan_policy : str
        As asked for.
    aligned_by : {"label", "position"}
        How the rows were matched.
    note : str
        What to know about the numbers; otherwise empty.
    """

    weights: np.ndarray[Any, np.dtype[np.float64]]
    intercept: np.ndarray[Any, np.dtype[np.float64]]
    r2_in_sample: np.ndarray[Any, np.dtype[np.float64]]
    r2_held_out: np.ndarray[Any, np.dtype[np.float64]]
    unique_in_sample: np.ndarray[Any, np.dtype[np.float64]]
    unique_held_out: np.ndarray[Any, np.dtype[np.float64]]
    split: str
    n_folds: int
    method: str
    models: list[str]
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    n_pairs: np.ndarray[Any, np.dtype[np.int64]]
    n_items: int
    fit_intercept: bool
    standardize: bool
    nan_policy: str
    aligned_by: str
    note: str = ""

    def __repr__(self) -> str:
        axes = "".join(f", {name}: {size}" for name, size in zip(self.dims, self.r2_in_sample.shape, strict=True))
        parts = [f"{name} {_spread(self.weights[..., j])}" for j, name in enumerate(self.models[:6])]
        more = f", {len(self.models) - 6} more" if len(self.models) > 6 else ""
        held = "" if self.split == "none" else f"; {_spread(_shares(self.r2_held_out))} on {_SPLITS[self.split]}"
        note = f"; {self.note}" if self.note else ""
        return (
            f"<Regression {self.method}{axes}, {self.n_items} items: weights {', '.join(parts)}{more}; "
            f"R² {_spread(_shares(self.r2_in_sample))} in-sample{held}{note}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per data RDM and model: the axes, ``model``, ``weight``, what it adds, and the whole fit."""
        import pandas as pd

        n_models = len(self.models)
        columns = axis_columns((*self.dims, "model"), {**self.coords, "model": self.models}, self.weights.shape)
        columns["weight"] = self.weights.ravel()
        for name in ("unique_in_sample", "unique_held_out"):
            columns[name] = getattr(self, name).ravel()
        for name in ("r2_in_sample", "r2_held_out", "intercept", "n_pairs"):
            columns[name] = np.repeat(getattr(self, name).ravel(), n_models)
        return pd.DataFrame(columns).assign(method=self.method, split=self.split)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        constant = "with an intercept" if self.fit_intercept else "without an intercept"
        unit = "standard deviations" if self.fit_intercept else "root mean squares"
        scaled = f"; weights are in {unit} of model and data" if self.standardize else ""
        low, high = int(self.n_pairs.min()), int(self.n_pairs.max())
        pairs = f"{high:,} item pairs" if low == high else f"{low:,} to {high:,} item pairs"
        left_out = ", those without a value in the data or a model left out" if self.nan_policy == "omit" else ""
        held = ""
        if np.isfinite(self.r2_held_out).any():
            folds = f" ({self.n_folds} random folds of items)" if self.n_folds else ""
            held = (
                f" Explained variance was measured on {_SPLITS[self.split]}{folds}, and a model's unique share as the "
                "loss without it."
            )
        return (
            f"RDMs of {self.n_items} items were regressed on {len(self.models)} model RDM(s) by "
            f"{_METHODS[self.method]} {constant} over the upper triangle ({pairs}{left_out}), rows matched by "
            f"{self.aligned_by}{scaled}."
            f"{held}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the weights: a bar per model (mean over the data RDMs that were fitted), a dot per data RDM."""
        from alignkit._plot import new_axes

        ax = new_axes(ax)
        rows = self.weights.reshape(-1, len(self.models))
        where = np.arange(len(self.models))
        fitted = rows[~np.isnan(rows).any(axis=1)]
        if len(fitted):
            ax.bar(where, fitted.mean(axis=0), color="0.75")
        if len(rows) > 1:
            ax.plot(np.tile(where, len(rows)), rows.ravel(), linestyle="none", marker="o", markersize=3, color="0.2")
        ax.axhline(0, color="0.5", linewidth=0.8)
        style: dict[str, Any] = {"rotation": 45, "ha": "right"} if len(where) > 4 else {}
        ax.set_xticks(where, self.models, parse_math=False, **style)
        ax.set_ylabel("standardized weight" if self.standardize else "weight")
        return ax


def _shares(values: FloatArray) -> FloatArray:
    """Return shares of variance with rounding around nothing as 0."""
    return np.where(np.abs(values) < 1e-12, 0.0, values)


def _spread(values: FloatArray) -> str:
    finite = np.asarray(values)[np.isfinite(values)]
    if not finite.size:
        return "NaN"
    low, high = finite.min() + 0.0, finite.max() + 0.0  # no -0
    return f"{low:.4g}" if finite.size == 1 else f"{low:.4g} to {high:.4g}"
