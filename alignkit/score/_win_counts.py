"""On how many tasks one arm beats another, and how sure that is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_float_array, as_labels, check_count, check_finite, join_names
from alignkit._plot import new_axes
from alignkit._random import spawn
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.rsa._intervals import check_bootstrap, percentile_bounds, resampled_ratios
from alignkit.rsa._odd_one_out import TIE_TOLERANCE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class WinCounts(Result):
    """Two arms compared task by task; a positive difference is the first arm's.

    Attributes
    ----------
    tasks : tuple of str
        Names of the tasks.
    difference : ndarray, shape (tasks,)
        First arm's score less the second's.
    difference_low, difference_high : ndarray, shape (tasks,)
        Its interval over the task's images, drawn for both arms together; NaN for tasks given as one number.
    wins, losses, ties : int
        Tasks with a positive, a negative and no difference (at most 1e-12, which is rounding).
    clear_wins, clear_losses : int
        Tasks whose interval over images lies above or below 0.
    wins_low, wins_high : float
        Interval of ``wins`` over tasks: what other tasks of their kind would give.
    wins_low_images, wins_high_images : float
        Interval of ``wins`` over images within these tasks; NaN unless all tasks have single images.
    mean_difference, mean_difference_low, mean_difference_high : float
        Mean over tasks, and its interval over tasks.
    mean_difference_low_images, mean_difference_high_images : float
        Its interval over images within these tasks; NaN unless all tasks have single images.
    n_bootstrap : int
        Resamples behind the intervals.
    confidence : float
        Their level.
    """

    tasks: tuple[str, ...]
    difference: FloatArray
    difference_low: FloatArray
    difference_high: FloatArray
    wins: int
    losses: int
    ties: int
    clear_wins: int
    clear_losses: int
    wins_low: float
    wins_high: float
    wins_low_images: float
    wins_high_images: float
    mean_difference: float
    mean_difference_low: float
    mean_difference_high: float
    mean_difference_low_images: float
    mean_difference_high_images: float
    n_bootstrap: int
    confidence: float

    def __repr__(self) -> str:
        return (
            f"<WinCounts {self.wins} of {len(self.tasks)} tasks won [{self.wins_low:g}, {self.wins_high:g}], "
            f"{self.losses} lost, {self.ties} tied; mean difference {self.mean_difference:+.4f} "
            f"[{self.mean_difference_low:+.4f}, {self.mean_difference_high:+.4f}] over tasks>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per task: difference, low, high."""
        import pandas as pd

        columns = {"task": self.tasks, "difference": self.difference}
        return pd.DataFrame({**columns, "low": self.difference_low, "high": self.difference_high})

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"Arms were compared on {len(self.tasks)} tasks by the number of tasks won and the mean difference, with "
            f"{self.confidence:.0%} percentile intervals of {self.n_bootstrap:,} bootstrap samples over tasks; where "
            "answers to single images were at hand, both arms' answers to an image were drawn together."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the differences in their order, with their intervals over images."""
        ax = new_axes(ax, (5.0, 1.2 + 0.2 * len(self.tasks)))
        order = np.argsort(self.difference, kind="stable")
        value, place = self.difference[order], np.arange(len(order))
        ax.axvline(0.0, color="0.6", linewidth=0.8)
        # a percentile interval need not hold the value itself
        ax.hlines(place, self.difference_low[order], self.difference_high[order], color="0.6")
        ax.plot(value, place, "o", markersize=4)
        ax.set_yticks(place, [self.tasks[i] for i in order])
        ax.set_xlabel("Difference of scores")
        ax.set_title(f"{self.wins} of {len(self.tasks)} tasks won")
        return ax


def win_counts(
    first: Mapping[str, object],
    second: Mapping[str, object],
    /,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> WinCounts:
    """Compare two arms on the same tasks.

    Parameters
    ----------
    first, second : mapping of str to float or array_like
        Per task a score, or the credit of every image (``ZeroShotAccuracy.per_image``), whose mean is the score; both
        arms the same, with images in the same order.
    n_bootstrap : int
        Resamples; 0 for no intervals.
    confidence : float
        Level of the intervals.
    seed : int
        Seed of the resamples.

    Returns
    -------
    WinCounts

    Raises
    ------
    ValueError
        Different tasks, none, other numbers of images, or NaN.
    TypeError
        No mappings, or scores that are no numbers.

    Notes
    -----
    An interval over tasks treats them as drawn from many; one over images takes them as they are. Drawing images again
    adds their noise a second time: near 0, differences change sign more often than in a second test set.

    Examples
    --------
    >>> won = win_counts({"cifar10": 0.6, "mnist": 0.3, "dtd": 0.2}, {"cifar10": 0.5, "mnist": 0.3, "dtd": 0.1})
    >>> won.wins, won.ties, round(won.mean_difference, 3)
    (2, 1, 0.067)
    """
    check_bootstrap(n_bootstrap, confidence)
    seed = check_count("seed", seed)
    gaps_of = _as_gaps(_as_arm("first", first), _as_arm("second", second))
    tasks, gaps = tuple(gaps_of), list(gaps_of.values())
    difference = _without_rounding(np.array([gap.mean() for gap in gaps]))
    of_tasks, *of_images = spawn(seed, 1 + len(gaps))
    over_tasks = _draw(np.column_stack([difference > 0, difference]).astype(np.float64), n_bootstrap, of_tasks)
    samples = _without_rounding(
        np.column_stack([_draw(gap[:, None], n_bootstrap, own) for gap, own in zip(gaps, of_images, strict=True)])
    )
    low, high = percentile_bounds(samples, confidence)
    known = ~np.isnan(samples).any(axis=1)
    within = np.column_stack([np.where(known, (samples > 0).sum(axis=1), np.nan), samples.mean(axis=1)])
    counted = np.array([len(gaps), 1.0])
    (wins_low, mean_low), (wins_high, mean_high) = percentile_bounds(over_tasks * counted, confidence)
    (wins_low_images, mean_low_images), (wins_high_images, mean_high_images) = percentile_bounds(within, confidence)
    return WinCounts(
        tasks=tasks,
        difference=difference,
        difference_low=low,
        difference_high=high,
        wins=int((difference > 0).sum()),
        losses=int((difference < 0).sum()),
        ties=int((difference == 0).sum()),
        clear_wins=int((low > 0).sum()),
        clear_losses=int((high < 0).sum()),
        wins_low=float(wins_low),
        wins_high=float(wins_high),
        wins_low_images=float(wins_low_images),
        wins_high_images=float(wins_high_images),
        mean_difference=float(difference.mean()),
        mean_difference_low=float(mean_low),
        mean_difference_high=float(mean_high),
        mean_difference_low_images=float(mean_low_images),
        mean_difference_high_images=float(mean_high_images),
        n_bootstrap=n_bootstrap,
        confidence=confidence,
    )


def _as_arm(name: str, arm: object) -> dict[str, Any]:
    if not isinstance(arm, Mapping):
        msg = f"{name} must be a mapping of tasks to scores; got {type(arm).__name__}."
        raise TypeError(msg)
    labels = as_labels(f"the tasks of {name}", list(arm))
    if not labels:
        msg = f"{name} must hold at least one task; it is empty."
        raise ValueError(msg)
    return dict(zip(labels, arm.values(), strict=True))


def _as_gaps(first: dict[str, Any], second: dict[str, Any]) -> dict[str, FloatArray]:
    """Return the differences of each task: of its images, or the one of its scores."""
    if first.keys() != second.keys():
        msg = f"both arms must have the same tasks; only one has {join_names(sorted(first.keys() ^ second.keys()))}."
        raise ValueError(msg)
    gaps = {}
    for task in first:
        a, b = (as_float_array(f"the scores of {task!r}", arm[task]) for arm in (first, second))
        if a.shape != b.shape or a.ndim > 1 or not a.size:
            msg = f"{task!r} must have one score, or one for each of the same images, in both arms; got shapes "
            msg += f"{a.shape} and {b.shape}."
            raise ValueError(msg)
        gaps[task] = np.atleast_1d(a - b)
        check_finite(f"the difference of {task!r}", gaps[task])
    return gaps


def _without_rounding(differences: FloatArray) -> FloatArray:
    """Return differences in which shared credits that cancel, but for their last bits, are a tie."""
    return np.where(np.abs(differences) <= TIE_TOLERANCE, 0.0, differences)


def _draw(rows: FloatArray, n_bootstrap: int, rng: np.random.Generator) -> FloatArray:
    """Return the means of rows drawn with replacement, shape (n_bootstrap, columns); NaN of a single row."""
    if len(rows) < 2:
        return np.full((n_bootstrap, rows.shape[1]), np.nan)
    return resampled_ratios(rows, np.ones_like(rows), n_bootstrap, rng)
