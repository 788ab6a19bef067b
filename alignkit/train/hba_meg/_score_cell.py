"""Scoring models in one cell: time courses beside their ceiling, summaries over people, tests, and differences."""

from __future__ import annotations

import dataclasses
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from alignkit._check import NanPolicy, counted, join_names
from alignkit._random import as_rng
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.meg import TimeCourse, auc, cluster_test, max_test, onset, peak, timecourse
from alignkit.meg._curves import stretch
from alignkit.rsa import RDM
from alignkit.rsa._mean_interval import FEWEST, mean_interval
from alignkit.rsa._sign_flips import Tail
from alignkit.train.hba_meg._cell_scores import CellScores, ModelDifference, ModelScore
from alignkit.train.hba_meg._cells import Cell
from alignkit.train.hba_meg._data import HBAMEGData
from alignkit.train.hba_meg._missing_pairs import count_missing, told_blank, told_missing

#: Rows of the data to the labelled RDM of these items: without axes, or over ``("time",)``.
Predictor = Callable[[IntArray], RDM]
#: Fewer pairs have no correlation worth a place in a curve.
_MIN_PAIRS = 6
#: Times that a curve has at least.
_MIN_TIMES = 3
#: Samples that an onset needs before and after zero.
_MIN_SIDE = 2
METHOD: Literal["spearman"] = "spearman"
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True, slots=True)
class Numbers:
    """How scores are computed, the same in every cell."""

    window_s: tuple[float, float] | None
    n_bootstrap: int
    n_permutations: int
    seed: int


