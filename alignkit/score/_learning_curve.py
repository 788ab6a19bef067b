"""Scores against samples seen, averaged over runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import as_float_array, check_count, check_finite
from alignkit._plot import new_axes
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.rsa._intervals import check_bootstrap, cluster_intervals

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class LearningCurve(Result):
    """Mean score over runs at numbers of samples seen.

    Attributes
    ----------
    samples : ndarray, shape (points,)
        Samples seen, ascending.
    mean, low, high : ndarray, shape (points,)
        Mean over runs, and its bootstrap interval: whole runs are drawn.
    n_runs : int
        Runs; below two there is no interval.
    n_bootstrap : int
        Resamples behind the interval.
    confidence : float
        Its level, for each point by itself.
    """

    samples: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    n_runs: int
    n_bootstrap: int
    confidence: float

    def __repr__(self) -> str:
        return (
            f"<LearningCurve {len(self.samples)} points of {self.n_runs} run(s), {self.mean[0]:.4f} at "
            f"{self.samples[0]:g} samples to {self.mean[-1]:.4f} at {self.samples[-1]:g}>"
        )

    def samples_to(self, score: float) -> float:
        """Return after how many samples the mean first reaches a score, interpolated; NaN where it never does."""
        reached = np.flatnonzero(self.mean >= score)
        if not reached.size:
            return float("nan")
        i = int(reached[0])
        if i == 0:
            return float(self.samples[0])
        return float(np.interp(score, self.mean[i - 1 : i + 1], self.samples[i - 1 : i + 1]))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per point: samples, mean, low, high."""
        import pandas as pd

        return pd.DataFrame({"samples": self.samples, "mean": self.mean, "low": self.low, "high": self.high})

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"Curves are means over {self.n_runs} run(s) at {len(self.samples)} numbers of samples seen; bands are "
            f"{self.confidence:.0%} percentile intervals of {self.n_bootstrap:,} bootstrap samples over runs."
        )

    def plot(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw the mean with its band against samples seen, on a logarithmic axis; arms go onto one ``ax``."""
        ax = new_axes(ax)
        (line,) = ax.plot(self.samples, self.mean, marker="o", markersize=3, label=label)
        ax.fill_between(self.samples, self.low, self.high, color=line.get_color(), alpha=0.2, linewidth=0)
        ax.set(xscale="log", xlabel="Samples seen", ylabel="Score")
        if label is not None:
            ax.legend(frameon=False)
        return ax


def learning_curve(
    samples: object,
    scores: object,
    /,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> LearningCurve:
    """Average the scores of runs at the same numbers of samples seen.

    Parameters
    ----------
    samples : array_like, shape (points,)
        Samples seen, above 0 and all different, in any order.
    scores : array_like, shape (runs, points)
        One row per run (seed); one run may be a single row of numbers.
    n_bootstrap : int
        Resamples of runs; 0 for no interval.
    confidence : float
        Level of the interval.
    seed : int
        Seed of the resamples: curves of arms made with one seed draw the same runs, as paired seeds ask for.

    Returns
    -------
    LearningCurve

    Raises
    ------
    ValueError
        Samples that repeat or are not above 0, other numbers of points, or NaN.
    TypeError
        Samples or scores that are no numbers.

    Examples
    --------
    >>> curve = learning_curve([1000, 2000], [[0.2, 0.4], [0.3, 0.5]], n_bootstrap=0)
    >>> curve.mean.tolist(), curve.samples_to(0.35)
    ([0.25, 0.45], 1500.0)
    """
    check_bootstrap(n_bootstrap, confidence)
    seed = check_count("seed", seed)
    n, rows = as_float_array("samples", samples, ndim=1), np.atleast_2d(as_float_array("scores", scores))
    if rows.ndim != 2 or rows.shape[1:] != n.shape or not rows.size:
        msg = f"scores must have one row per run and one column for each of {len(n)} points; got shape {rows.shape}."
        raise ValueError(msg)
    check_finite("samples", n)
    check_finite("scores", rows)
    if (n <= 0).any() or len(np.unique(n)) < len(n):
        msg = "samples must be different numbers above 0; take the last score of those that repeat."
        raise ValueError(msg)
    order = np.argsort(n)
    rows = rows[:, order]
    low, high = cluster_intervals(
        rows, np.ones_like(rows), n_bootstrap=n_bootstrap, confidence=confidence, rng=np.random.default_rng(seed)
    )
    return LearningCurve(
        samples=n[order],
        mean=rows.mean(axis=0),
        low=low,
        high=high,
        n_runs=len(rows),
        n_bootstrap=n_bootstrap,
        confidence=confidence,
    )
