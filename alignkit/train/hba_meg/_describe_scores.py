"""Scores of HBA-MEG in words and in a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import counted, join_names
from alignkit.score._text import shorten
from alignkit.train.hba_meg._cell_scores import CellScores, ModelScore

if TYPE_CHECKING:
    from alignkit.meg import Latency
    from alignkit.train.hba_meg._scores import HBAMEGScores

#: What the short form shows: models of the first cell and of others, differences, and notes.
_SHOWN, _OTHERS, _GAPS, _NOTES = 4, 3, 3, 2
_NAME = 22
#: What :func:`numbers_of` gives.
HEAD = ("mean rho", "rho ms", "onset, ms", "peak, ms", "p")
_WIDTHS = (24, 7, 15, 15, 6)


def render(scores: HBAMEGScores, width: int = 100, *, short: bool = False, notes: str = ".notes") -> str:
    """Return the scores as a table, ``short`` on about one screen, which says where all ``notes`` are."""
    lines = [f"Models and people's RDMs over time: {scores.dataset or 'unnamed'}"]
    for k, cell in enumerate(scores.cells):
        lines += ["", *_cell(cell, short=short, first=k == 0)]
    lines += _behaviour(scores, short=short)
    if short and len(scores.notes) > _NOTES:
        lines += ["", f"{counted(len(scores.notes), 'note')} in {notes}"]
    elif scores.notes:
        lines += ["", *scores.notes]
    return "\n".join(line if line in scores.notes else shorten(line, width) for line in lines)


def headline(cell: CellScores) -> str:
    """Return what a cell is: its items, its people and the stretch of time."""
    people = "1 person" if cell.n_people == 1 else f"{cell.n_people} people"
    low, high = (1e3 * one for one in cell.window)
    when = f"{low:g} to {high:g} ms" if len(cell.course.times) > 1 else "one time"
    return f"{cell.name}: {cell.n_items:,} items, {people}, {when}"


def _cell(cell: CellScores, *, short: bool, first: bool) -> Iterator[str]:
    yield headline(cell)
    if first or not short:
        yield _line("", HEAD)
    if np.isfinite([cell.lower, cell.upper]).all():
        yield _line("noise ceiling", (f"{cell.lower:.3f} to {cell.upper:.3f}",))
    shown = cell.models[: _SHOWN if first else _OTHERS] if short else cell.models
    for one in shown:
        yield _line(one.model, numbers_of(one))
    if len(shown) < len(cell.models):
        yield f"  and {counted(len(cell.models) - len(shown), 'more model')}"
    gaps = [gap for gap in cell.differences if not short or (first and gap.model == cell.models[0].model)]
    for gap in gaps[:_GAPS] if short else gaps:
        value = f"{gap.difference:+.3f}{_spread(gap.low, gap.high, '+.3f')}"
        yield _line(f"{gap.model} - {gap.other}", (value, "", "", "", told_p(gap.p)))


def numbers_of(one: ModelScore) -> tuple[str, ...]:
    """Return one model's mean, area, onset, peak and p in a cell, as text."""
    area = "" if one.area is None else f"{1e3 * one.area.integral:.1f}"
    return (
        f"{one.mean:.3f}{_spread(one.low, one.high, '.3f')}" if math.isfinite(one.mean) else "-",
        area,
        _latency(one.onset),
        _latency(one.peak),
        told_p(one.p),
    )


def _latency(found: Latency | None) -> str:
    if found is None:
        return ""
    if not math.isfinite(found.value):
        return "-"
    low, high = 1e3 * found.interval
    return f"{1e3 * found.value:.0f}{_spread(float(low), float(high), '.0f')}"


def _spread(low: float, high: float, digits: str) -> str:
    """Return an interval in brackets, or nothing where there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f" [{low:{digits}}, {high:{digits}}]"


def told_p(p: float) -> str:
    """Return a p-value as text."""
    return "-" if not math.isfinite(p) else "<.0001" if p < 1e-4 else f"{p:.4f}".lstrip("0") if p < 1 else "1"


def _line(name: str, cells: tuple[str, ...]) -> str:
    texts = [f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=False)]
    return f"  {shorten(name, _NAME):<{_NAME}} {' '.join(texts)}".rstrip()


def _behaviour(scores: HBAMEGScores, *, short: bool) -> Iterator[str]:
    for measure in dict.fromkeys(one.measure for one in scores.behaviour):
        curves = [one for one in scores.behaviour if one.measure == measure]
        first = curves[0]
        ceiling = "" if math.isnan(first.ceiling) else f"; people {first.ceiling:.3f}"
        yield ""
        yield f"{measure}: {first.n_items:,} {first.items}, n = {first.n:,}; chance {first.chance:.3g}{ceiling}"
        shown = curves[:_OTHERS] if short else curves
        for one in shown:
            when, best = one.best
            over = "" if one.window is None else f" (mean of its window; best {best:.3f} at {1e3 * when:.0f} ms)"
            yield f"  {shorten(one.model, _NAME):<{_NAME}} {one.mean:.3f}{over}"
        if len(shown) < len(curves):
            yield f"  and {counted(len(curves) - len(shown), 'more model')}"


def describe(scores: HBAMEGScores) -> str:
    """Return the sentences a paper's Methods section needs."""
    if not scores.cells:
        return "No cell of items and people could be scored."
    sentences = [
        "Models were scored apart for items and people that they were trained on, for validation items, which epochs "
        f"were chosen on, and for held-out ones: {join_names([one.name for one in scores.cells], 6)}.",
        "Scores on trained items of trained people are in-sample.",
    ]
    cell = scores.cell()
    sentences.append(f"For {cell.name}: {cell.course.methods_text()}")
    sentences += list(_summaries(scores, cell))
    sentences += list(_of_behaviour(scores))
    return " ".join(sentences)


def _summaries(scores: HBAMEGScores, cell: CellScores) -> Iterator[str]:
    one = cell.models[0]
    for found in (one.area, one.onset, one.peak):
        if found is not None:
            yield found.methods_text()
    if one.test is not None:
        yield one.test.methods_text()
    if cell.differences:
        yield (
            "Differences between models are within people, with sign flips of people for their means (two-sided, at "
            f"most {scores.n_permutations:,}) and for clusters over time."
        )


def _of_behaviour(scores: HBAMEGScores) -> Iterator[str]:
    measures = [one.measure for one in scores.behaviour]
    if any(measure.startswith("RDM48") for measure in measures):
        yield (
            "Models' RDMs at every time were correlated with people's choice matrix of the fully sampled objects of "
            "THINGS."
        )
    for one in scores.behaviour:
        if one.kernel:
            yield (
                f"Odd-one-out accuracy of {one.model} is the share of {one.n:,} answers about {one.items} in which the "
                f"pair with the highest {one.kernel} similarity was the one that people kept; ties share the credit."
            )