class Notes:
    """What to know about the numbers: each sentence once, with the cells and models it is about."""

    def __init__(self) -> None:
        self._about: dict[str, list[str]] = {}

    def add(self, about: str, text: str) -> None:
        """Keep a sentence about something, if there is one."""
        if not text:
            return
        whom = self._about.setdefault(text[:1].upper() + text[1:], [])
        if about not in whom:
            whom.append(about)

    @contextmanager
    def warned(self, about: str) -> Iterator[None]:
        """Keep what is warned of; what is no warning about numbers is warned of all the same."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for one in caught:
            if issubclass(one.category, RuntimeWarning):
                self.add(about, str(one.message))
            else:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)

    def __iter__(self) -> Iterator[str]:
        """Yield every sentence with what it is about."""
        for text, about in self._about.items():
            yield f"{text} ({join_names(about, 3)})"


def score_cell(
    data: HBAMEGData, cell: Cell, models: Mapping[str, Predictor], numbers: Numbers, notes: Notes
) -> CellScores | None:
    """Return all scores of a cell; None where nobody in it has a number at every time."""
    people = _complete(data.movie(cell.rows, cell.names, test=cell.other_sessions), cell, notes)
    if people is None:
        return None
    with warnings.catch_warnings():  # told of by name below
        warnings.filterwarnings("ignore", "items with constant patterns", RuntimeWarning)
        predicted = {name: predict(cell.rows) for name, predict in models.items()}
    for name, rdm in predicted.items():
        notes.add(f"{name}: {cell.name}", told_blank(rdm))
    with notes.warned(cell.name):
        course = _course(predicted, people, numbers)
    where = within(course.times, numbers.window_s)
    window = (float(course.times[where][0]), float(course.times[where][-1]))
    bounds = height(np.stack([course.lower, course.upper]), course.times, where)
    return CellScores(
        name=cell.name,
        items=cell.items,
        people=cell.people,
        in_sample=cell.in_sample,
        other_sessions=cell.other_sessions,
        n_items=len(cell.rows),
        course=course,
        window=window,
        lower=float(bounds[0]),
        upper=float(bounds[1]),
        models=tuple(_model_score(course, name, where, numbers, notes, cell.name) for name in course.models),
        differences=tuple(
            _difference(course, a, b, where, numbers, notes, cell.name)
            for a, b in itertools.combinations(course.models, 2)
        ),
    )


def within(times: FloatArray, window: tuple[float, float] | None, /) -> slice:
    """Return the samples of the window: by default those from 0 on, or all where none are.

    Raises
    ------
    ValueError
        A window without a sample.
    """
    if window is None:
        first = int(np.searchsorted(times, 0.0))
        return slice(first if first < len(times) else 0, len(times))
    if len(times) > 1:
        return stretch(times, window[0], window[1], "the window")
    if not window[0] <= times[0] <= window[1]:
        msg = f"the window from {window[0]:g} to {window[1]:g} s holds no sample; the only one is at {times[0]:g} s."
        raise ValueError(msg)
    return slice(0, 1)


def height(curves: FloatArray, times: FloatArray, where: slice, /) -> FloatArray:
    """Return the mean height of curves, shape (..., time), over a stretch: the area by trapezoids per second."""
    from scipy.integrate import trapezoid

    x = times[where]
    if len(x) == 1:
        return np.asarray(curves[..., where][..., 0])
    return np.asarray(trapezoid(curves[..., where], x, axis=-1) / (x[-1] - x[0]))


def _complete(people: RDM, cell: Cell, notes: Notes) -> RDM | None:
    """Return the RDMs of those who have some pairs that differ at every time."""
    there: BoolArray = np.isfinite(people.values)
    highest = people.values.max(axis=-1, where=there, initial=-np.inf)
    lowest = people.values.min(axis=-1, where=there, initial=np.inf)
    always: BoolArray = np.asarray(((there.sum(axis=-1) >= _MIN_PAIRS) & (highest > lowest)).all(axis=1))
    kept = np.flatnonzero(always)
    if len(kept) < len(cell.names):
        names = [name for name, so in zip(cell.names, always, strict=True) if not so]
        why = f"fewer than {_MIN_PAIRS} pairs, or only equal ones, at some time"
        notes.add(cell.name, f"{join_names(names)}: {why}, and not scored.")
    notes.add(
        cell.name, told_missing(count_missing(people.values[kept], np.array(cell.names)[kept].tolist()), people.n_pairs)
    )
    return people.isel(subject=kept.tolist()) if len(kept) else None


def _course(predicted: Mapping[str, RDM], people: RDM, numbers: Numbers) -> TimeCourse:
    """Return the time courses of all models: each that unfolds over time followed at its own time."""
    blank = any(np.isnan(rdm.values).any() for rdm in (people, *predicted.values()))
    policy: NanPolicy = "omit" if blank else "propagate"
    groups = [
        {name: one for name, one in predicted.items() if ("time" in one.dims) == moves} for moves in (True, False)
    ]
    courses: list[TimeCourse] = []
    for group in filter(None, groups):
        found = timecourse(
            group,
            people,
            method=METHOD,
            nan_policy=policy,
            ceiling=not courses,
            n_bootstrap=0,
            confidence=CONFIDENCE,
        )
        courses.append(found.at_same_times())
    joined = _in_order(courses[0].join(*courses[1:]), list(predicted))
    # one set of resamples for all models
    interval = mean_interval(
        joined.similarity, 1, n_bootstrap=numbers.n_bootstrap, confidence=CONFIDENCE, rng=as_rng(numbers.seed)
    )
    drawn = numbers.n_bootstrap if joined.n_subjects >= FEWEST else 0
    return dataclasses.replace(joined, interval=interval, n_bootstrap=drawn)


def _in_order(course: TimeCourse, names: list[str]) -> TimeCourse:
    order = [course.models.index(name) for name in names]
    return dataclasses.replace(
        course,
        similarity=course.similarity[order],
        mean=course.mean[order],
        interval=course.interval[:, order],
        models=tuple(names),
    )


def _model_score(course: TimeCourse, name: str, where: slice, numbers: Numbers, notes: Notes, cell: str) -> ModelScore:
    """Return one model's summaries; those that its curve is not defined for are NaN or none."""
    curves, times, about = course.curves(name), course.times, f"{name}: {cell}"
    heights = height(curves, times, where)
    low, high = _interval(heights, numbers)
    score = ModelScore(name, float(heights.mean()), low, high, heights, None, None, None, None, math.nan)
    finite = np.isfinite(curves).all(axis=0)
    if not finite.all():
        notes.add(about, f"undefined at {counted(int((~finite).sum()), 'time')}: no area, onset, peak or cluster test.")
    if len(times) < _MIN_TIMES or not finite.all():
        with notes.warned(cell):
            return dataclasses.replace(score, p=_p_of_mean(heights, "greater", numbers, notes, about))
    with notes.warned(about):
        score = dataclasses.replace(score, **_curve_summaries(course, name, where, numbers, notes, about))
    with notes.warned(cell):
        return dataclasses.replace(score, **_cluster_test(course, name, numbers))


