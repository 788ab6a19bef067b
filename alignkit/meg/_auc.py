"""The area under a curve, with its units, and as a share of the noise ceiling's."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted
from alignkit._random import as_rng
from alignkit._typing import ArrayLike, FloatArray, RNGLike
from alignkit.meg._bootstrap_interval import Interval
from alignkit.meg._curves import GroupCurves, as_curves, baseline_stretch, stretch
from alignkit.meg._drawn import Drawn
from alignkit.meg._hierarchical_bootstrap import Statistic, summarise
from alignkit.meg._latency import Resampling, span
from alignkit.meg._latency_result import level, resampling
from alignkit.meg._timecourse_result import TimeCourse
from alignkit.rsa._mean_interval import FEWEST
from alignkit.rsa._nan import report_undefined

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class AreaUnderCurve(Drawn):
    """Mean height of a curve over a stretch of time, and the area under it.

    Attributes
    ----------
    mean : float
        Mean height of the group's mean curve, in ``unit``: the area divided by the duration.
    interval : ndarray, shape (2,)
        Its interval over subjects (and their sessions); NaN where it was not computed.
    per_subject : ndarray, shape (subject,)
        Mean height of each subject's own curve.
    share_lower, share_upper : float
        The area as a share of those under the ceiling's lower and upper bounds; NaN where not asked for.
    share_lower_interval, share_upper_interval : ndarray, shape (2,)
        Their intervals, the ceiling taken as it is.
    ceiling_interval : ndarray, shape (2,)
        Interval of the mean height of the ceiling's lower bound over subjects (Student's t); NaN where not asked for,
        or for fewer than three. No per cent of a ceiling is given where it holds zero (``ceiling_is_told``): the shares
        are numbers then, but of what cannot be told from zero.
    subjects : tuple of str
        Names.
    unit : str
        What the curves are in; the integral is in ``unit`` x s.
    window : tuple of float
        First and last second.
    baseline : tuple of float, or None
        First and last second of the stretch whose mean was subtracted from every curve.
    positive_only : bool
        Whether values below 0 count as 0.
    interval_method : str
        How the interval was computed.
    confidence : float
        Level of the interval.
    n_bootstrap : int
        Resamples drawn.
    n_sessions : int
        Largest number of sessions of a subject.
    name : str
        Model that the curves belong to, where that is known.
    """

    mean: float
    interval: np.ndarray[Any, np.dtype[np.float64]]
    per_subject: np.ndarray[Any, np.dtype[np.float64]]
    share_lower: float
    share_lower_interval: np.ndarray[Any, np.dtype[np.float64]]
    share_upper: float
    share_upper_interval: np.ndarray[Any, np.dtype[np.float64]]
    ceiling_interval: np.ndarray[Any, np.dtype[np.float64]]
    subjects: tuple[str, ...]
    unit: str
    window: tuple[float, float]
    baseline: tuple[float, float] | None
    positive_only: bool
    interval_method: str
    confidence: float
    n_bootstrap: int
    n_sessions: int
    name: str

    @property
    def duration(self) -> float:
        """Seconds from the first sample to the last."""
        return self.window[1] - self.window[0]

    @property
    def ceiling_is_told(self) -> bool:
        """Whether the ceiling's lower bound can be told from zero, so that a per cent of it says something."""
        return bool(self.ceiling_interval[0] > 0)

    @property
    def integral(self) -> float:
        """Area under the group's mean curve, in ``unit`` x s."""
        return self.mean * self.duration

    @property
    def integral_interval(self) -> FloatArray:
        """Interval of the area, shape (2,)."""
        return self.interval * self.duration

    @property
    def integral_per_subject(self) -> FloatArray:
        """Area under each subject's own curve, shape (subject,)."""
        return self.per_subject * self.duration

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return len(self.subjects)

    def __repr__(self) -> str:
        of = f" of {self.name!r}" if self.name else ""
        shares = [
            f"{_share(value, interval) if self.ceiling_is_told else '-'} of the ceiling's {bound} bound"
            for bound, value, interval in (
                ("lower", self.share_lower, self.share_lower_interval),
                ("upper", self.share_upper, self.share_upper_interval),
            )
            if np.isfinite(value)
        ]
        return (
            f"<AreaUnderCurve{of} mean {_value(self.mean, self.interval)} {self.unit}, integral "
            f"{_value(self.integral, self.integral_interval)} {self.unit} x s, {self.window[0]:g} to "
            f"{self.window[1]:g} s{''.join(f'; {share}' for share in shares)}; {level(self)}, "
            f"{counted(self.n_subjects, 'subject')}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for the group and one per subject: ``mean``, ``integral`` and the bounds of both; units."""
        import pandas as pd

        nothing = np.full(self.n_subjects, np.nan)
        columns: dict[str, Any] = {"participant": ["group", *self.subjects]}
        for name, value, interval, subjects in (
            ("mean", self.mean, self.interval, self.per_subject),
            ("integral", self.integral, self.integral_interval, self.integral_per_subject),
        ):
            columns[name] = np.append(value, subjects)
            columns[f"{name}_low"] = np.append(interval[0], nothing)
            columns[f"{name}_high"] = np.append(interval[1], nothing)
        columns["share_lower"] = np.append(self.share_lower, nothing)
        columns["share_upper"] = np.append(self.share_upper, nothing)
        return pd.DataFrame(columns).assign(unit=self.unit, tmin=self.window[0], tmax=self.window[1], model=self.name)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        before = self.baseline
        minus = f" after subtracting each curve's mean from {before[0]:g} to {before[1]:g} s" if before else ""
        above = ", values below 0 counted as 0" if self.positive_only else ""
        share = (
            " and given as a share of the area under the noise ceiling's bounds"
            if np.isfinite([self.share_lower, self.share_upper]).any() and self.ceiling_is_told
            else ""
        )
        return (
            f"The area under the mean curve of {counted(self.n_subjects, 'subject')} was integrated from "
            f"{self.window[0]:g} to {self.window[1]:g} s by the trapezoidal rule{minus}{above} (in {self.unit} x s), "
            f"divided by the duration (mean {self.unit}){share}{resampling(self, self.n_sessions)}."
        )

    def _title(self) -> str:
        return f"Area under the curve: {self.name}" if self.name else "Area under the curve"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each subject's mean height, and the group's with its interval."""
        from alignkit.meg._draw_estimates import plot_area

        return plot_area(self, ax)


def auc(
    curves: ArrayLike | TimeCourse,
    /,
    *,
    times: ArrayLike | None = None,
    model: str | int | None = None,
    tmin: float | None = None,
    tmax: float | None = None,
    baseline: tuple[float | None, float | None] | None = None,
    positive_only: bool = False,
    of_ceiling: bool = False,
    unit: str | None = None,
    interval: Interval = "expanded",
    confidence: float = 0.95,
    n_bootstrap: int = 1000,
    rng: RNGLike = None,
) -> AreaUnderCurve:
    r"""Integrate the group's mean curve over a stretch of time, in stated units, with an interval over subjects.

    The area is :math:`A = \int_{t_1}^{t_2} c(t)\,dt` by the trapezoidal rule, in r x s for correlations; it grows with
    the stretch, so that :math:`A / (t_2 - t_1)`, the mean r, is what compares.

    Parameters
    ----------
    curves : TimeCourse, or array_like, shape (subject, time) or (subject, session, time)
        One curve per subject, or per subject and session (fold, set of items); sessions of NaN are missing.
    times : array_like, shape (time,), optional
        Seconds, for arrays.
    model : str or int, optional
        Which of the models of a time course.
    tmin, tmax : float, optional
        Stretch in seconds, both included; by default all samples, the baseline too.
    baseline : tuple of float or None, optional
        First and last second of a stretch whose mean is subtracted from every curve (and from the ceiling's bounds).
    positive_only : bool
        Count values below 0 as 0: in the mean curve for the group, in each curve for the subjects. This makes the area
        of noise positive.
    of_ceiling : bool
        Also divide by the area under the lower and under the upper bound of a time course's noise ceiling.
    unit : str, optional
        What the values are; by default r for arrays and correlations, else the method's name.
    interval : {"expanded", "percentile", "basic", "bca", "jackknife"}
        Kind of interval, as in :func:`onset`.
    confidence : float
        Its level.
    n_bootstrap : int
        Resamples of subjects (and of sessions within each drawn subject); 0 for no interval.
    rng : numpy Generator, int or None
        Seed of the draws.

    Returns
    -------
    AreaUnderCurve
        A share is NaN, with a warning, where the ceiling's area is not above 0, and printed as a dash where the lower
        bound's interval over subjects holds 0 (``ceiling_interval``).

    Raises
    ------
    ValueError
        Curves and times that do not fit, NaN, a stretch of fewer than two samples, a ceiling that is not there,
        unknown options.
    TypeError
        Values that are not real numbers.

    Examples
    --------
    >>> auc([[0.0, 0.2, 0.2], [0.0, 0.1, 0.3]], times=[0.0, 0.1, 0.2], n_bootstrap=0)
    <AreaUnderCurve mean 0.1375 r, integral 0.0275 r x s, 0 to 0.2 s; no interval, 2 subjects>
    """
    given = as_curves(curves, times, model, unit=unit)
    options = Resampling(interval, confidence, n_bootstrap)
    where = stretch(given.times, tmin, tmax, "the area")
    if where.stop - where.start < 2:
        msg = (
            f"an area needs two samples or more; from {tmin} to {tmax} s there is one, at {given.times[where][0]:g} s."
        )
        raise ValueError(msg)
    before = None if baseline is None else baseline_stretch(given.times, baseline)

    def heights(rows: FloatArray) -> FloatArray:
        return _mean_height(rows, given.times, where, before, positive_only=positive_only)

    ceiling = heights(_bounds(given)) if of_ceiling else np.full(2, np.nan)
    # what is no area (or was not asked for) divides nothing
    ceiling = np.where(ceiling > 0, ceiling, np.nan)
    if of_ceiling:
        missing = [name for name, height in zip(("lower", "upper"), ceiling, strict=True) if np.isnan(height)]
        report_undefined("the noise ceiling has no area above 0 under its bound", missing, "propagate")

    def compute(mean: FloatArray, _: FloatArray | None = None) -> FloatArray:
        height = heights(mean)[:, None]
        return np.hstack([height, height / ceiling])

    found = summarise(
        given,
        Statistic(compute, compute),
        interval=interval,
        confidence=confidence,
        n_bootstrap=0 if interval == "jackknife" else n_bootstrap,
        rng=as_rng(rng),
    )
    return AreaUnderCurve(
        mean=float(found.value[0]),
        interval=found.interval[:, 0],
        per_subject=found.per_subject[:, 0],
        share_lower=float(found.value[1]),
        share_lower_interval=found.interval[:, 1],
        share_upper=float(found.value[2]),
        share_upper_interval=found.interval[:, 2],
        ceiling_interval=(
            _interval(heights(given.lower_per_subject), float(confidence))
            if of_ceiling and given.lower_per_subject is not None
            else np.full(2, np.nan)
        ),
        subjects=given.subjects,
        unit=given.unit,
        window=span(given.times, where),
        baseline=None if before is None else span(given.times, before),
        positive_only=bool(positive_only),
        interval_method=options.interval,
        confidence=float(confidence),
        n_bootstrap=len(found.samples),
        n_sessions=given.n_sessions,
        name=given.name,
    )


def _bounds(curves: GroupCurves) -> FloatArray:
    if curves.lower is None or curves.upper is None:
        msg = "of_ceiling=True needs a time course with a noise ceiling; this has none."
        raise ValueError(msg)
    return np.stack([curves.lower, curves.upper])


def _interval(heights: FloatArray, confidence: float) -> FloatArray:
    """Return Student's interval of a mean over subjects; NaN for fewer than three: two share one lower bound."""
    from scipy.special import stdtrit

    n = len(heights)
    if n < FEWEST:
        return np.full(2, np.nan)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * heights.std(ddof=1) / np.sqrt(n)
    return heights.mean() + np.array([-half, half])


def _mean_height(
    rows: FloatArray, times: FloatArray, where: slice, before: slice | None, *, positive_only: bool
) -> FloatArray:
    """Return the area under each row, divided by the duration."""
    from scipy.integrate import trapezoid

    if before is not None:
        rows = rows - rows[:, before].mean(axis=1, keepdims=True)
    rows = rows[:, where]
    if positive_only:
        rows = np.where(rows > 0, rows, np.where(np.isnan(rows), np.nan, 0.0))
    return np.asarray(trapezoid(rows, times[where], axis=1) / (times[where][-1] - times[where][0]))


def _value(value: float, interval: FloatArray) -> str:
    if not np.isfinite(interval).all():
        return f"{value:.4g}"
    return f"{value:.4g} [{interval[0]:.4g}, {interval[1]:.4g}]"


def _share(value: float, interval: FloatArray) -> str:
    if not np.isfinite(interval).all():
        return f"{value:.0%}"
    return f"{value:.0%} [{interval[0]:.0%}, {interval[1]:.0%}]"
