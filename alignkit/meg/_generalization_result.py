"""What holds from one time to another: a matrix of training and test times for every participant."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, counted
from alignkit._typing import FloatArray
from alignkit.meg._drawn import Drawn
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._container import RDM, condensed_rdm

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

_DIMS = ("subject", "train_time", "test_time")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class TemporalGeneralization(Drawn):
    """How far what is found at one time holds at another, for every participant and on average.

    Attributes
    ----------
    values : ndarray, shape (subject, train_time, test_time)
        Accuracies, distances or similarities, averaged over pairs of conditions where there are such.
    mean : ndarray, shape (train_time, test_time)
        Mean over participants.
    interval : ndarray, shape (2, train_time, test_time)
        Interval of that mean (expanded percentiles), by bootstrap over participants; NaN where it was not computed.
    pairs : ndarray, shape (subject, train_time, test_time, pair), or None
        The same for every pair of conditions, where these were kept.
    train_times, test_times : ndarray
        Seconds.
    subjects, labels : tuple of str
        Names of participants and conditions.
    quantity : str
        What the values are.
    chance : float
        Their value where nothing generalizes.
    metric : str
        How they were computed.
    reference : {"", "self", "others"}
        For RDMs: whether each is compared with those of the same participant or with the mean of all others.
    confidence : float
        Level of the intervals.
    n_bootstrap : int
        Resamples drawn.
    methods : str
        The sentences of :meth:`methods_text`.
    note : str
        What to know about the numbers; otherwise empty.
    """

    values: np.ndarray[Any, np.dtype[np.float64]]
    mean: np.ndarray[Any, np.dtype[np.float64]]
    interval: np.ndarray[Any, np.dtype[np.float64]]
    pairs: np.ndarray[Any, np.dtype[np.float64]] | None
    train_times: np.ndarray[Any, np.dtype[np.float64]]
    test_times: np.ndarray[Any, np.dtype[np.float64]]
    subjects: tuple[str, ...]
    labels: tuple[str, ...]
    quantity: str
    chance: float
    metric: str
    reference: str
    confidence: float
    n_bootstrap: int
    methods: str
    note: str

    @property
    def n_subjects(self) -> int:
        """Number of participants."""
        return len(self.subjects)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes of ``values``."""
        return _DIMS

    @property
    def diagonal(self) -> FloatArray:
        """Values at equal training and test times, shape (subject, time)."""
        return np.asarray(np.diagonal(self.values, axis1=1, axis2=2))

    def __repr__(self) -> str:
        times = f"{counted(len(self.train_times), 'time')} from {self.train_times[0]:g} to {self.train_times[-1]:g} s"
        off = self.mean - self.chance
        if self.reference == "self":  # an RDM is like itself
            off = np.where(np.eye(*off.shape, dtype=np.bool_), np.nan, off)
        best = "NaN"
        if np.isfinite(off).any():
            t, u = np.unravel_index(np.nanargmax(off), off.shape)
            low, high = self.interval[:, t, u]
            spread = f" [{low:.4f}, {high:.4f}]" if np.isfinite(low) else ""
            best = f"{self.mean[t, u]:.4f}{spread} from {self.train_times[t]:g} to {self.test_times[u]:g} s"
        note = f"; {self.note}" if self.note else ""
        return (
            f"<TemporalGeneralization of {self.quantity}, {counted(self.n_subjects, 'participant')}, {times}; highest "
            f"mean {best} (chance {self.chance:g}){note}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per value: ``participant``, ``train_time``, ``test_time``, ``value``."""
        import pandas as pd

        axes = {"participant": self.subjects, "train_time": self.train_times, "test_time": self.test_times}
        columns = axis_columns(tuple(axes), axes, self.values.shape) | {"value": self.values.ravel()}
        return pd.DataFrame(columns).assign(quantity=self.quantity, chance=self.chance)

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset of all values, their mean and its interval, with names and times."""
        import xarray as xr

        variables: dict[str, Any] = {
            "values": (_DIMS, self.values),
            "mean": (_DIMS[1:], self.mean),
            "interval": (("bound", *_DIMS[1:]), self.interval),
        }
        if self.pairs is not None:
            variables["pairs"] = ((*_DIMS, "pair"), self.pairs)
        coords = {
            "subject": list(self.subjects),
            "train_time": self.train_times,
            "test_time": self.test_times,
            "bound": ["low", "high"],
        }
        names = ("quantity", "chance", "metric", "reference", "note")
        return xr.Dataset(variables, coords, {name: getattr(self, name) for name in names})

    def rdm(self, subject: str | None = None) -> RDM:
        """Return the pairs of a participant (by default, their mean) as RDMs over training and test times.

        Raises
        ------
        ValueError
            Pairs that were not kept, or no such participant.
        """
        if self.pairs is None:
            msg = "the values of pairs of conditions were not kept; pass keep_pairs=True."
            raise ValueError(msg)
        if subject is not None:
            check_choice("subject", subject, self.subjects)
        values = self.pairs.mean(axis=0) if subject is None else self.pairs[self.subjects.index(subject)]
        coords = {"train_time": self.train_times, "test_time": self.test_times}
        return condensed_rdm(values, self.labels, dims=_DIMS[1:], coords=coords, metric=self.metric)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        if not self.n_bootstrap:
            return self.methods
        return (
            f"{self.methods} Values were averaged over {self.n_subjects} participants ({self.confidence:.0%} expanded "
            f"percentile intervals (Hesterberg, 2015) by bootstrap over participants, {self.n_bootstrap:,} resamples)."
        )

    def _title(self) -> str:
        return "Temporal generalization"

    def plot(self, ax: Axes | None = None, *, subject: str | None = None, significance: object = None) -> Axes:
        """Draw the mean (or one participant's matrix), colours centred at chance; outline what is significant.

        ``significance`` is a test over the matrix, or a mask of its shape.

        Raises
        ------
        ValueError
            No such participant, or significance that does not fit.
        """
        from alignkit.meg._draw_matrix import draw_matrix

        if subject is not None:
            check_choice("subject", subject, self.subjects)
        values = self.mean if subject is None else self.values[self.subjects.index(subject)]
        reach = None
        if self.reference == "self" and len(values) > 1:
            off = values[~np.eye(*values.shape, dtype=np.bool_)] - self.chance
            reach = float(np.nanmax(np.abs(off), initial=0.0))
        names = ("time", "time")
        if self.reference == "others":
            names = ("participant's time", "others' time")
        elif not self.reference:
            names = ("test time", "training time")
        return draw_matrix(
            values,
            self.train_times,
            self.test_times,
            ax,
            centre=self.chance,
            labels=(*names, self.quantity),
            reach=reach,
            significance=significance,
        )
