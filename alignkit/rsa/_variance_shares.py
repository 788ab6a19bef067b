"""What a partition of the variance of RDMs gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._shares import part_names

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_WHAT = {"spearman": "ranks of the dissimilarities", "pearson": "dissimilarities"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class VarianceShares(Result):
    """Variance of RDMs that models explain: in all, alone, uniquely and in common; in-sample and held out.

    Attributes
    ----------
    r2_in_sample, r2_held_out : ndarray, shape (...)
        Share of the variance that all models explain together: of what they were fitted to, and of held-out items.
    parts_in_sample, parts_held_out : ndarray, shape (part, ...)
        Share that exactly the models of ``members`` have in common: first the unique shares of single models, last
        what all share. They add up to the share of all models; those in common can be negative.
    alone_in_sample, alone_held_out : ndarray, shape (model, ...)
        Share that each model explains when it is the only one.
    interval_in_sample, interval_held_out : ndarray, shape (2, 1 + part, ...)
        Intervals of means over subjects, of the share of all models and then of every part: expanded percentiles of a
        bootstrap over subjects; NaN where they were not computed. Without the subjects' axis.
    models : tuple of str
        Names of the models.
    members : tuple of tuples of str
        The models of every part.
    dims : tuple of str
        Names of the data's leading axes, subjects first.
    coords : dict
        Coordinates of those axes, as lists.
    method : {"spearman", "pearson"}
        Whether ranks or values were explained.
    split : {"items", "none"}
        What was held out.
    n_folds : int
        Folds of items; 0 where there were none.
    n_items, n_pairs : int
        Items, and the smallest number of item pairs that a value rests on.
    nan_policy : str
        As asked for.
    aligned_by : {"label", "position"}
        How items were matched.
    confidence : float
        Level of the intervals.
    n_bootstrap : int
        Resamples drawn.
    note : str
        What to know about the numbers; otherwise empty.
    """

    r2_in_sample: np.ndarray[Any, np.dtype[np.float64]]
    parts_in_sample: np.ndarray[Any, np.dtype[np.float64]]
    r2_held_out: np.ndarray[Any, np.dtype[np.float64]]
    parts_held_out: np.ndarray[Any, np.dtype[np.float64]]
    alone_in_sample: np.ndarray[Any, np.dtype[np.float64]]
    alone_held_out: np.ndarray[Any, np.dtype[np.float64]]
    interval_in_sample: np.ndarray[Any, np.dtype[np.float64]]
    interval_held_out: np.ndarray[Any, np.dtype[np.float64]]
    models: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    dims: tuple[str, ...]
    coords: dict[str, list[Any]]
    method: str
    split: str
    n_folds: int
    n_items: int
    n_pairs: int
    nan_policy: str
    aligned_by: str
    confidence: float
    n_bootstrap: int
    note: str

    @property
    def parts(self) -> FloatArray:
        """Held-out parts where there are any, else in-sample ones, shape (part, ...)."""
        return self.parts_held_out if self.n_folds else self.parts_in_sample

    @property
    def r2(self) -> FloatArray:
        """Held-out share of all models where there is one, else the in-sample one, shape (...)."""
        return self.r2_held_out if self.n_folds else self.r2_in_sample

    @property
    def unique(self) -> FloatArray:
        """Unique share of every model, of :attr:`parts`, shape (model, ...)."""
        return self.parts[: len(self.models)]

    @property
    def names(self) -> tuple[str, ...]:
        """What to call the parts: ``"unique: a"``, ``"common: a, b"``."""
        return part_names(self.members)

    def _means(self) -> tuple[FloatArray, FloatArray]:
        """Return means over all leading axes, and intervals where they belong to them, shapes (1 + part,), (2, ...)."""
        values = np.concatenate([self.r2[None], self.parts]).reshape(1 + len(self.members), -1)
        interval = self.interval_held_out if self.n_folds else self.interval_in_sample
        alone = interval.ndim == 2
        return values.mean(axis=1), interval if alone else np.full((2, len(values)), np.nan)

    def __repr__(self) -> str:
        where = f"on held-out items ({self.n_folds} folds)" if self.n_folds else "in-sample"
        note = f"; {self.note}" if self.note else ""
        n = counted(int(np.prod(self.r2.shape)), "RDM")
        head = f"<VarianceShares {self.method} {where}; {n}, {self.n_items} items{note}"
        means, (low, high) = self._means()
        lines = [
            f"\n  {name}: {mean + 0.0:.4f}" + (f" [{a:.4f}, {b:.4f}]" if np.isfinite(a) else "")
            for name, mean, a, b in zip(("all models", *self.names), means, low, high, strict=True)
        ]
        more = f"\n  and {len(lines) - 16} more parts" if len(lines) > 16 else ""
        return f"{head}{''.join(lines[:16])}{more}>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per part (``"all models"``, unique and common ones) and data RDM."""
        import pandas as pd

        names = ["all models", *self.names]
        shape = (len(names), *self.r2.shape)
        columns = axis_columns(("part", *self.dims), {"part": names, **self.coords}, shape)
        values = {
            "share_in_sample": np.concatenate([self.r2_in_sample[None], self.parts_in_sample]).ravel(),
            "share_held_out": np.concatenate([self.r2_held_out[None], self.parts_held_out]).ravel(),
        }
        return pd.DataFrame({**columns, **values}).assign(method=self.method)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        left_out = ", those without a value on either side left out" if self.nan_policy == "omit" else ""
        held = (
            f" Shares are of held-out items: weights were fitted within the others of {self.n_folds} random folds of "
            "items and judged on the pairs within each."
            if self.n_folds
            else " Shares are in-sample."
        )
        interval = (
            f" Intervals of means over subjects are {self.confidence:.0%} expanded percentile intervals (Hesterberg, "
            f"2015; {self.n_bootstrap:,} resamples)."
            if self.n_bootstrap
            else ""
        )
        return (
            f"The variance of the {_WHAT[self.method]} of every RDM ({self.n_items} items, {self.n_pairs:,} item "
            f"pairs{left_out}, matched by {self.aligned_by}) was parted by commonality analysis into the unique and "
            f"common contributions of {len(self.models)} models: ordinary least squares with an intercept was fitted "
            f"to every subset of the models.{held}{interval}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the mean share of all models and of every part as bars, with intervals where there are any."""
        from alignkit._plot import new_axes

        ax = new_axes(ax)
        means, (low, high) = self._means()
        where = np.arange(len(means))
        ax.bar(where, means, color=["0.4", *["0.75"] * len(self.members)])
        for x, a, b in zip(where, low, high, strict=True):
            if np.isfinite(a):
                ax.plot([x, x], [a, b], color="0.2")
        ax.axhline(0, color="0.5", linewidth=0.8)
        ax.set_xticks(where, ["all models", *self.names], parse_math=False, rotation=45, ha="right")
        ax.set_ylabel("share of variance" + ("" if self.n_folds else ", in-sample"))
        return ax
