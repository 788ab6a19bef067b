"""What a time course comes to: for each model its mean height, peak, onset, share of the ceiling, significant times."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from alignkit._check import counted, join_names
from alignkit._typing import BoolArray, FloatArray
from alignkit.meg import LabelTest, auc, onset, peak
from alignkit.meg._time_test import TimeTest

if TYPE_CHECKING:
    import pandas as pd

    from alignkit.meg import AreaUnderCurve, Latency, TimeCourse

Found = TypeVar("Found")
#: What there is to say, by whose model, and of what where that could not be summed up.
Notes: TypeAlias = dict[str, list[tuple[str, str]]]
#: A value and its interval, NaN where there is none.
Estimate: TypeAlias = tuple[float, FloatArray]
_NONE: Estimate = (float("nan"), np.full(2, np.nan))
#: Stretches of significant times that a line names.
_MOST = 3


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """One row per model; what could not be summed up is None there, and ``notes`` say why."""

    models: tuple[str, ...]
    areas: tuple[AreaUnderCurve | None, ...]
    peaks: tuple[Latency | None, ...]
    onsets: tuple[Latency | None, ...]
    significant: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per model, in numbers."""
        import pandas as pd

        return pd.DataFrame([self._numbers(k) for k in range(len(self.models))])

    def _numbers(self, k: int) -> dict[str, Any]:
        area = self.areas[k]
        row: dict[str, Any] = {"model": self.models[k], **_triple("mean", _mean(area))}
        row["unit"] = "" if area is None else area.unit
        row["tmin"], row["tmax"] = (np.nan, np.nan) if area is None else area.window
        for bound in ("lower", "upper"):
            row[f"share_{bound}"] = np.nan if area is None else getattr(area, f"share_{bound}")
        row |= _triple("peak", _amplitude(self.peaks[k])) | _triple("peak_s", _time(self.peaks[k]))
        return row | _triple("onset_s", _time(self.onsets[k])) | {"significant": self.significant[k]}

    def table(self) -> str:
        """Return one row per model, as text; nothing where there is nothing to say."""
        import pandas as pd

        rows = {
            "model": self.models,
            "mean": [_height(_mean(area)) for area in self.areas],
            "peak": [_height(_amplitude(top)) for top in self.peaks],
            "at, ms": [_latency(_time(top)) for top in self.peaks],
            "onset, ms": [_latency(_time(start)) for start in self.onsets],
            "of ceiling": [_share(area) for area in self.areas],
            "significant, ms": self.significant,
        }
        empty = ("", "-")
        table = pd.DataFrame({name: value for name, value in rows.items() if any(one not in empty for one in value)})
        return str(table.to_string(index=False, justify="left")) if len(table.columns) > 1 else ""


def summarise(
    course: TimeCourse,
    tests: dict[str, TimeTest] | LabelTest | None,
    *,
    tmin: float | None,
    tmax: float | None,
    baseline: tuple[float | None, float | None],
    onset_method: Any,
    seed: int,
) -> Summary:
    """Return the summary of every model; a model's warnings name it, and one of all models comes once."""
    options: dict[str, Any] = {
        "tmin": tmin,
        "tmax": tmax,
        "confidence": course.confidence,
        "n_bootstrap": course.n_bootstrap,
        "rng": seed,
    }
    later = course.times[course.times > 0]
    area_options = options | {"tmin": float(later[0]) if tmin is None and later.size > 1 else tmin}
    area_options |= {"of_ceiling": bool(course.pooling) and bool(np.isfinite(course.lower).any())}
    start = {**options, "method": onset_method, "baseline": baseline}
    notes: Notes = {}
    areas: list[AreaUnderCurve | None] = []
    peaks: list[Latency | None] = []
    onsets: list[Latency | None] = []
    for name in course.models:
        with _notes_of(name, notes):
            areas.append(_attempt("mean", partial(auc, course, model=name, **area_options), notes, name))
            peaks.append(_attempt("peak", partial(peak, course, model=name, **options), notes, name))
            onsets.append(_attempt("onset", partial(onset, course, model=name, **start), notes, name))
    return Summary(
        models=course.models,
        areas=tuple(areas),
        peaks=tuple(peaks),
        onsets=tuple(onsets),
        significant=tuple(_significant(tests, name, k) for k, name in enumerate(course.models)),
        notes=tuple(_shared_notes(notes, course.models)),
    )


