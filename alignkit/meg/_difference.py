"""How much later one curve begins to rise, or peaks, than another."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import check_choice, join_names, shown
from alignkit._random import as_rng
from alignkit._threads import one_blas_thread
from alignkit._typing import ArrayLike, FloatArray, RNGLike
from alignkit.meg._bootstrap_interval import Interval, interval_of
from alignkit.meg._curves import GroupCurves, as_curves
from alignkit.meg._hierarchical_bootstrap import Statistic, Summary, resample, summarise
from alignkit.meg._latency import LatencyRule, Resampling
from alignkit.meg._latency_result import LatencyDifference
from alignkit.meg._onset import OnsetMethod, onset_rule
from alignkit.meg._peak import peak_rule
from alignkit.meg._timecourse_result import TimeCourse
from alignkit.rsa._nan import report_undefined

Kind = Literal["onset", "peak"]


def latency_difference(
    a: ArrayLike | TimeCourse,
    b: ArrayLike | TimeCourse,
    /,
    *,
    kind: Kind = "onset",
    times: ArrayLike | None = None,
    models: tuple[str | int, str | int] | None = None,
    paired: bool | None = None,
    method: OnsetMethod | None = None,
    fraction: float | None = None,
    k: int | None = None,
    alpha: float | None = None,
    baseline: tuple[float | None, float | None] | None = None,
    tmin: float | None = None,
    tmax: float | None = None,
    interpolate: bool = False,
    interval: Interval = "expanded",
    confidence: float = 0.95,
    n_bootstrap: int = 1000,
    rng: RNGLike = None,
) -> LatencyDifference:
    """Subtract the onsets or peaks of two groups of curves, with an interval from resampling the difference.

    Two latencies may differ though their intervals overlap; the difference has its own. The same subjects on both
    sides are drawn together.

    Parameters
    ----------
    a, b : TimeCourse, or array_like, shape (subject, time) or (subject, session, time)
        Curves of two conditions, models or groups of people; the latency of ``b`` is subtracted from that of ``a``.
        Two models of one time course: pass it twice, with ``models``.
    kind : {"onset", "peak"}
        Which latency.
    times : array_like, shape (time,), optional
        Seconds, for arrays.
    models : tuple of str or int, optional
        Which models of the time courses, one for ``a`` and one for ``b``.
    paired : bool, optional
        Whether the rows of both are the same subjects. By default, subjects of time courses are matched by name, and
        arrays count as paired where they hold as many subjects (and sessions).
    method, fraction, k, alpha, baseline
        As in :func:`onset`; only for onsets.
    tmin, tmax : float, optional
        Seconds that are searched, both included; by default as in :func:`onset` and :func:`peak`.
    interpolate : bool
        Let latencies lie between samples.
    interval : {"expanded", "percentile", "basic", "bca", "jackknife"}
        Kind of interval, as in :func:`onset`; the last two only where paired.
    confidence : float
        Its level.
    n_bootstrap : int
        Resamples; 0 for no interval.
    rng : numpy Generator, int or None
        Seed of the draws.

    Returns
    -------
    LatencyDifference
        In seconds: positive where ``a`` comes later.

    Raises
    ------
    ValueError
        Curves that do not fit, pairing that cannot be, options that are unknown or not the rule's.
    TypeError
        Values that are not real numbers.

    Notes
    -----
    What a rule is late by cancels in a difference where both curves have the same shape and signal-to-noise ratio.
    Thresholds (``"longest-run"``, ``"consecutive"``) find the weaker of two signals later, though both begin together.

    References
    ----------
    Miller, Patterson & Ulrich (1998), doi:10.1111/1469-8986.3510099 (the jackknife); Rousselet (2025),
    doi:10.1111/ejn.16618 (the hierarchical bootstrap of latencies).

    Examples
    --------
    >>> import numpy as np
    >>> times = np.arange(-20, 61) * 0.005
    >>> early = np.clip((times - 0.08) / 0.05, 0, 1)
    >>> late = np.clip((times - 0.10) / 0.05, 0, 1)
    >>> noise = np.random.default_rng(0).normal(0, 0.02, (2, 12, 81))
    >>> latency_difference(late + noise[0], early + noise[1], times=times, rng=0)
    <LatencyDifference onset 20 ms [20, 20] (a minus b: 100 - 80); broken-line, 95% expanded, paired, 12 subjects>
    """
    check_choice("kind", kind, get_args(Kind))
    first, second = _two_models(models)
    left = as_curves(a, times if not isinstance(a, TimeCourse) else None, first, name="a")
    right = as_curves(b, times if not isinstance(b, TimeCourse) else None, second, name="b")
    resampling = Resampling(interval, confidence, n_bootstrap)
    right = _in_order_of(left, right)
    together = _paired(left, right, paired)
    generator = as_rng(rng)
    of_onset = {"method": method, "fraction": fraction, "k": k, "alpha": alpha, "baseline": baseline}
    chosen: dict[str, Any] = {name: value for name, value in of_onset.items() if value is not None}
    chosen |= {"tmin": tmin, "tmax": tmax, "interpolate": interpolate}
    rules = [_rule(kind, curves, generator, chosen) for curves in (left, right)]
    if together:
        found = _subtract_paired(left, right, rules, resampling, generator)
    else:
        found = _subtract_unpaired(left, right, rules, resampling, generator)
    missing = [name for name, value in zip(("a", "b"), found.value, strict=False) if np.isnan(value)]
    report_undefined(f"the mean curve has no {kind}", missing, "propagate")
    return LatencyDifference(
        measure=kind,
        value=float(found.value[2]),
        interval=found.interval[:, 2],
        value_a=float(found.value[0]),
        value_b=float(found.value[1]),
        per_subject=found.per_subject[:, 2],
        subjects=left.subjects if together else (),
        paired=together,
        n_subjects=(left.n_subjects, right.n_subjects),
        n_sessions=max(left.n_sessions, right.n_sessions),
        method=rules[0].method,
        words=rules[0].words,
        interval_method=interval,
        confidence=float(confidence),
        n_bootstrap=len(found.samples),
        n_undefined=int(np.isnan(found.samples[:, 2]).sum()),
        names=(left.name or "a", right.name or "b"),
    )


def _two_models(models: object) -> tuple[Any, Any]:
    if models is None:
        return None, None
    if isinstance(models, str) or not isinstance(models, tuple | list) or len(models) != 2:
        msg = f"models must name two models, one for a and one for b; got {shown(models)}."
        raise ValueError(msg)
    return models[0], models[1]


def _rule(kind: str, curves: GroupCurves, rng: np.random.Generator, options: dict[str, Any]) -> LatencyRule:
    if kind == "onset":
        return onset_rule(curves, rng, **options)
    unused = [name for name in options if name not in ("tmin", "tmax", "interpolate")]
    if unused:
        msg = f"{join_names(unused)} belongs to onsets; kind='peak' does not use it."
        raise ValueError(msg)
    return peak_rule(curves, **options)


def _in_order_of(a: GroupCurves, b: GroupCurves) -> GroupCurves:
    """Return b with its subjects in the order of those of a, where they are the same by name."""
    if not (a.named and b.named) or a.subjects == b.subjects or sorted(a.subjects) != sorted(b.subjects):
        return b
    order = [b.subjects.index(name) for name in a.subjects]
    return dataclasses.replace(b, values=b.values[order], present=b.present[order], subjects=a.subjects)


def _paired(a: GroupCurves, b: GroupCurves, paired: object) -> bool:
    """Return whether rows are the same subjects, or raise where they cannot be."""
    if paired is not None and not isinstance(paired, bool | np.bool_):
        msg = f"paired must be True, False or None; got {shown(paired)}."
        raise TypeError(msg)
    same = a.present.shape == b.present.shape and bool((a.present == b.present).all())
    if a.named and b.named:
        same = same and a.subjects == b.subjects
    if paired and not same:
        msg = (
            f"a and b cannot be paired: {a.n_subjects} and {b.n_subjects} subjects, with up to {a.n_sessions} and "
            f"{b.n_sessions} sessions, differ in their number, names or sessions; pass paired=False."
        )
        raise ValueError(msg)
    return same if paired is None else bool(paired)


def _subtract_paired(
    a: GroupCurves, b: GroupCurves, rules: list[LatencyRule], options: Resampling, rng: np.random.Generator
) -> Summary:
    """Return (a, b, a - b), drawing the same subjects and sessions for both: their curves stand end to end."""
    n = a.times.size
    both = GroupCurves(
        np.concatenate([a.values, b.values], axis=-1),
        a.present,
        np.concatenate([a.times, b.times]),
        a.subjects,
        a.named,
        a.unit,
    )
    left, right = (rule.statistic for rule in rules)

    def compute(mean: FloatArray, t: FloatArray | None) -> FloatArray:
        parts = (None, None) if t is None else (t[:, :n], t[:, n:])
        return _with_difference(left.compute(mean[:, :n], parts[0]), right.compute(mean[:, n:], parts[1]))

    def of_subject(one: FloatArray) -> FloatArray:
        return _with_difference(left.of_subject(one[:, :n]), right.of_subject(one[:, n:]))

    return summarise(
        both,
        Statistic(compute, of_subject, needs_t=left.needs_t),
        interval=options.interval,
        confidence=options.confidence,
        n_bootstrap=0 if options.interval == "jackknife" else options.n_bootstrap,
        rng=rng,
    )


@one_blas_thread()
def _subtract_unpaired(
    a: GroupCurves, b: GroupCurves, rules: list[LatencyRule], options: Resampling, rng: np.random.Generator
) -> Summary:
    """Return (a, b, a - b), drawing the subjects of each side by themselves."""
    if options.interval in ("bca", "jackknife"):
        msg = f"interval={options.interval!r} leaves out one subject of both sides, and these are not paired."
        raise ValueError(msg)
    values, samples = [], []
    for curves, rule in zip((a, b), rules, strict=True):
        alone = summarise(
            curves, rule.statistic, interval="percentile", confidence=options.confidence, n_bootstrap=0, rng=rng
        )
        values.append(alone.value[None])
        samples.append(resample(curves, rule.statistic, options.n_bootstrap, rng))
    value, drawn = _with_difference(*values)[0], _with_difference(*samples)
    n_units = min(a.n_subjects, b.n_subjects)
    bounds = interval_of(options.interval, value, drawn, None, n_units, options.confidence)
    return Summary(value, np.empty((0, 3)), drawn, bounds)


def _with_difference(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the latencies of both and their difference, shape (n, 3)."""
    return np.column_stack([a[:, 0], b[:, 0], a[:, 0] - b[:, 0]])
