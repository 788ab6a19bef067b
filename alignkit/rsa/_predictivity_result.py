"""What linear predictivity gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted
from alignkit._result import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Predictivity(Result):
    """How well features predict the responses of channels to held-out items, in all and of what is reliable.

    Attributes
    ----------
    scores : ndarray, shape (channel,)
        Mean over folds of the score on held-out items; NaN for channels that do not vary within a fold.
    median : float
        Median of ``scores`` over the channels that have one.
    normalized : ndarray, shape (channel,)
        ``scores`` over the highest that can be expected, given the reliability of the mean response: estimates of
        single channels may exceed 1. NaN without repeats, and for unreliable channels.
    median_normalized : float
        Their median.
    reliability : ndarray, shape (channel,)
        Split-half reliability of the mean over repeats (Spearman-Brown); NaN without repeats.
    per_fold : ndarray, shape (fold, channel)
        Scores of all folds of all assignments.
    penalties : ndarray, shape (channel,) or (band, channel)
        Geometric means over folds of the chosen penalties, in units of the features' mean squared length; NaN for a
        band that was left out.
    n_above_1 : int
        Channels whose ``normalized`` is above 1.
    n_unreliable : int
        Channels that are not set in relation to a ceiling because they are less reliable than ``least_reliability``.
    bands : tuple of str
        Names of the bands of features; empty for a single array.
    model : {"ridge", "banded"}
        One penalty for all features, or one for every band.
    score : {"pearson", "r2"}
        What is scored.
    standardize : bool
        Whether features were divided by their standard deviation.
    n_items, n_features : int
        What it rests on.
    n_measurements : int
        Repeats of the responses.
    n_folds, n_inner_folds, n_repeats : int
        Folds of items, folds of the training items for penalties, and assignments to folds.
    least_reliability : float
        As asked for.
    aligned_by : {"label", "position"}
        How items were matched.
    note : str
        What to know about the numbers; otherwise empty.
    """

    scores: np.ndarray[Any, np.dtype[np.float64]]
    median: float
    normalized: np.ndarray[Any, np.dtype[np.float64]]
    median_normalized: float
    reliability: np.ndarray[Any, np.dtype[np.float64]]
    per_fold: np.ndarray[Any, np.dtype[np.float64]]
    penalties: np.ndarray[Any, np.dtype[np.float64]]
    n_above_1: int
    n_unreliable: int
    bands: tuple[str, ...]
    model: str
    score: str
    standardize: bool
    n_items: int
    n_features: int
    n_measurements: int
    n_folds: int
    n_inner_folds: int
    n_repeats: int
    least_reliability: float
    aligned_by: str
    note: str

    def __post_init__(self) -> None:
        for name in ("median", "median_normalized"):
            value = getattr(self, name)
            object.__setattr__(self, name, float("nan") if value is None else float(value))

    def __repr__(self) -> str:
        of_ceiling = f" ({self.median_normalized:.4f} of the ceiling)" if np.isfinite(self.median_normalized) else ""
        note = f"; {self.note}" if self.note else ""
        return (
            f"<Predictivity median {self.score} {self.median:.4f}{of_ceiling} on held-out items; "
            f"{counted(len(self.scores), 'channel')}, {self.n_items} items{note}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per channel: score, share of the ceiling, reliability."""
        import pandas as pd

        columns = {
            "channel": np.arange(len(self.scores)),
            "score": self.scores,
            "normalized": self.normalized,
            "reliability": self.reliability,
        }
        return pd.DataFrame(columns).assign(kind=self.score, model=self.model)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        kind = f"banded ridge regression ({len(self.bands)} bands)" if self.model == "banded" else "ridge regression"
        measure = "Pearson correlation" if self.score == "pearson" else "R²"
        over = "the root of the" if self.score == "pearson" else "the"
        ceiling = (
            f" Scores were divided by {over} split-half reliability (Spearman-Brown corrected) of the mean over "
            f"{self.n_measurements} repeats in channels where it is at least {self.least_reliability:g}."
            if self.n_measurements > 1
            else ""
        )
        return (
            f"The responses of {counted(len(self.scores), 'channel')} to {self.n_items} items were predicted from "
            f"{counted(self.n_features, 'feature')} by {kind} (himalaya; Dupré la Tour et al., 2022) with nested "
            f"cross-validation over items: {self.n_folds} folds, {counted(self.n_repeats, 'random assignment')}, "
            f"penalties of every channel chosen in {self.n_inner_folds} folds of the training items. Scores are the "
            f"{measure} on held-out items, averaged over folds.{ceiling}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the channels' scores: against their ceilings where there are repeats, else as a histogram."""
        from alignkit._plot import new_axes

        ax = new_axes(ax)
        known = np.isfinite(self.scores)
        if self.n_measurements < 2:
            ax.hist(self.scores[known], bins="auto", color="0.7")
            ax.set_xlabel(f"{self.score} on held-out items")
            ax.set_ylabel("channels")
            return ax
        reliable = np.maximum(np.nan_to_num(self.reliability), 0.0)
        ceiling = np.sqrt(reliable) if self.score == "pearson" else reliable
        ax.plot(ceiling[known], self.scores[known], linestyle="none", marker="o", markersize=3, color="0.3")
        ax.axline((0, 0), slope=1, color="0.6", linewidth=0.8)
        ax.set_xlabel("highest that can be expected")
        ax.set_ylabel(f"{self.score} on held-out items")
        return ax