def _attempt(what: str, work: Callable[[], Found], notes: Notes, name: str) -> Found | None:
    try:
        return work()
    except ValueError as error:
        notes.setdefault(str(error), []).append((name, what))
        return None


@contextmanager
def _notes_of(name: str, notes: Notes) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(one.message) for one in caught):
        notes.setdefault(text, []).append((name, ""))


def _shared_notes(notes: Notes, models: Sequence[str]) -> Iterator[str]:
    for text, where in notes.items():
        names = list(dict.fromkeys(name for name, _ in where))
        kinds = ", ".join(dict.fromkeys(what for _, what in where if what))
        of = "" if len(names) == len(models) else f"{join_names(names)}: "
        yield f"{of}{f'no {kinds}: ' if kinds else ''}{text}"


def _significant(tests: dict[str, TimeTest] | LabelTest | None, name: str, k: int) -> str:
    """Return when a model is significant, in ms."""
    if tests is None:
        return ""
    if isinstance(tests, LabelTest):
        most = int(tests.n_significant[k].max())
        mask = (tests.n_significant[k] == most) & (most > 0)
        lowest = float(tests.p_count[k][mask].min()) if most else np.nan
        when = _stretches(mask, tests.times)
        return f"{most} of {tests.n_subjects} at {when} (p = {lowest:.2g})" if most else f"0 of {tests.n_subjects}"
    test = tests.get(name)
    if test is None:
        return ""
    if test.significant.ndim > 1:
        return f"{int(test.significant.sum()):,} of {test.significant.size:,} cells"
    return _stretches(np.asarray(test.significant), test.times) or "never"


def _stretches(mask: BoolArray, times: FloatArray) -> str:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]))).reshape(-1, 2)
    spans = [(_ms(times[first]), _ms(times[end - 1])) for first, end in edges]
    words = [first if first == last else f"{first} to {last}" for first, last in spans]
    more = f" and {len(words) - _MOST} more" if len(words) > _MOST else ""
    return f"{', '.join(words[:_MOST])}{more}"


def ceiling_words(course: TimeCourse) -> str:
    """Return how many participants there are, and how high their ceiling goes."""
    who = counted(course.n_subjects, "participant")
    if not np.isfinite(course.lower).any() or not course.pooling:
        return f"ceiling: none ({who})"
    best = int(np.nanargmax(course.lower))
    return (
        f"ceiling: {course.lower[best]:.4f} (lower) to {course.upper[best]:.4f} (upper) at {_ms(course.times[best])} "
        f"ms, where it is highest; N = {who}, {course.pooling} pooling"
    )


def _mean(area: AreaUnderCurve | None) -> Estimate:
    return _NONE if area is None else (area.mean, area.interval)


def _amplitude(found: Latency | None) -> Estimate:
    return _NONE if found is None else (found.amplitude, found.amplitude_interval)


def _time(found: Latency | None) -> Estimate:
    return _NONE if found is None else (found.value, found.interval)


def _triple(name: str, estimate: Estimate) -> dict[str, float]:
    value, (low, high) = estimate
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}


def _height(estimate: Estimate) -> str:
    value, (low, high) = estimate
    if not np.isfinite(value):
        return "-"
    return f"{value:.4f}" + (f" [{low:.4f}, {high:.4f}]" if np.isfinite([low, high]).all() else "")


def _latency(estimate: Estimate) -> str:
    value, (low, high) = estimate
    if not np.isfinite(value):
        return "-"
    return _ms(value) + (f" [{_ms(low)}, {_ms(high)}]" if np.isfinite([low, high]).all() else "")


def _share(area: AreaUnderCurve | None) -> str:
    # a share of a ceiling that cannot be told from zero would be noise
    if area is None or not (area.ceiling_is_told and np.isfinite([area.share_lower, area.share_upper]).any()):
        return "-"
    return f"{_percent(area.share_upper)} to {_percent(area.share_lower)}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if np.isfinite(share) else "?"


def _ms(seconds: float) -> str:
    return f"{float(round(1000 * float(seconds), 1)):g}"
