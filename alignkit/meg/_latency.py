"""What onsets and peaks share: a rule, applied to the group, to each subject and to resamples."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._check import check_choice
from alignkit._random import as_rng
from alignkit._typing import FloatArray, RNGLike
from alignkit.meg._bootstrap_interval import INTERVALS, Interval
from alignkit.meg._curves import GroupCurves
from alignkit.meg._hierarchical_bootstrap import Statistic, summarise
from alignkit.meg._latency_result import Latency
from alignkit.rsa._intervals import check_bootstrap
from alignkit.rsa._nan import report_undefined


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LatencyRule:
    """How a latency (and, for peaks, its amplitude) is read off curves, and how that is told.

    ``fixed`` rules rest on what was given, not on the curves: resampling those would say nothing of it.
    """

    kind: str
    method: str
    words: str
    statistic: Statistic
    window: tuple[float, float]
    baseline: tuple[float, float] | None = None
    interpolate: bool = False
    fixed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Resampling:
    """Which interval is asked for, checked."""

    interval: Interval
    confidence: float
    n_bootstrap: int

    def __post_init__(self) -> None:
        check_choice("interval", self.interval, INTERVALS)
        check_bootstrap(self.n_bootstrap, self.confidence)


def latency_of(curves: GroupCurves, rule: LatencyRule, options: Resampling, rng: RNGLike) -> Latency:
    """Return the latency of the group's mean curve by a rule, with a warning where there is none."""
    drawn = 0 if rule.fixed or options.interval == "jackknife" else options.n_bootstrap
    found = summarise(
        curves,
        rule.statistic,
        interval=options.interval,
        confidence=options.confidence,
        n_bootstrap=drawn,
        rng=as_rng(rng),
        fixed=rule.fixed,
    )
    undefined = np.isnan(found.value[:1]).any()
    report_undefined(
        f"the mean curve has no {rule.kind} by", [rule.method] if undefined else [], "propagate", stacklevel=4
    )
    peak = found.value.shape[0] > 1
    nothing = np.full(curves.n_subjects, np.nan)
    return Latency(
        measure=rule.kind,
        value=float(found.value[0]),
        interval=found.interval[:, 0],
        amplitude=float(found.value[1]) if peak else float("nan"),
        amplitude_interval=found.interval[:, 1] if peak else np.full(2, np.nan),
        per_subject=found.per_subject[:, 0],
        per_subject_amplitude=found.per_subject[:, 1] if peak else nothing,
        subjects=curves.subjects,
        unit=curves.unit,
        resolution=curves.resolution,
        window=rule.window,
        baseline=rule.baseline,
        method=rule.method,
        words=rule.words,
        interpolate=rule.interpolate,
        interval_method=options.interval,
        confidence=float(options.confidence),
        n_bootstrap=len(found.samples),
        n_undefined=int(np.isnan(found.samples[:, 0]).sum()),
        n_sessions=curves.n_sessions,
        name=curves.name,
    )


def span(times: FloatArray, where: slice) -> tuple[float, float]:
    """Return the first and last second of a stretch of samples."""
    return float(times[where.start]), float(times[where.stop - 1])
