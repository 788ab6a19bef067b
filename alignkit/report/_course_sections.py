"""Time courses: curves with intervals and the ceiling, what they reach, and every participant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alignkit.meg import ClusterTest, TimeCourse, cluster_test
from alignkit.meg._sample_unit import UNTIMED
from alignkit.report._chart import Chart
from alignkit.report._grid_chart import grid_chart
from alignkit.report._line_chart import Axes, Line, line_chart
from alignkit.report._page import Figure, Section
from alignkit.report._svg import number

#: People that a one-sided test needs to reach .05 (2 ** -5 does), and models that are tested on a page.
_FEWEST, _MOST_TESTED = 5, 12


def course_sections(found: TimeCourse) -> list[Section]:
    """Return a time course as parts of a page."""
    words = Section("How it was done", paragraphs=[found.methods_text()], notes=[found.note] if found.note else [])
    if found.model_times is not None:
        return [Section("Models' time by people's", figures=_maps(found)), words]
    figures = [_curves(found), *_participants(found)]
    return [Section("Time courses", figures=figures, tables=[_table(found)]), words]


def _scale(found: TimeCourse) -> tuple[float, str]:
    """Return what times are multiplied by, and their unit."""
    return (1.0, "sample") if UNTIMED in found.note else (1e3, "ms")


def _curves(found: TimeCourse) -> Chart:
    factor, unit = _scale(found)
    times = factor * found.times
    tests = _tests(found)
    spans = {name: _spans(test, factor) for name, test in tests.items()}
    lines = [
        Line(
            name,
            times,
            found.mean[k],
            (found.interval[0, k], found.interval[1, k]) if found.n_bootstrap else None,
            spans.get(name, ()),
        )
        for k, name in enumerate(found.models)
    ]
    has_ceiling = bool(np.isfinite(found.lower).any())
    shades = f"; shades: {found.confidence:.0%} intervals over people" if found.n_bootstrap else ""
    yellow = "; yellow: noise ceiling" if has_ceiling else ""
    caption = (
        f"Mean over {found.n_subjects} people of the {found.method} {found.quantity} of a model to each person's RDMs"
        f"{shades}{yellow}.{_told(tests, spans)}"
    )
    axes = Axes(f"time ({unit})", f"{found.quantity} ({found.method})", (0.0,), (0.0,))
    ceiling = (times, found.lower, found.upper) if has_ceiling else None
    return line_chart(lines, title="Models over time", axes=axes, caption=caption, ceiling=ceiling)


def _tests(found: TimeCourse) -> dict[str, ClusterTest]:
    """Return a cluster test of each model above 0, where enough people were measured for it to reach its level."""
    if found.quantity == "distance" or found.n_subjects < _FEWEST or len(found.models) > _MOST_TESTED:
        return {}
    if not np.isfinite(found.similarity).all() or len(found.times) < 2:
        return {}
    return {
        name: cluster_test(found.similarity[k], times=found.times, tail="greater", rng=0)
        for k, name in enumerate(found.models)
    }


def _spans(test: ClusterTest, factor: float) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], test.significant, [False]]).astype(int)))
    half = float(np.median(np.diff(test.times))) / 2
    return [
        (factor * (float(test.times[a]) - half), factor * (float(test.times[b - 1]) + half))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


def _told(tests: Mapping[str, ClusterTest], spans: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return what the bars below the curves mean, or that there are none."""
    if not tests:
        return ""
    how = f"cluster mass under sign flips of people, corrected p \N{LESS-THAN OR EQUAL TO} {_alpha(tests):g}, one-sided"
    if not any(spans.values()):
        return f" No cluster lies above 0 ({how})."
    return f" Bars below: clusters above 0 ({how}); they say nothing of onsets."


def _alpha(tests: Mapping[str, ClusterTest]) -> float:
    return next(iter(tests.values())).alpha


def _table(found: TimeCourse) -> tuple[str, list[str], list[list[str]]]:
    factor, unit = _scale(found)
    after = found.times >= 0 if (found.times >= 0).any() else np.ones(len(found.times), dtype=bool)
    best = np.nanargmin if found.quantity == "distance" else np.nanargmax
    rows = []
    for k, name in enumerate(found.models):
        mean = found.mean[k]
        if not np.isfinite(mean).any():
            rows.append([name, "-", "-", "-", "-", "-"])
            continue
        at = int(best(mean))
        span = found.interval[:, k, at]
        rows.append(
            [
                name,
                number(float(np.nanmean(mean[after]))) if np.isfinite(mean[after]).any() else "-",
                number(float(mean[at])),
                f"[{number(span[0])}, {number(span[1])}]" if np.isfinite(span).all() else "",
                f"{factor * found.times[at]:.6g}",
                f"{number(found.lower[at])} to {number(found.upper[at])}",
            ]
        )
    header = ["model", "mean from 0 on", "best", "interval", f"at ({unit})", "ceiling there"]
    return "Best: of the mean curve; chosen after the fact, and so optimistic.", header, rows


def _participants(found: TimeCourse) -> list[Chart]:
    if found.n_subjects < 2:
        return []
    after = found.times >= 0 if (found.times >= 0).any() else np.ones(len(found.times), dtype=bool)
    values = found.similarity[..., after].mean(axis=-1).T
    caption = "Mean from time 0 on of every participant's curve (row) for every model (column)."
    return [grid_chart(values, found.subjects, found.models, title="Participants by models", caption=caption)]


def _maps(found: TimeCourse) -> list[Figure]:
    figures = []
    for name in found.models:
        figure = found.plot(models=name).get_figure(root=True)
        assert figure is not None
        caption = f"{name}: mean {found.quantity} of the model at each of its times to people's RDMs at each of theirs."
        figures.append(Figure.from_matplotlib(figure, caption, alt=caption))
    return figures
