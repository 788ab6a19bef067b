"""What feature-reweighted RSA gives back."""

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
class ReweightedRSA(Result):
    """How well reweighted features predict the dissimilarities of held-out items, beside equal weights and ceilings.

    Attributes
    ----------
    scores : ndarray, shape (subject,)
        Correlation of predicted and measured dissimilarities over pairs of held-out items.
    unweighted : ndarray, shape (subject,)
        The same with equal weights, on the same pairs.
    lower, upper : ndarray, shape (subject,)
        Noise ceilings on these pairs: similarity to the mean of all other subjects, and of all; NaN for one subject.
    in_sample : ndarray, shape (subject,)
        Correlation over the pairs that the weights were fitted to: says nothing about how alike features and RDMs are.
    weights : ndarray, shape (subject, feature)
        Weights of the squared differences of the features as they came, fitted to all items.
    penalties : ndarray, shape (subject,)
        Their ridge penalty, in units of the predictors' mean squared length.
    interval, unweighted_interval, gain_interval : ndarray, shape (2,)
        Intervals of the means over subjects of ``scores``, of ``unweighted``, and of their difference: expanded
        percentiles of a bootstrap over subjects; NaN where they were not computed.
    subjects : tuple of str
        Names of the subjects.
    method : {"pearson", "spearman"}
        Correlation that scores.
    nonnegative, standardize : bool
        Whether weights may not be negative; whether features were divided by their standard deviation.
    n_folds, n_inner_folds, n_repeats : int
        Folds of items, folds of the training items for the penalty, and assignments to folds.
    n_items, n_features : int
        What it rests on.
    aligned_by : {"label", "position"}
        How items were matched.
    confidence : float
        Level of the intervals.
    n_bootstrap : int
        Resamples drawn.
    note : str
        What to know about the numbers; otherwise empty.
    """

    scores: np.ndarray[Any, np.dtype[np.float64]]
    unweighted: np.ndarray[Any, np.dtype[np.float64]]
    lower: np.ndarray[Any, np.dtype[np.float64]]
    upper: np.ndarray[Any, np.dtype[np.float64]]
    in_sample: np.ndarray[Any, np.dtype[np.float64]]
    weights: np.ndarray[Any, np.dtype[np.float64]]
    penalties: np.ndarray[Any, np.dtype[np.float64]]
    interval: np.ndarray[Any, np.dtype[np.float64]]
    unweighted_interval: np.ndarray[Any, np.dtype[np.float64]]
    gain_interval: np.ndarray[Any, np.dtype[np.float64]]
    subjects: tuple[str, ...]
    method: str
    nonnegative: bool
    standardize: bool
    n_folds: int
    n_inner_folds: int
    n_repeats: int
    n_items: int
    n_features: int
    aligned_by: str
    confidence: float
    n_bootstrap: int
    note: str

    def __repr__(self) -> str:
        low, high = self.interval
        interval = f" [{low:.4f}, {high:.4f}]" if np.isfinite(low) else ""
        ceiling = f"; ceiling {self.lower.mean():.4f} to {self.upper.mean():.4f}" if len(self.subjects) > 1 else ""
        note = f"; {self.note}" if self.note else ""
        return (
            f"<ReweightedRSA {self.method} {self.scores.mean():.4f}{interval} on held-out items (equal weights "
            f"{self.unweighted.mean():.4f}{ceiling}); {counted(self.n_features, 'feature')}, {self.n_items} items, "
            f"{counted(len(self.subjects), 'subject')}{note}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per subject: held-out score, that of equal weights, ceilings, penalty."""
        import pandas as pd

        columns = {
            "subject": list(self.subjects),
            "score": self.scores,
            "unweighted": self.unweighted,
            "lower": self.lower,
            "upper": self.upper,
            "in_sample": self.in_sample,
            "penalty": self.penalties,
        }
        return pd.DataFrame(columns).assign(method=self.method)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        sign = "non-negative " if self.nonnegative else ""
        scale = ", standardised over training items" if self.standardize else ""
        name = "Pearson" if self.method == "pearson" else "Spearman"
        interval = (
            f" Intervals of means over subjects are {self.confidence:.0%} expanded percentile intervals (Hesterberg, "
            f"2015; {self.n_bootstrap:,} resamples)."
            if self.n_bootstrap
            else ""
        )
        return (
            f"Feature-reweighted RSA (Kaniuth and Hebart, 2022): the dissimilarities of {self.n_items} items (matched "
            f"by {self.aligned_by}) were predicted for each of {counted(len(self.subjects), 'subject')} by {sign}ridge "
            f"regression from the squared differences of {counted(self.n_features, 'feature')}{scale}. Weights were "
            f"fitted to pairs of training items, with the penalty chosen in {self.n_inner_folds} folds of these, and "
            f"judged by the {name} correlation over pairs of held-out items ({self.n_folds} folds of items, "
            f"{counted(self.n_repeats, 'random assignment')}).{interval}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw mean scores of equal and fitted weights as bars, a line per subject, and the band of the ceiling."""
        from alignkit._plot import new_axes

        ax = new_axes(ax)
        ax.bar([0, 1], [self.unweighted.mean(), self.scores.mean()], color=["0.85", "0.7"])
        if len(self.subjects) > 1:
            ax.axhspan(self.lower.mean(), self.upper.mean(), color="0.9", zorder=0)
            ax.plot([0, 1], [self.unweighted, self.scores], color="0.4", linewidth=0.8, marker="o", markersize=3)
        ax.set_xticks([0, 1], ["equal weights", "reweighted"])
        ax.set_ylabel(f"{self.method} on held-out items")
        return ax
