"""What is told of every cell: each model's time course, its summaries and tests, and differences of models."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from alignkit._typing import FloatArray
from alignkit.meg import AreaUnderCurve, ClusterTest, Latency, TimeCourse

Row = dict[str, Any]
#: Seconds that latencies may be off times by rounding.
_SLACK = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ModelScore:
    """One model's time course in numbers.

    Attributes
    ----------
    model : str
        Name.
    mean, low, high : float
        Mean over the window of the group's mean curve, and its interval over people.
    per_person : ndarray, shape (people,)
        The same of each person's own curve.
    area : AreaUnderCurve or None
        Its area, and as a share of the noise ceiling's; none where there are fewer than three times.
    onset, peak : Latency or None
        When it begins to rise, and is highest.
    test : ClusterTest or None
        Whether it lies above zero at any time.
    p : float
        Of its heaviest cluster; where there are too few times for clusters, of the mean (one-sided sign flips).
    """

    model: str
    mean: float
    low: float
    high: float
    per_person: np.ndarray[Any, np.dtype[np.float64]]
    area: AreaUnderCurve | None
    onset: Latency | None
    peak: Latency | None
    test: ClusterTest | None
    p: float

    @property
    def above_zero(self) -> bool:
        """Whether the curve lies above zero at any time by :attr:`test`; not so where there is none."""
        return self.test is not None and self.p <= self.test.alpha

    @property
    def onset_told(self) -> bool:
        """Whether the curve lies above zero after its onset by the test, so that there is something to begin."""
        late = None if self.test is None else self.test.significant & (self.test.times >= 0)
        if self.onset is None or late is None or self.test is None or not math.isfinite(self.onset.value):
            return False
        return self.above_zero and bool(late[self.test.times >= self.onset.value - _SLACK].any())

    @property
    def peak_told(self) -> bool:
        """Whether the peak is at a time at which the curve lies above zero by the test."""
        if self.peak is None or self.test is None or not math.isfinite(self.peak.value):
            return False
        nearest = int(np.abs(self.test.times - self.peak.value).argmin())
        return self.above_zero and bool(self.test.significant[nearest])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ModelDifference:
    """How much higher one model's mean over the window lies than another's, within people.

    Attributes
    ----------
    model, other : str
        Names.
    difference, low, high : float
        The difference of their means, and its interval over people.
    p : float
        Of that difference (two-sided sign flips of people).
    p_cluster : float
        Of the heaviest cluster of the difference over time (two-sided); NaN where there are too few times.
    """

    model: str
    other: str
    difference: float
    low: float
    high: float
    p: float
    p_cluster: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CellScores:
    """All scores of some items and some people.

    Attributes
    ----------
    name : str
        Which items and people.
    items : {"train", "val", "held_out"}
        Which side of the split the items are on.
    people : {"train", "held_out"}
        Whether anything was trained on these people.
    in_sample : bool
        Whether the model was trained on these items of these people.
    other_sessions : bool
        Whether people's RDMs are of sessions that nothing was trained on.
    n_items : int
        Items.
    course : TimeCourse
        Every model and every person over time, with the noise ceiling.
    window : tuple of float
        First and last second of the means.
    lower, upper : float
        Mean over the window of the noise ceiling's bounds.
    models : tuple of ModelScore
        Each model's numbers, in the order of the time course.
    differences : tuple of ModelDifference
        Of every two models, the one named first minus the other.
    """

    name: str
    items: str
    people: str
    in_sample: bool
    other_sessions: bool
    n_items: int
    course: TimeCourse
    window: tuple[float, float]
    lower: float
    upper: float
    models: tuple[ModelScore, ...]
    differences: tuple[ModelDifference, ...]

    @property
    def n_people(self) -> int:
        """Number of people."""
        return self.course.n_subjects

    @property
    def timed(self) -> bool:
        """Whether there are enough times for curves."""
        return len(self.course.times) > 2

    def model(self, name: str) -> ModelScore:
        """Return the numbers of one model.

        Raises
        ------
        ValueError
            No such model.
        """
        return self.models[self.course.position(name)]

    def rows(self) -> Iterator[Row]:
        """Yield a row per quantity: the ceiling's, each model's, and those of differences."""
        where: Row = {
            "cell": self.name,
            "items": self.items,
            "people": self.people,
            "in_sample": self.in_sample,
            "other_sessions": self.other_sessions,
            "n_items": self.n_items,
            "n_people": self.n_people,
        }
        window: Row = {"tmin": self.window[0], "tmax": self.window[1]}
        for bound in ("lower", "upper"):
            yield where | _row("noise ceiling", f"mean of {bound} bound", getattr(self, bound), unit="rho") | window
        for one in self.models:
            for row in _rows_of(one):
                yield where | row | window
        for gap in self.differences:
            name = f"{gap.model} - {gap.other}"
            yield where | _row(name, "difference of means", gap.difference, gap.low, gap.high, "rho", gap.p) | window
            if math.isfinite(gap.p_cluster):
                yield where | _row(name, "difference over time", unit="cluster", p=gap.p_cluster)


def _rows_of(one: ModelScore) -> Iterator[Row]:
    yield _row(one.model, "mean", one.mean, one.low, one.high, "rho", one.p if one.test is None else math.nan)
    if one.area is not None:
        area = one.area
        yield _row(one.model, "AUC", 1e3 * area.integral, *_ms(area.integral_interval), unit="rho ms")
        for bound in ("lower", "upper") if area.ceiling_is_told else ():
            share = getattr(area, f"share_{bound}")
            bounds = getattr(area, f"share_{bound}_interval")
            yield _row(one.model, f"share of the ceiling's {bound} bound", share, float(bounds[0]), float(bounds[1]))
    for found in (one.onset, one.peak):
        if found is not None:
            yield _row(one.model, found.measure, 1e3 * found.value, *_ms(found.interval), unit="ms")
    if one.peak is not None:
        low, high = one.peak.amplitude_interval
        yield _row(one.model, "peak height", one.peak.amplitude, float(low), float(high), "rho")
    if one.test is not None:
        yield _row(one.model, "above 0 over time", unit="cluster", p=one.p)


def _ms(interval: FloatArray) -> tuple[float, float]:
    return 1e3 * float(interval[0]), 1e3 * float(interval[1])


def _row(
    model: str,
    quantity: str,
    value: float = math.nan,
    low: float = math.nan,
    high: float = math.nan,
    unit: str = "",
    p: float = math.nan,
) -> Row:
    numbers = {"value": value, "low": low, "high": high}
    return {"model": model, "quantity": quantity, **numbers, "unit": unit, "p": p}
