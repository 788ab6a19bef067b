"""Latencies of curves and of their differences, as results."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted
from alignkit._typing import FloatArray
from alignkit.meg._bootstrap_interval import INTERVALS
from alignkit.meg._drawn import Drawn

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Latency(Drawn):
    """When the group's mean curve begins to rise, or is highest, with its interval.

    Attributes
    ----------
    measure : {"onset", "peak"}
        What was looked for.
    value : float
        Seconds, in the mean curve of the group; NaN where there is none.
    interval : ndarray, shape (2,)
        Its interval over subjects (and their sessions); NaN where it was not computed.
    amplitude : float
        Height of the mean curve at its peak, in ``unit``; NaN for onsets.
    amplitude_interval : ndarray, shape (2,)
        Of the amplitude.
    per_subject, per_subject_amplitude : ndarray, shape (subject,)
        The same of each subject's own curve; NaN where there is none. Single curves are noisy.
    subjects : tuple of str
        Names.
    unit : str
        What the curves are in.
    resolution : float
        Seconds from one sample to the next.
    window : tuple of float
        First and last second that were searched.
    baseline : tuple of float, or None
        First and last second of the baseline.
    method : str
        The rule.
    words : str
        The rule, as a clause.
    interpolate : bool
        Whether latencies may lie between samples.
    interval_method : str
        How the interval was computed.
    confidence : float
        Level of the interval.
    n_bootstrap, n_undefined : int
        Resamples drawn, and those in which there is no such latency.
    n_sessions : int
        Largest number of sessions of a subject.
    name : str
        Model that the curves belong to, where that is known.
    """

    measure: str
    value: float
    interval: np.ndarray[Any, np.dtype[np.float64]]
    amplitude: float
    amplitude_interval: np.ndarray[Any, np.dtype[np.float64]]
    per_subject: np.ndarray[Any, np.dtype[np.float64]]
    per_subject_amplitude: np.ndarray[Any, np.dtype[np.float64]]
    subjects: tuple[str, ...]
    unit: str
    resolution: float
    window: tuple[float, float]
    baseline: tuple[float, float] | None
    method: str
    words: str
    interpolate: bool
    interval_method: str
    confidence: float
    n_bootstrap: int
    n_undefined: int
    n_sessions: int
    name: str

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return len(self.subjects)

    def __repr__(self) -> str:
        height = f", height {self.amplitude:.4g} {self.unit}" if np.isfinite(self.amplitude) else ""
        of = f" of {self.name!r}" if self.name else ""
        return (
            f"<Latency {self.measure}{of} {in_ms(self.value, self.interval)}{height}; {self.method}, "
            f"{level(self)}, {counted(self.n_subjects, 'subject')}{undefined(self)}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for the group and one per subject: ``latency`` in s, ``amplitude``, and the bounds of both."""
        import pandas as pd

        nothing = np.full(self.n_subjects, np.nan)
        columns = {
            "participant": ["group", *self.subjects],
            "latency": np.append(self.value, self.per_subject),
            "low": np.append(self.interval[0], nothing),
            "high": np.append(self.interval[1], nothing),
            "amplitude": np.append(self.amplitude, self.per_subject_amplitude),
            "amplitude_low": np.append(self.amplitude_interval[0], nothing),
            "amplitude_high": np.append(self.amplitude_interval[1], nothing),
        }
        return pd.DataFrame(columns).assign(measure=self.measure, method=self.method, model=self.name)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        subject = "The onset" if self.measure == "onset" else "The peak"
        baseline = f"; baseline {_span(self.baseline)}" if self.baseline else ""
        return (
            f"{subject} of the mean curve of {counted(self.n_subjects, 'subject')} was {self.words} (searched from "
            f"{_span(self.window)}{baseline}; {_sampling(self)}){resampling(self, self.n_sessions)}."
        )

    def _title(self) -> str:
        return f"{self.measure.capitalize()}: {self.name}" if self.name else self.measure.capitalize()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each subject's latency, and the group's with its interval."""
        from alignkit.meg._draw_estimates import plot_latency

        return plot_latency(self, ax)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class LatencyDifference(Drawn):
    """How much later one mean curve begins to rise, or peaks, than another.

    Attributes
    ----------
    measure : {"onset", "peak"}
        What was looked for.
    value : float
        Seconds by which the first comes later than the second; NaN where one has none.
    interval : ndarray, shape (2,)
        Its interval over subjects (and their sessions).
    value_a, value_b : float
        Both latencies, in seconds.
    per_subject : ndarray, shape (subject,)
        The difference of each subject's own curves; none where other people stand on either side.
    subjects : tuple of str
        Names; none where other people stand on either side.
    paired : bool
        Whether the same subjects stand on both sides and were drawn together.
    n_subjects : tuple of int
        On either side.
    n_sessions : int
        Largest number of sessions of a subject.
    method : str
        The rule.
    words : str
        The rule, as a clause.
    interval_method : str
        How the interval was computed.
    confidence : float
        Level of the interval.
    n_bootstrap, n_undefined : int
        Resamples drawn, and those in which one side has no such latency.
    names : tuple of str
        What stands on either side.
    """

    measure: str
    value: float
    interval: np.ndarray[Any, np.dtype[np.float64]]
    value_a: float
    value_b: float
    per_subject: np.ndarray[Any, np.dtype[np.float64]]
    subjects: tuple[str, ...]
    paired: bool
    n_subjects: tuple[int, int]
    n_sessions: int
    method: str
    words: str
    interval_method: str
    confidence: float
    n_bootstrap: int
    n_undefined: int
    names: tuple[str, str]

    def __repr__(self) -> str:
        each = f"{_ms(self.value_a)} - {_ms(self.value_b)}"
        who = (
            f"{self.n_subjects[0]} subjects"
            if self.paired
            else f"{self.n_subjects[0]} and {self.n_subjects[1]} subjects"
        )
        return (
            f"<LatencyDifference {self.measure} {in_ms(self.value, self.interval)} ({self.names[0]} minus "
            f"{self.names[1]}: {each}); {self.method}, {level(self)}, {'paired' if self.paired else 'unpaired'}, "
            f"{who}{undefined(self)}>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for the group and, paired, one per subject: the ``difference`` in s and its bounds."""
        import pandas as pd

        nothing = np.full(len(self.subjects), np.nan)
        columns = {
            "participant": ["group", *self.subjects],
            "difference": np.append(self.value, self.per_subject),
            "low": np.append(self.interval[0], nothing),
            "high": np.append(self.interval[1], nothing),
        }
        return pd.DataFrame(columns).assign(measure=self.measure, method=self.method, a=self.names[0], b=self.names[1])

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        n = self.n_subjects
        who = f"the same {n[0]} subjects" if self.paired else f"{n[0]} and {n[1]} subjects"
        return (
            f"The {self.measure}s of two mean curves ({self.names[0]}, {self.names[1]}; {who}), each {self.words}, "
            f"were subtracted{resampling(self, self.n_sessions)}."
        )

    def _title(self) -> str:
        return f"Difference of {self.measure}s: {self.names[0]} minus {self.names[1]}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each subject's difference, and the group's with its interval."""
        from alignkit.meg._draw_estimates import plot_difference

        return plot_difference(self, ax)


