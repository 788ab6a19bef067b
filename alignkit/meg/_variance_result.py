"""What a partition of the variance of RDMs over time gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted
from alignkit._typing import FloatArray
from alignkit.meg._drawn import Drawn
from alignkit.meg._sample_unit import UNTIMED, at_time, span_of, time_axis
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._shares import part_names

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

_WHAT = {"spearman": "ranks of the dissimilarities", "pearson": "dissimilarities"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class VariancePartition(Drawn):
    """Variance of every participant's RDMs over time that models explain: in all, alone, uniquely and in common.

    Attributes
    ----------
    r2 : ndarray, shape (subject, time)
        Share of the variance that all models explain together, in-sample.
    alone : ndarray, shape (model, subject, time)
        Share that each model explains when it is the only one.
    parts : ndarray, shape (part, subject, time)
        Share that exactly the models of ``members`` have in common: first the unique shares of single models, last
        what all share. They add up to ``r2``; those in common can be negative.
    r2_mean, mean : ndarray, shapes (time,) and (part, time)
        Means over participants of ``r2`` and ``parts``.
    r2_interval, interval : ndarray, shapes (2, time) and (2, part, time)
        Expanded percentile intervals of these means, by bootstrap over participants; NaN where they were not computed.
    times : ndarray, shape (time,)
        Seconds (sample numbers where the data has no times: ``note`` says so).
    models : tuple of str
        Names of the models.
    members : tuple of tuples of str
        The models of every part.
    subjects : tuple of str
        Names of the participants.
    method : {"spearman", "pearson"}
        Whether ranks or values were explained.
    n_items, n_pairs : int
        Items, and the smallest number of item pairs that a value rests on.
    nan_policy : str
        As asked for.
    aligned_by : {"label", "position"}
        How items were matched.
    metric : str or None
        What the dissimilarities of the data are.
    confidence : float
        Level of the intervals.
    n_bootstrap : int
        Resamples drawn.
    note : str
        What to know about the numbers; otherwise empty.
    """

    r2: np.ndarray[Any, np.dtype[np.float64]]
    alone: np.ndarray[Any, np.dtype[np.float64]]
    parts: np.ndarray[Any, np.dtype[np.float64]]
    r2_mean: np.ndarray[Any, np.dtype[np.float64]]
    r2_interval: np.ndarray[Any, np.dtype[np.float64]]
    mean: np.ndarray[Any, np.dtype[np.float64]]
    interval: np.ndarray[Any, np.dtype[np.float64]]
    times: np.ndarray[Any, np.dtype[np.float64]]
    models: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    subjects: tuple[str, ...]
    method: str
    n_items: int
    n_pairs: int
    nan_policy: str
    aligned_by: str
    metric: str | None
    confidence: float
    n_bootstrap: int
    note: str

    @property
    def n_subjects(self) -> int:
        """Number of participants."""
        return len(self.subjects)

    @property
    def unique(self) -> FloatArray:
        """Unique share of every model, shape (model, subject, time)."""
        return self.parts[: len(self.models)]

    @property
    def names(self) -> tuple[str, ...]:
        """What to call the parts: ``"unique: a"``, ``"common: a, b"``."""
        return part_names(self.members)

    @property
    def _timed(self) -> bool:
        return UNTIMED not in self.note

    def __repr__(self) -> str:
        note = f"; {self.note}" if self.note else ""
        head = (
            f"<VariancePartition {self.method}, {counted(self.n_subjects, 'participant')}, {self.n_items} items, "
            f"{span_of(self.times, timed=self._timed)}{note}"
        )
        rows = [("all models", self.r2_mean), *zip(self.names, self.mean, strict=True)]
        lines = [f"\n  {name}: {self._best(curve)}" for name, curve in rows[:16]]
        more = f"\n  and {len(rows) - 16} more parts" if len(rows) > 16 else ""
        return f"{head}{''.join(lines)}{more}>"

    def _best(self, curve: FloatArray) -> str:
        if not np.isfinite(curve).any():
            return "NaN"
        k = int(np.nanargmax(curve))
        return f"highest mean {curve[k] + 0.0:.4f} at {at_time(self.times[k], timed=self._timed)}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per value: ``part`` (``"all models"``, unique and common ones), ``participant``, ``time``."""
        import pandas as pd

        values = np.concatenate([self.r2[None], self.parts])
        axes = {"part": ["all models", *self.names], "participant": self.subjects, "time": self.times}
        columns = axis_columns(tuple(axes), axes, values.shape) | {"share": values.ravel()}
        return pd.DataFrame(columns).assign(method=self.method)

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset of all shares, means and intervals with their names and times."""
        import xarray as xr

        variables = {
            "r2": (("subject", "time"), self.r2),
            "alone": (("model", "subject", "time"), self.alone),
            "share": (("part", "subject", "time"), self.parts),
            "r2_mean": (("time",), self.r2_mean),
            "r2_interval": (("bound", "time"), self.r2_interval),
            "mean": (("part", "time"), self.mean),
            "interval": (("bound", "part", "time"), self.interval),
        }
        coords = {
            "model": list(self.models),
            "part": list(self.names),
            "subject": list(self.subjects),
            "time": self.times,
            "bound": ["low", "high"],
        }
        return xr.Dataset(variables, coords, {"method": self.method, "n_items": self.n_items, "note": self.note})

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        kind = f" ({self.metric})" if self.metric else ""
        left_out = ", those without a value on either side left out" if self.nan_policy == "omit" else ""
        interval = (
            f" ({self.confidence:.0%} expanded percentile intervals (Hesterberg, 2015) by bootstrap over participants, "
            f"{self.n_bootstrap:,} resamples)"
            if self.n_bootstrap
            else ""
        )
        average = f", and averaged over participants{interval}" if self.n_subjects > 1 else ""
        span = span_of(self.times, timed=self._timed)
        return (
            f"The variance of the {_WHAT[self.method]}{kind} of {counted(self.n_subjects, 'participant')} at each of "
            f"{span} ({self.n_items} items, {self.n_pairs:,} item pairs{left_out}, matched by {self.aligned_by}) was "
            f"parted by commonality analysis into the unique and common contributions of {len(self.models)} models: "
            "ordinary least squares with an intercept was fitted to every subset of the models, within each "
            f"participant{average}."
        )

    def _title(self) -> str:
        return "Parts of variance"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the mean shares: all models, and every part, with their intervals."""
        from alignkit._plot import new_axes

        ax = new_axes(ax)
        scale, label = time_axis(self.times, timed=self._timed)
        times = scale * self.times
        ax.axhline(0, color="0.5", linewidth=0.8)
        curves = [("all models", self.r2_mean, self.r2_interval)]
        curves += [(name, self.mean[k], self.interval[:, k]) for k, name in enumerate(self.names)]
        for k, (name, mean, (low, high)) in enumerate(curves):
            color = "0.2" if k == 0 else f"C{(k - 1) % 10}"
            common = k > len(self.models)
            ax.plot(times, mean, color=color, linestyle="--" if common else "-", label=name.replace("$", r"\$"))
            if np.isfinite(low).any():
                ax.fill_between(times, low, high, color=color, alpha=0.2, linewidth=0)
        ax.set_xlabel(label)
        ax.set_ylabel("share of variance")
        ax.legend(frameon=False, fontsize="small")
        return ax
