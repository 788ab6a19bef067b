"""What a comparison of models with RDMs over time gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, counted, join_names, require, shown
from alignkit._typing import FloatArray
from alignkit.meg._drawn import Drawn
from alignkit.meg._evoked import as_evoked, sampling_rate
from alignkit.meg._same_times import SAME_TIMES, at_same_times, join_courses
from alignkit.meg._sample_unit import UNTIMED, at_time, span_of
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._comparison import name_of
from alignkit.rsa._matrix_methods import DISTANCES, SENTENCES
from alignkit.rsa._pooling import describe_pooling

if TYPE_CHECKING:
    import mne
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

_SIDES = {"both": "models and data", "models": "the models alone", "data": "the data alone"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class TimeCourse(Drawn):
    """Similarity of models to every participant's RDMs over time, the group's mean and its noise ceiling.

    Attributes
    ----------
    similarity : ndarray, shape (model, subject, [model_time,] time)
        One curve per model and participant; a matrix of model time by time where the models have a time axis.
    mean : ndarray, shape (model, [model_time,] time)
        Mean over participants of their curves.
    interval : ndarray, shape (2, model, [model_time,] time)
        Expanded percentile interval of that mean, by bootstrap over participants; NaN where it was not computed.
    lower, upper : ndarray, shape (time,)
        Noise ceiling: mean similarity of a participant to the mean RDM of all others (lower) and of all (upper).
    lower_per_subject, upper_per_subject : ndarray, shape (subject, time)
        The same of each participant.
    times : ndarray, shape (time,)
        Seconds (sample numbers where the data has no times: ``note`` says so).
    models, subjects : tuple of str
        Names.
    model_times : ndarray, shape (model_time,), or None
        Seconds of the models' own time axis, where they have one.
    method : str
        How RDMs are compared.
    pooling : str
        How participants were averaged for the ceiling; empty where none was computed.
    n_items, n_pairs : int
        Items, and the smallest number of item pairs that a value rests on.
    controls : tuple of str
        RDMs that were controlled for.
    partial : {"", "both", "models", "data"}
        Which side the controls were taken out of.
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

    similarity: np.ndarray[Any, np.dtype[np.float64]]
    mean: np.ndarray[Any, np.dtype[np.float64]]
    interval: np.ndarray[Any, np.dtype[np.float64]]
    lower: np.ndarray[Any, np.dtype[np.float64]]
    upper: np.ndarray[Any, np.dtype[np.float64]]
    lower_per_subject: np.ndarray[Any, np.dtype[np.float64]]
    upper_per_subject: np.ndarray[Any, np.dtype[np.float64]]
    times: np.ndarray[Any, np.dtype[np.float64]]
    models: tuple[str, ...]
    subjects: tuple[str, ...]
    model_times: np.ndarray[Any, np.dtype[np.float64]] | None
    method: str
    pooling: str
    n_items: int
    n_pairs: int
    controls: tuple[str, ...]
    partial: str
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
    def dims(self) -> tuple[str, ...]:
        """Names of the axes of ``similarity``."""
        return ("model", "subject", *(() if self.model_times is None else ("model_time",)), "time")

    @property
    def quantity(self) -> str:
        """What the values are: ``"similarity"`` or, where smaller is more alike, ``"distance"``."""
        return "distance" if self.method in DISTANCES else "similarity"

    @property
    def _timed(self) -> bool:
        return UNTIMED not in self.note

    def curves(self, model: str | int | None = None) -> FloatArray:
        """Return the curves of one model, shape (subject, [model_time,] time); of the only one by default.

        Raises
        ------
        ValueError
            No such model, or several models and none named.
        """
        return self.similarity[self.position(model)]

    def position(self, model: str | int | None = None) -> int:
        """Return where a model stands in ``models``, by name or position; the only one by default.

        Raises
        ------
        ValueError
            No such model, or several models and none named.
        """
        if model is None:
            if len(self.models) == 1:
                return 0
            msg = f"this time course holds {len(self.models)} models; name one of {join_names(self.models)}."
            raise ValueError(msg)
        if isinstance(model, str):
            check_choice("model", model, self.models)
            return self.models.index(model)
        if isinstance(model, bool | np.bool_) or not isinstance(model, int | np.integer):
            msg = f"model must be a name or a position; got {shown(model)}."
            raise TypeError(msg)
        if not -len(self.models) <= model < len(self.models):
            msg = f"model must be a name or a position below {len(self.models)}; got {shown(model)}."
            raise ValueError(msg)
        return range(len(self.models))[model]

    def at_same_times(self, *, tolerance: float = 1e-6) -> TimeCourse:
        """Return the curves of models that unfold over time, each followed at the time of the data.

        Where models have a time axis of their own, these are the diagonals of their matrices of model time by time,
        which summaries and tests of curves take (:func:`auc`, :func:`onset`, :func:`peak`, :func:`cluster_test`).
        Models without one stay as they are.

        Parameters
        ----------
        tolerance : float
            Seconds by which the times of models and data may differ.

        Raises
        ------
        ValueError
            Models and data with other times, or a negative tolerance.
        """
        return at_same_times(self, tolerance)

    def join(self, *others: TimeCourse) -> TimeCourse:
        """Return one time course of these models and those of others, compared with the same data in the same way.

        So stand models that unfold over time (:meth:`at_same_times`) beside ones that do not. The noise ceiling is
        that of the first time course that has one.

        Raises
        ------
        ValueError
            Other participants, times or ways to compare, models with a time axis of their own, or a name twice.
        """
        return join_courses((self, *others))

    def __repr__(self) -> str:
        ceiling = f"; ceiling {_spread(self.lower)} (lower), {_spread(self.upper)} (upper), {self.pooling} pooling"
        note = f"; {self.note}" if self.note else ""
        head = (
            f"<TimeCourse {self._name()}, {counted(self.n_subjects, 'participant')}, {self.n_items} items, "
            f"{span_of(self.times, timed=self._timed)}"
        )
        lines = [f"\n  {name}: {self._best(k)}" for k, name in enumerate(self.models[:6])]
        more = f"\n  and {len(self.models) - 6} more models" if len(self.models) > 6 else ""
        return f"{head}{ceiling if self.pooling else ''}{note}{''.join(lines)}{more}>"

    def _name(self) -> str:
        return name_of(self.method, self.partial)

    def _best(self, k: int) -> str:
        mean = self.mean[k]
        if not np.isfinite(mean).any():
            return "NaN"
        distance = self.quantity == "distance"
        where = np.unravel_index(np.nanargmin(mean) if distance else np.nanargmax(mean), mean.shape)
        when = at_time(self.times[where[-1]], timed=self._timed)
        if self.model_times is not None:
            when += f" (model: {self.model_times[where[0]]:g} s)"
        low, high = (bound[where] for bound in self.interval[:, k])
        spread = f" [{low:.4f}, {high:.4f}]" if np.isfinite(low) else ""
        return f"{'lowest' if distance else 'highest'} mean {mean[where]:.4f}{spread} at {when}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per value: ``model``, ``participant``, (``model_time``,) ``time``, ``similarity``, ceiling.

        ``lower`` and ``upper`` are the group's; ``distance`` is the column's name for methods that give one.
        """
        import pandas as pd

        axes: dict[str, Any] = {"model": self.models, "participant": self.subjects}
        axes |= {} if self.model_times is None else {"model_time": self.model_times}
        axes["time"] = self.times
        shape = self.similarity.shape
        columns = axis_columns(tuple(axes), axes, shape) | {self.quantity: self.similarity.ravel()}
        columns |= {name: np.broadcast_to(getattr(self, name), shape).ravel() for name in ("lower", "upper")}
        return pd.DataFrame(columns).assign(method=self._name(), pooling=self.pooling)

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset of all curves, means, intervals and ceilings with their names and times."""
        import xarray as xr

        over = self.dims[2:]
        coords: dict[str, Any] = {"model": list(self.models), "subject": list(self.subjects), "time": self.times}
        if self.model_times is not None:
            coords["model_time"] = self.model_times
        variables = {
            self.quantity: (self.dims, self.similarity),
            "mean": (("model", *over), self.mean),
            "interval": (("bound", "model", *over), self.interval),
            "lower": (("time",), self.lower),
            "upper": (("time",), self.upper),
            "lower_per_subject": (("subject", "time"), self.lower_per_subject),
            "upper_per_subject": (("subject", "time"), self.upper_per_subject),
        }
        attributes = {name: getattr(self, name) for name in ("method", "pooling", "n_items", "n_pairs", "note")}
        return xr.Dataset(variables, {**coords, "bound": ["low", "high"]}, attributes)

    def to_evoked(self, subject: str | None = None) -> mne.EvokedArray:
        """Return the mean over participants (or the curves of one) as an Evoked, a ``misc`` channel for each model.

        A list of those of all participants goes to ``mne.viz.plot_compare_evokeds``, with ``picks=[model]`` and
        ``show_sensors=False``.

        Raises
        ------
        ValueError
            Models with a time axis of their own, samples that are not evenly spaced, or no such participant.
        """
        mne = require("mne", "meg")
        if self.model_times is not None:
            msg = "an Evoked has one time axis, and these models have one of their own; use to_xarray()."
            raise ValueError(msg)
        if subject is not None:
            check_choice("subject", subject, self.subjects)
        values = self.mean if subject is None else self.similarity[:, self.subjects.index(subject)]
        info = mne.create_info(list(self.models), sampling_rate(self.times), "misc")
        comment = self._name() if subject is None else f"{subject}: {self._name()}"
        n = self.n_subjects if subject is None else 1
        return as_evoked(values, info, self.times, nave=n, comment=comment)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        n = self.n_subjects
        what = f" of {self.metric} dissimilarities" if self.metric else ""
        kind, count = ("partial" if self.partial == "both" else "semi-partial"), len(self.controls)
        controlled = (
            f" ({kind}: {counted(count, 'control RDM')} regressed out of {_SIDES[self.partial]})" if count else ""
        )
        left_out = ", those without a value on either side left out" if self.nan_policy == "omit" else ""
        at_most = "at least " if left_out else ""
        each = "each time of the model with each time of the data" if self.model_times is not None else "each time"
        each += " (models that unfold over time by their RDM of that time)" if SAME_TIMES in self.note else ""
        text = (
            f"RDMs{what} of {counted(n, 'participant')} ({self.n_items} items, {at_most}{self.n_pairs:,} item "
            f"pairs{left_out}; {span_of(self.times, timed=self._timed)}) "
            f"were compared with {counted(len(self.models), 'model RDM')} at {each} by {SENTENCES[self.method]}"
            f"{controlled}, items matched by {self.aligned_by}, within each participant"
        )
        text += ", and averaged over participants" if n > 1 else ""
        if self.n_bootstrap:
            text += (
                f" ({self.confidence:.0%} expanded percentile intervals (Hesterberg, 2015) by bootstrap over "
                f"participants, {self.n_bootstrap:,} resamples)"
            )
        if self.pooling and n > 1:
            text += (
                ". Noise ceilings at each time: participants' RDMs were "
                f"{describe_pooling(self.method, self.pooling)}; the upper bound is the mean similarity of each "
                "participant to the average of all, the lower bound to that of all others (Nili et al., 2014)"
            )
        return f"{text}."

    def _title(self) -> str:
        return "Model time courses"

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the mean curves with their intervals and the ceiling."""
        from alignkit.meg._draw_timecourse import plot_timecourse

        return plot_timecourse(self, ax, **options)


def _spread(values: FloatArray) -> str:
    finite = values[np.isfinite(values)]
    return f"{finite.min():.4f} to {finite.max():.4f}" if finite.size else "undefined"