def in_ms(value: float, interval: FloatArray) -> str:
    """Return a latency and its interval in milliseconds."""
    if not np.isfinite(interval).all():
        return f"{_ms(value)} ms"
    return f"{_ms(value)} ms [{_ms(interval[0])}, {_ms(interval[1])}]"


def level(result: Any) -> str:
    """Return which interval a result has, in a few words."""
    has = bool(np.isfinite(result.interval).all())
    return f"{result.confidence:.0%} {result.interval_method}" if has else "no interval"


def undefined(result: Any) -> str:
    """Return how many resamples are undefined, where any is."""
    return f"; undefined in {result.n_undefined:,} of {result.n_bootstrap:,} resamples" if result.n_undefined else ""


def resampling(result: Any, n_sessions: int) -> str:
    """Return the clause that says how an interval came about; empty without one."""
    if not np.isfinite(result.interval).all():
        return ""
    kind = f"{result.confidence:.0%} {INTERVALS[result.interval_method]}"
    if result.interval_method == "jackknife":
        return f", with a {kind} over subjects"
    drawn = "subjects, and sessions within each drawn subject," if n_sessions > 1 else "subjects"
    missing = getattr(result, "n_undefined", 0)
    without = f"; {missing:,} without a value left out" if missing else ""
    return f", with a {kind} ({drawn} drawn with replacement, {result.n_bootstrap:,} resamples{without})"


def _ms(seconds: float) -> str:
    return f"{float(round(1000 * seconds, 2)):g}" if np.isfinite(seconds) else "NaN"


def _span(seconds: tuple[float, float]) -> str:
    return f"{seconds[0]:g} to {seconds[1]:g} s"


def _sampling(result: Latency) -> str:
    between = "latencies may lie between samples" if result.interpolate else "latencies are those of samples"
    return f"one sample every {_ms(result.resolution)} ms, {between}"
