"""Areas under time courses: lines of the table, in units that say what was integrated, beside the ceiling's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.integrate import trapezoid

from alignkit._typing import FloatArray
from alignkit.score._courses import Courses
from alignkit.score._layers import percent
from alignkit.score._paired import bootstrap_mean
from alignkit.score._rdms import central_range
from alignkit.score._row import NOT_FITTED, Role, Scored, ScoreRow, Settings, Unit

#: Seconds: times are sums of steps, and not what is written for them.
_TINY = 1e-9
#: Fewer people have no interval that a ceiling could be told from zero by.
_FEWEST = 3
_UNITS = {"spearman": "rho", "pearson": "r"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """The areas from 0 ms on under all curves of one part, in ``unit`` x ms."""

    part: str
    courses: Courses
    settings: Settings
    n_group: int
    """How many people the mean RDM is of."""

    @property
    def _after(self) -> slice:
        return slice(int(np.searchsorted(self.courses.course.times, -_TINY)), None)

    @property
    def milliseconds(self) -> tuple[float, float]:
        """First and last time of the area."""
        times = 1e3 * self.courses.course.times[self._after]
        return round(float(times[0]), 3), round(float(times[-1]), 3)

    @property
    def measure(self) -> str:
        """What is measured, with its window and units."""
        first, last = self.milliseconds
        method = self.settings.method
        return f"AUC of {method} over time, {first:g} to {last:g} ms ({_UNITS.get(method, method)} x ms)"

    def under(self, curves: FloatArray) -> FloatArray:
        """Return the area under each curve, shape (..., time); NaN where one of its values is."""
        times = 1e3 * self.courses.course.times[self._after]
        return np.asarray(trapezoid(curves[..., self._after], times, axis=-1))

    def score(self, name: str, *, role: Role = "model", split: str | None = None) -> Scored:
        """Return the lines of one model: its area, its mean height, and its area as the papers compute it."""
        row = self._template(name, role, NOT_FITTED if split is None else split)
        position = self.courses.course.position(name)
        areas = self.under(self.courses.course.similarity[position])
        low, high = bootstrap_mean(areas, self.settings)
        value = float(areas.mean())
        row = dataclasses.replace(row, value=value, low=low, high=high, percent_of_ceiling=self._percent(value))
        group = float(self.under(self.courses.group[position]))
        rows = (row, self._height(row), self._published(row, group))
        return Scored(rows, (Unit(row, areas),) if role == "model" else ())

    def shuffled(self, names: Sequence[str]) -> ScoreRow:
        """Return the baseline of several shuffled RDMs: the mean of their areas and their central range."""
        course = self.courses.course
        areas = [float(self.under(course.similarity[course.position(name)]).mean()) for name in names]
        value, low, high = central_range(areas, self.settings)
        row = self._template("shuffled items", "baseline", "")
        return dataclasses.replace(
            row, value=value, low=low, high=high, over="shuffles", percent_of_ceiling=self._percent(value)
        )

    def _template(self, name: str, role: Role, split: str) -> ScoreRow:
        course = self.courses.course
        return ScoreRow(
            model=name,
            role=role,
            part=self.part,
            measure=self.measure,
            value=math.nan,
            over="subjects",
            n=course.n_pairs,
            n_items=course.n_items,
            ceiling_low=float(self.under(course.lower)),
            ceiling_high=float(self.under(course.upper)),
            ceiling=(
                f"{course.n_subjects} subjects, {course.pooling} pooling: area under the similarity to others' mean "
                "(low), to everyone's mean (high)"
            ),
            split=split,
            primary=True,
        )

    def _percent(self, value: float) -> float:
        """Return the share of the lower ceiling's area; NaN where that cannot be told from zero."""
        per_person = self.under(self.courses.course.lower_per_subject)
        told = len(per_person) >= _FEWEST and not bootstrap_mean(per_person, self.settings)[0] <= 0
        first, last = self.milliseconds
        return percent(value / (last - first), float(per_person.mean()) / (last - first), 0.0 if told else None)

    def _height(self, row: ScoreRow) -> ScoreRow:
        """Return the area divided by its duration, which compares between data sets."""
        first, last = self.milliseconds
        names = ("value", "low", "high", "ceiling_low", "ceiling_high")
        heights: dict[str, Any] = {name: getattr(row, name) / (last - first) for name in names}
        measure = f"mean {self.settings.method} over time, {first:g} to {last:g} ms"
        return dataclasses.replace(row, **heights, measure=measure, primary=False)

    def _published(self, row: ScoreRow, value: float) -> ScoreRow:
        """Return the area under the similarity to the mean RDM, which no ceiling of single people bounds."""
        nothing: dict[str, Any] = {"low": math.nan, "high": math.nan, "ceiling_low": math.nan, "ceiling_high": math.nan}
        return dataclasses.replace(
            row,
            **nothing,
            value=value,
            over="",
            ceiling="",
            percent_of_ceiling=math.nan,
            measure=f"as published: the same with the mean RDM of {self.n_group} people (may pass the ceiling)",
            primary=False,
        )