def _curve_summaries(
    course: TimeCourse, name: str, where: slice, numbers: Numbers, notes: Notes, about: str
) -> dict[str, Any]:
    """Return the fields of a curve's area and latencies."""
    times, n = course.times, course.n_subjects
    options: dict[str, Any] = {
        "model": name,
        "n_bootstrap": numbers.n_bootstrap if n >= FEWEST else 0,
        "rng": numbers.seed,
    }
    first, last = float(times[where][0]), float(times[where][-1])
    found: dict[str, Any] = {}
    if where.stop - where.start > 1:
        # what has no area above 0 is no ceiling to be a share of
        bounded = bool((height(np.stack([course.lower, course.upper]), times, where) > 0).all())
        area = auc(course, tmin=first, tmax=last, of_ceiling=bounded, **options)
        found["area"] = area
        found |= {"mean": area.mean, "low": float(area.interval[0]), "high": float(area.interval[1])}
        # by default the search begins after 0
        found["peak"] = peak(course, tmin=first if first > 0 or last <= 0 else None, tmax=last, **options)
    before, after = int((times <= 0).sum()), int((times > 0).sum())
    if min(before, after) < _MIN_SIDE:
        notes.add(about, "no onset: there must be two samples up to 0 s, and two after.")
    else:
        found["onset"] = onset(course, **options)
    return found


def _cluster_test(course: TimeCourse, name: str, numbers: Numbers) -> dict[str, Any]:
    """Return the fields of the test over time: none for one person."""
    if course.n_subjects < 2:
        return {}
    test = cluster_test(course, model=name, tail="greater", n_permutations=numbers.n_permutations, rng=numbers.seed)
    return {"test": dataclasses.replace(test, null=None), "p": float(test.p_cluster.min(initial=1.0))}


def _difference(
    course: TimeCourse, a: str, b: str, where: slice, numbers: Numbers, notes: Notes, cell: str
) -> ModelDifference:
    gaps = course.curves(a) - course.curves(b)
    heights = height(gaps, course.times, where)
    low, high = _interval(heights, numbers)
    p_cluster = math.nan
    if len(gaps) > 1 and not gaps.any():
        notes.add(cell, f"{a} and {b} are equal at every time for everybody: their difference has no p")
        return ModelDifference(a, b, 0.0, low, high, math.nan, math.nan)
    with notes.warned(cell):
        p = _p_of_mean(heights, "two-sided", numbers, notes, f"{a} - {b}: {cell}")
        if len(gaps) > 1 and len(course.times) >= _MIN_TIMES and np.isfinite(gaps).all():
            # a time course of its own, so that what is warned of has a name
            name = f"{a} - {b}"
            minus = dataclasses.replace(
                course,
                similarity=gaps[None],
                mean=gaps.mean(axis=0)[None],
                interval=np.full((2, 1, len(course.times)), np.nan),
                models=(name,),
            )
            test = cluster_test(minus, model=name, n_permutations=numbers.n_permutations, rng=numbers.seed)
            p_cluster = float(test.p_cluster.min(initial=1.0))
    return ModelDifference(a, b, float(heights.mean()), low, high, p, p_cluster)


def _interval(heights: FloatArray, numbers: Numbers) -> tuple[float, float]:
    """Return the interval of the mean over people of one number each; every call draws the same people."""
    low, high = mean_interval(
        heights, 0, n_bootstrap=numbers.n_bootstrap, confidence=CONFIDENCE, rng=as_rng(numbers.seed)
    )
    return float(low), float(high)


def _p_of_mean(heights: FloatArray, tail: Tail, numbers: Numbers, notes: Notes, about: str) -> float:
    if len(heights) < 2 or not np.isfinite(heights).all():
        return math.nan
    if (heights == heights[0]).all():
        notes.add(about, "all people have the same mean: it has no p")
        return math.nan
    test = max_test(
        heights[:, None],
        tail=tail,
        n_permutations=numbers.n_permutations,
        rng=numbers.seed,
    )
    return float(test.p_corrected[0])
